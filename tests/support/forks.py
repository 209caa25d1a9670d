"""Forks of the tests' own process."""

from __future__ import annotations

import os
import signal
import sys
import traceback
import warnings
from collections.abc import Callable

# A hang guard.
_SECONDS = 60


def fork_and_run(call: Callable[[], int]) -> int:
    """Fork; the child's exit status is what the call returns there."""
    with warnings.catch_warnings():
        # Python 3.12 warns of forks in a process with threads; that they do no harm here is what is tested.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(_SECONDS)
        status = 99
        try:
            status = call()
        except BaseException:
            traceback.print_exc()
            sys.stderr.flush()
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)
