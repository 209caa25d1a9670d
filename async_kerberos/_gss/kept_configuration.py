"""Has MIT's library keep what it has read of ``krb5.conf``.

The library keeps it as long as any krb5 context lives. Each call of GSSAPI makes a context and ends it, and so would
read and parse the file anew, which is a seventh of what an accept takes.
"""

from __future__ import annotations

import math
import threading
import time
from typing import TYPE_CHECKING

from .._threads.fork import renew_after_fork
from .libkrb5 import loaded_library

if TYPE_CHECKING:
    import ctypes

# The library itself looks whether the file has changed, but not at the files that it includes.
_FRESH_SECONDS = 1.0


class KeptConfiguration:
    """A krb5 context that nobody uses: it lives for a second, and then another one takes its place.

    Attributes:
        is_at_fault: whether the last one could not be made: nobody gets in meanwhile.
    """

    def __init__(self) -> None:
        self.is_at_fault = False
        self._until = -math.inf
        self._context: ctypes.c_void_p | None = None
        self._lock = threading.Lock()
        renew_after_fork(self, KeptConfiguration._renew)

    def refresh(self) -> None:
        """To be called before each call of GSSAPI. It takes next to nothing, but once a second."""
        now = time.monotonic()
        if now < self._until or not self._lock.acquire(blocking=False):
            return
        try:
            self._replace()
            self._until = now + _FRESH_SECONDS
        finally:
            self._lock.release()

    def _replace(self) -> None:
        library = loaded_library()
        if library is None:
            return
        from ctypes import byref, c_void_p

        # Forgotten before it is freed: another thread may fork meanwhile, and the child must not free it again.
        context, self._context = self._context, None
        library.krb5_free_context(context)  # accepts a null pointer
        context = c_void_p()
        self.is_at_fault = bool(library.krb5_init_context(byref(context)))
        self._context = context

    def _renew(self) -> None:
        self._lock = threading.Lock()


configuration = KeptConfiguration()
