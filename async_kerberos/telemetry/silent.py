"""Notices clients that are asked for a ticket again and again, and never bring one: the most frequent trouble."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import NamedTuple

from .._threads.fork import renew_after_fork
from ..request import AuthRequest
from .peers import group_of

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
    __slots__ = ("count", "quiet_until", "since")

    def __init__(self, since: float) -> None:
        self.count = 0
        self.since = since
        self.quiet_until = since


class SilentClients:
    """Counts, by clients, the requests without credentials since the last one with some.

    Behind a proxy all clients have one address: a ticket of any of them starts the count anew.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._renew()
        renew_after_fork(self, SilentClients._renew)

    def _renew(self) -> None:
        self._lock = threading.Lock()
        # Looked up without the lock, since half of all requests are: a count that two threads change may miss one.
        self._clients: dict[str, _Client] = {}
        self._warned: list[float] = []

    def note(self, request: AuthRequest) -> SilentClient | None:
        """Count a request that is challenged.

        Returns:
            The client, if it is to be warned of.
        """
        # A preflight never has credentials. Whoever has those of another scheme has another trouble.
        if request.method == "OPTIONS" or "authorization" in request.fields:
            return None
        key = group_of(request.peer)
        client = self._clients.get(key)
        if client is None:
            client = self._add(key)
        client.count += 1
        return None if client.count % _TIMES else self._look(key, client, request.host)

    def forget(self, request: AuthRequest) -> None:
        """Begin anew: the client has brought credentials."""
        if self._clients and "authorization" in request.fields:
            with self._lock:
                self._clients.pop(group_of(request.peer), None)

    def _add(self, key: str) -> _Client:
        with self._lock:
            if len(self._clients) >= _MOST_CLIENTS:
                del self._clients[next(iter(self._clients))]
            return self._clients.setdefault(key, _Client(self._clock()))

    def _look(self, key: str, client: _Client, host: str) -> SilentClient | None:
        with self._lock:
            if self._clients.get(key) is not client:
                return None  # it has brought a ticket meanwhile
            self._clients[key] = self._clients.pop(key)
            now = self._clock()
            count, seconds = client.count, now - client.since
            if seconds < _AT_LEAST_SECONDS:
                return None
            client.count, client.since = 0, now
            if seconds > _AT_MOST_SECONDS or now < client.quiet_until:
                return None
            self._warned = [warned for warned in self._warned if now < warned + _QUIET_SECONDS]
            if len(self._warned) >= _MOST_WARNINGS:
                return None
            self._warned.append(now)
            client.quiet_until = now + _QUIET_SECONDS
            return SilentClient(key, host, count, seconds)
