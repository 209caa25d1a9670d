"""Prints the output of the command: readable on a terminal, in a pipe, in a CI log and without colours."""

from __future__ import annotations

import contextlib
import io
import logging
import sys
from collections.abc import Generator

from rich.console import Console
from rich.text import Text


class Screen:
    """Standard output for the steps of the demo, standard error for the log of the server."""

    def __init__(self) -> None:
        self._out = _console(stderr=False)
        self._err = _console(stderr=True)

    def title(self, text: str) -> None:
        """Begin a step."""
        self._out.print()
        self._out.print(text, style="bold")

    def line(self, text: str = "", style: str = "") -> None:
        """Print one line of a step. Some outputs have no colours, so the style must carry no information."""
        self._out.print(f"   {text}".rstrip(), style=style)

    def fields(self, **values: str) -> None:
        """Print names and values, the values below each other."""
        width = max(map(len, values))
        for name, value in values.items():
            self._out.print(Text.assemble("   ", (f"{name:<{width}}  ", "dim"), printable(value)))

    def command(self, text: str) -> None:
        """Print a shell command on a separate line, to be copied."""
        self._out.print(f"\n{text}\n", style="cyan")

    def data(self, text: str) -> None:
        """Print what programs read, as it is."""
        self._out.print(text)

    def end(self) -> None:
        """After Ctrl-C, begin a new line: the terminal has printed ``^C`` on the current one."""
        if self._out.is_terminal:
            self._out.print()

    def log(self, text: str) -> None:
        """Print what the server logs. It may be called on any thread."""
        # If the terminal is gone, writing to it fails. The server must not fail because of that.
        with contextlib.suppress(OSError):
            for line in text.splitlines():
                self._err.print(f"   server log: {printable(line)}", style="dim")


class _ScreenHandler(logging.Handler):
    def __init__(self, screen: Screen) -> None:
        super().__init__()
        self._screen = screen

    def emit(self, record: logging.LogRecord) -> None:
        self._screen.log(self.format(record))


@contextlib.contextmanager
def logging_to(screen: Screen, levels: dict[str, int]) -> Generator[None, None, None]:
    """Show the log on the screen: warnings, and for the named loggers all records from their level on."""
    loggers = {logging.getLogger(name): level for name, level in levels.items()}
    before = {logger: logger.level for logger in loggers}
    handler = _ScreenHandler(screen)
    logging.getLogger().addHandler(handler)
    for logger, level in loggers.items():
        logger.setLevel(level)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(handler)
        for logger, level in before.items():
            logger.setLevel(level)


def printable(text: str) -> str:
    """Escape control characters, so that no text from the network can control the terminal."""
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in text)


def _console(*, stderr: bool) -> Console:
    stream = sys.stderr if stderr else sys.stdout
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="replace")  # the locale's encoding may lack the ellipsis, which must not be an error
    # No wrapping: a wrapped curl command could not be copied. No markup: the text is data.
    return Console(stderr=stderr, soft_wrap=True, markup=False, emoji=False, highlight=False)
