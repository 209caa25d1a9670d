"""Notices clients that are asked for a ticket again and again, and never bring one: the most frequent trouble."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import NamedTuple

from .._threads.fork import renew_after_fork
from ..request import AuthRequest, Peer
from .peers import LONGEST, group_of

# A client with a ticket brings it with the next request, within seconds. Ten requests without one, over ten seconds and
# more, are no page with its pictures; over more than ten minutes, they may be a monitor's.
_TIMES = 10
_AT_LEAST_SECONDS = 10.0
_AT_MOST_SECONDS = 600.0
# One line a client within an hour, and ten in all: who reads them looks at the first.
_QUIET_SECONDS = 3600.0
_MOST_WARNINGS = 10
# Clients that are counted; another one drops the one that was looked at longest ago. A client takes 300 bytes.
_MOST_CLIENTS = 1024


class SilentClient(NamedTuple):
    """A client that was asked for a ticket so many times, within so many seconds, and has brought none."""

    peer: str
    host: str
    times: int
    seconds: float


class _Client:
    """How often a client was asked, since when, how often it will have been when the clock is looked at next."""

    __slots__ = ("count", "look_at", "quiet_until", "since")

    def __init__(self, since: float) -> None:
        self.quiet_until = since
        self.begin(since)

    def begin(self, since: float) -> None:
        """Begin to count."""
        self.count = 0
        self.look_at = _TIMES
        self.since = since


class SilentClients:
    """Counts, by clients, the requests without credentials since the last one with some.

    Behind a proxy all clients have one address: a ticket of any of them starts the count anew.

    Attributes:
        clients: those that are counted; where it is empty, nobody has to call :meth:`forget`.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._renew()
        renew_after_fork(self, SilentClients._renew)

    def _renew(self) -> None:
        self._lock = threading.Lock()
        # By their addresses, and by what stands for several. Looked up without the lock, since half of all requests
        # are: of two threads that count at the same time, one may be lost.
        self.clients: dict[str, _Client] = {}
        self._warned: list[float] = []

    def note(self, request: AuthRequest) -> SilentClient | None:
        """Count a request that is challenged.

        Returns:
            The client, if it is to be warned of.
        """
        # A preflight never has credentials. Whoever has those of another scheme has another trouble.
        if request.method == "OPTIONS" or "authorization" in request.fields:
            return None
        peer = request.peer
        client = self.clients.get(peer[0] if peer else "")
        if client is None:
            client = self._add(peer)
        client.count += 1
        return None if client.count < client.look_at else self._look(client, request)

    def forget(self, request: AuthRequest) -> None:
        """Begin anew: the client has brought credentials."""
        if "authorization" in request.fields:
            peer = request.peer
            client = self.clients.get(peer[0] if peer else "") or self.clients.get(group_of(peer))
            if client is not None:
                client.begin(self._clock())

    def _add(self, peer: Peer | None) -> _Client:
        group = group_of(peer)
        with self._lock:
            client = self.clients.get(group) or _Client(self._clock())
            self._keep(group, client)
            if peer is not None and len(peer[0]) <= LONGEST:
                self._keep(peer[0], client)
            return client

    def _keep(self, key: str, client: _Client) -> None:
        self.clients.pop(key, None)
        while len(self.clients) >= _MOST_CLIENTS:
            del self.clients[next(iter(self.clients))]
        self.clients[key] = client

    def _look(self, client: _Client, request: AuthRequest) -> SilentClient | None:
        group = group_of(request.peer)
        with self._lock:
            self._keep(group, client)
            now = self._clock()
            times, seconds = client.count, now - client.since
            if seconds < _AT_LEAST_SECONDS:
                client.look_at = 2 * times  # seldom, while a client comes often
                return None
            client.begin(now)
            if seconds > _AT_MOST_SECONDS or now < client.quiet_until:
                return None
            self._warned = [warned for warned in self._warned if now < warned + _QUIET_SECONDS]
            if len(self._warned) >= _MOST_WARNINGS:
                return None
            self._warned.append(now)
            client.quiet_until = now + _QUIET_SECONDS
            return SilentClient(group, request.host, times, seconds)
