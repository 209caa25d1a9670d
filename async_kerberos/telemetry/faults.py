"""Which errors of the application's functions are logged: strangers may cause them with each request."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable

from .._threads.fork import renew_after_fork

# An error is logged this often, once for each kind, of which this many are told apart.
_SECONDS = 60.0
_MOST = 16


class Faults:
    """Says of each error whether it is to be logged: once a minute for each kind. Safe to use from any thread.

    Args:
        clock: seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._renew()
        renew_after_fork(self, Faults._renew)

    def _renew(self) -> None:
        self._lock = threading.Lock()
        # When each kind may be logged again, the oldest first.
        self._kinds: dict[Hashable, float] = {}

    def is_new(self, kind: Hashable) -> bool:
        """Whether an error of this kind is to be logged now."""
        with self._lock:
            now = self._clock()
            if now < self._kinds.get(kind, now):
                return False
            if len(self._kinds) >= _MOST:
                oldest = next(iter(self._kinds))
                if now < self._kinds[oldest]:
                    return False
                del self._kinds[oldest]
            self._kinds.pop(kind, None)
            self._kinds[kind] = now + _SECONDS
            return True
