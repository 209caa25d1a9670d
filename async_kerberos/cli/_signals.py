"""Handles the signals that end the command, so that it cleans up first."""

from __future__ import annotations

import signal
from types import FrameType


class Signalled(BaseException):
    """A signal asks the command to end. Like KeyboardInterrupt, no handler of ordinary errors catches it.

    Attributes:
        number: the signal's number.
    """

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


class EndingSignals:
    """Handles SIGINT, SIGTERM and SIGHUP until the process ends.

    At first, a signal is only noted in :attr:`received`. Between :meth:`arm` and :meth:`disarm` it raises
    :class:`Signalled` on the main thread, which ends every wait.

    Attributes:
        received: the number of the first signal that came; None if none has.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self._raises = False
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            # nohup ignores SIGHUP so that the program outlives its terminal: leave it ignored. But a shell script
            # ignores SIGINT in every program that it starts in the background: handle it all the same.
            if number is not signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._handle)

    def arm(self) -> None:
        """Raise from now on, and also now if a signal has come.

        Raises:
            Signalled: a signal has come.
        """
        self._raises = True
        self.check()

    def disarm(self) -> None:
        """Stop raising: from now on the main thread polls :attr:`received`, or does the whole clean-up."""
        self._raises = False

    def check(self) -> None:
        """Raise again if a signal has come: Python ignores what a handler raises during a ``__del__``, for instance.

        Raises:
            Signalled: a signal has come.
        """
        if self.received is not None:
            raise Signalled(self.received)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.received is None:
            self.received = number
        if self._raises:
            raise Signalled(number)
