"""Faults of the application's own functions, which may come with each request: each is logged once a minute."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable

from .._threads.fork import renew_after_fork

_FAULT_SECONDS = 60.0

# So many are told apart.
_MOST_FAULTS = 16


class Faults:
    """Says which faults are to be logged.

    Args:
        clock: seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._renew()
        renew_after_fork(self, Faults._renew)

    def _renew(self) -> None:
        self._lock = threading.Lock()
        # When each fault may be logged again.
        self._logged: dict[Hashable, float] = {}

    def is_new(self, where: Hashable, kind: str) -> bool:
        """Whether a fault is to be logged now.

        Args:
            where: the function that has it.
            kind: the type of the error.
        """
        with self._lock:
            now = self._clock()
            if now < self._logged.get((where, kind), now):
                return False
            if len(self._logged) >= _MOST_FAULTS:
                oldest = next(iter(self._logged))
                if now < self._logged[oldest]:
                    return False
                del self._logged[oldest]
            self._logged.pop((where, kind), None)
            self._logged[where, kind] = now + _FAULT_SECONDS
            return True
