"""Waiting for a condition, where nothing tells when it holds; and for what has been dropped to be gone."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable

import pytest

WITHOUT_CONFIGURATION = pytest.mark.filterwarnings(
    "ignore:Exception ignored in. 'gssapi.raw.creds.Creds.__dealloc__':pytest.PytestUnraisableExceptionWarning"
)
"""For tests in which ``krb5.conf`` is broken: meanwhile the library cannot free what others have left, which is a
warning, and another thread may drop something at any time."""

# A hang guard.
_SECONDS = 30.0
_STEP = 0.005


def free_credentials() -> None:
    """Have the library free what other tests have left: without a configuration it cannot, which is a warning."""
    gc.collect()


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Return as soon as the condition holds.

    Raises:
        AssertionError: it does not come to hold.
    """
    pause = threading.Event()
    for _ in range(int(_SECONDS / _STEP)):
        if condition():
            return
        pause.wait(_STEP)
    raise AssertionError(f"waited in vain until {what}")
