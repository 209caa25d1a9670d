"""Half-open security contexts: exchanges that wait for the client's next leg."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from .._checks import check_count, check_seconds
from .._never_sent import NeverSent
from .._threads.fork import renew_after_fork
from ..request import Peer

Context = TypeVar("Context")


@dataclass(frozen=True, kw_only=True)
class HalfOpenLimits(NeverSent):
    """How much an unauthenticated client can make the server hold.

    Attributes:
        total: contexts in all; one more drops the oldest. A context takes a few kilobytes, so 1,024 take a few
            megabytes.
        per_peer: contexts of one address; one more drops the oldest of this address, so no client can drop those of
            others. Eight are more connections than a browser opens to a host.
        seconds: how long one exchange may take, from its first leg on. A leg is one round trip. Thirty seconds leave
            time for a slow client to get a ticket between two legs.

    Raises:
        ConfigurationError: a number is not positive, or not a number.
    """

    total: int = 1024
    per_peer: int = 8
    seconds: float = 30.0

    def __post_init__(self) -> None:
        check_count("half_open.total", self.total)
        check_count("half_open.per_peer", self.per_peer)
        check_seconds("half_open.seconds", self.seconds)


class HalfOpen(Generic[Context]):
    """A context that waits, and its deadline, after which it is dropped."""

    __slots__ = ("context", "deadline")

    def __init__(self, context: Context, deadline: float) -> None:
        self.context: Context = context
        self.deadline: float = deadline


class HalfOpenStore(Generic[Context]):
    """Contexts that wait, by connection. Safe to use from any thread; every call is short."""

    def __init__(self, limits: HalfOpenLimits, clock: Callable[[], float] = time.monotonic) -> None:
        self._limits = limits
        self._clock = clock
        self._renew()
        renew_after_fork(self, HalfOpenStore[Context]._renew)

    def _renew(self) -> None:
        # In a forked child: the connections belong to the parent, and a thread of the parent may have held the lock.
        self._lock = threading.Lock()
        # In the order of their deadlines.
        self._waiting: OrderedDict[Peer, HalfOpen[Context]] = OrderedDict()
        # The ports of each address, in the same order.
        self._ports: dict[str, dict[int, None]] = {}
        self._timer: threading.Timer | None = None

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, peer: Peer, context: Context, deadline: float | None = None) -> None:
        """Keep a context until the peer's next leg.

        Args:
            peer: the connection; a context that it has already is dropped.
            context: what to keep.
            deadline: the deadline of the exchange, if this is not its first leg.
        """
        with self._lock:
            self._drop_expired()
            self._remove(peer)
            if len(self._ports.get(peer[0], ())) >= self._limits.per_peer:
                self._remove((peer[0], next(iter(self._ports[peer[0]]))))
            if len(self._waiting) >= self._limits.total:
                self._remove(next(iter(self._waiting)))
            if deadline is None:
                self._waiting[peer] = HalfOpen(context, self._clock() + self._limits.seconds)
                self._ports.setdefault(peer[0], {})[peer[1]] = None
            else:
                # This exchange began before some others, so sort again: it is rare that an exchange has a third leg.
                self._waiting[peer] = HalfOpen(context, deadline)
                self._waiting = OrderedDict(sorted(self._waiting.items(), key=lambda item: item[1].deadline))
                self._ports[peer[0]] = {port: None for address, port in self._waiting if address == peer[0]}
            self._set_timer()

    def take(self, peer: Peer) -> HalfOpen[Context] | None:
        """Remove the context that waits for the peer; return it unless its deadline has passed."""
        if not self._waiting:
            return None  # the usual case; safe without the lock, since put() comes before the connection's next request
        with self._lock:
            self._drop_expired()
            half_open = self._remove(peer)
            if half_open is None or half_open.deadline <= self._clock():
                return None
            return half_open

    def clear(self) -> None:
        """Drop everything."""
        with self._lock:
            self._waiting.clear()
            self._ports.clear()
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

    def _set_timer(self) -> None:
        """Make sure that expired contexts are dropped even if no client ever comes again."""
        if self._timer is not None or not self._waiting:
            return
        oldest = next(iter(self._waiting.values()))
        timer = threading.Timer(max(0.0, oldest.deadline - self._clock()), self._expire)
        timer.name = "async-kerberos-half-open"
        timer.daemon = True
        # If the system cannot start a thread, the next call drops what has expired.
        with contextlib.suppress(RuntimeError):
            timer.start()
            self._timer = timer

    def _expire(self) -> None:
        with self._lock:
            if threading.current_thread() is self._timer:
                self._timer = None
                self._drop_expired()
                self._set_timer()

    def _drop_expired(self) -> None:
        now = self._clock()
        while self._waiting:
            peer, half_open = next(iter(self._waiting.items()))
            if half_open.deadline > now:
                return
            self._remove(peer)

    def _remove(self, peer: Peer) -> HalfOpen[Context] | None:
        half_open = self._waiting.pop(peer, None)
        if half_open is not None:
            ports = self._ports[peer[0]]
            del ports[peer[1]]
            if not ports:
                del self._ports[peer[0]]
        return half_open
