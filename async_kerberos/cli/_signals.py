"""Signals that end the command, as an exception: every ``with`` block on the way out can clean up."""

from __future__ import annotations

import signal
from types import FrameType, TracebackType
from typing import Any


class Signalled(BaseException):
    """A signal asks the command to end. Like KeyboardInterrupt, no handler of ordinary errors catches it.

    Attributes:
        number: the signal's number.
    """

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


class EndingSignals:
    """While entered, SIGINT, SIGTERM and SIGHUP raise :class:`Signalled` on the main thread."""

    def __init__(self) -> None:
        self._raises = True
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> EndingSignals:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            before = signal.getsignal(number)
            # nohup asks for a program that outlives its terminal. A SIGINT that is ignored asks for nothing: a shell
            # script gives one to every program that it starts in the background.
            if number is signal.SIGHUP and before is signal.SIG_IGN:
                continue
            self._before[number] = before
            signal.signal(number, self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)

    def disarm(self) -> None:
        """Let further signals pass unheard: what comes next is the clean-up, which is short and must be whole."""
        self._raises = False

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._raises:
            raise Signalled(number)
