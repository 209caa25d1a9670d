"""Sums up what comes again and again, so that a flood of requests is none of lines in the log."""

from __future__ import annotations

import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, NamedTuple

from .._threads.fork import renew_after_fork
from ..reasons import Reason

# Of what comes again there is a line within this time, in seconds.
_PERIOD = 60.0
_OVERLOADED = 503  # which strangers may bring about
Share = Literal["strangers", "users", "faults"]
"""Who takes a line."""

# Lines within a period, over all clients: for the first of a kind, and as many for how many more there were of one. A
# person reads no more; and with the longest lines those of strangers are less than 100 kB. What strangers send, from
# however many addresses, takes no line from what users do who are known, nor from the server's own faults.
_MOST: Mapping[Share, int] = {"strangers": 30, "users": 10, "faults": 10}


class Kind(NamedTuple):
    """What has one line within a minute.

    Attributes:
        peer: the client.
        reason: why it was not let in.
        status: the answer's.
        principal: the client's, if it is known: behind a proxy, all clients have one address.
    """

    peer: str
    reason: Reason
    status: int | None
    principal: str | None

    @property
    def share(self) -> Share:
        """Of whose lines it takes one."""
        if (self.status or 0) >= 500 and self.status != _OVERLOADED:
            return "faults"
        return "users" if self.principal else "strangers"


class Summary(NamedTuple):
    """How many more came within so many seconds: of a kind, or of all that had no line."""

    kind: Kind | None
    reasons: Counter[Reason]
    seconds: float

    @property
    def total(self) -> int:
        """How many in all."""
        return sum(self.reasons.values())


class _Counted:
    """How many more of a kind have come since its last line."""

    __slots__ = ("count", "since")

    def __init__(self, since: float) -> None:
        self.count = 0
        self.since = since


class Floods:
    """Counts by kinds. Safe to use from any thread; every call is short.

    Memory is bounded: a kind is dropped after a minute in which it did not come, and to come in, or to stay, it takes
    one of the lines of that minute.

    Attributes:
        counts: whether there is something that has to be logged at some time.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._renew()
        renew_after_fork(self, Floods._renew)

    def _renew(self) -> None:
        # In a forked child: a thread of the parent may have held the lock; what the parent has counted, it logs.
        self._lock = threading.Lock()
        self._kinds: OrderedDict[Kind, _Counted] = OrderedDict()  # in the order of their last lines
        self._others: Counter[Reason] = Counter()
        self._window = self._clock()
        self._first, self._summaries = Counter[Share](), Counter[Share]()
        self.counts: bool = False

    def note(self, kind: Kind) -> tuple[bool, Sequence[Summary]]:
        """Count one.

        Returns:
            Whether it has a line of its own, and what there is to be logged first.
        """
        with self._lock:
            now = self._clock()
            due = self._due(now)
            counted = self._kinds.get(kind)
            share = kind.share
            if counted is None and self._first[share] < _MOST[share]:
                self._first[share] += 1
                self._kinds[kind] = _Counted(now)
                return True, due
            self.counts = True
            if counted is None:
                self._others[kind.reason] += 1
            else:
                counted.count += 1
            return False, due

    def due(self, *, at_once: bool = False) -> Sequence[Summary]:
        """What there is to be logged by now; ``at_once``: without waiting for the end of the minute."""
        with self._lock:
            return self._due(self._clock(), 0.0 if at_once else _PERIOD)

    def _due(self, now: float, period: float = _PERIOD) -> Sequence[Summary]:
        window, ends = self._window, now >= self._window + period
        if ends:
            self._window, self._first, self._summaries = now, Counter[Share](), Counter[Share]()
        due: list[Summary] = []
        for _ in range(len(self._kinds)):
            kind, counted = next(iter(self._kinds.items()))
            if now < counted.since + period:
                break
            del self._kinds[kind]
            if counted.count and self._summaries[kind.share] < _MOST[kind.share]:
                self._summaries[kind.share] += 1
                due.append(Summary(kind, Counter({kind.reason: counted.count}), now - counted.since))
                self._kinds[kind] = _Counted(now)
            elif counted.count:
                self._others[kind.reason] += counted.count
        if ends and self._others:
            due.append(Summary(None, self._others, now - window))
            self._others = Counter()
        if due:
            self.counts = bool(self._others) or any(counted.count for counted in self._kinds.values())
        return due
