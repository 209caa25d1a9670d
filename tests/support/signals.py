"""Signals that a test run may have been told to ignore, and its children must not."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Generator
from types import FrameType


@contextlib.contextmanager
def heard_by_children() -> Generator[None, None, None]:
    """Let child processes hear Ctrl-C and hang-ups, which a run in the background, or under nohup, ignores.

    A child would inherit that. A handler, even one that does nothing, it does not.
    """
    ignored = [number for number in (signal.SIGINT, signal.SIGHUP) if signal.getsignal(number) is signal.SIG_IGN]
    for number in ignored:
        signal.signal(number, _do_nothing)
    try:
        yield
    finally:
        for number in ignored:
            signal.signal(number, signal.SIG_IGN)


def _do_nothing(number: int, frame: FrameType | None) -> None:
    pass
