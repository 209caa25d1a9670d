"""The signals that end the command, in such a way that it cleans up first."""

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
    """Handles SIGINT, SIGTERM and SIGHUP from now on to the end of the process, which ends with the command.

    At first the signals raise :class:`Signalled` on the main thread, so that whatever it waits for is given up.
    After :meth:`disarm` they are only noted.

    Attributes:
        received: the number of the first signal that came; None if none has.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self._raises = True
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            # nohup asks for a program that outlives its terminal. A SIGINT that is ignored asks for nothing: a shell
            # script gives one to every program that it starts in the background.
            if number is not signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._handle)

    def disarm(self) -> None:
        """Raise no more: what comes next polls :attr:`received`, or is the clean-up, which must be whole."""
        self._raises = False

    def check(self) -> None:
        """Raise what a handler raised in vain, as where Python was in the middle of a ``__del__``.

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
