"""The log as an operator has it, and time that passes when it is told to."""

from __future__ import annotations

import functools
import inspect
import logging
from collections.abc import Generator

import pytest


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Written(logging.Handler):
    """What an operator's handler gets: the line, and all that the record carries beside it."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)

    @property
    def lines(self) -> list[str]:
        """The messages."""
        return [record.getMessage() for record in self.records]

    @property
    def size(self) -> int:
        """How many bytes they are, with their fields beside them."""
        fields = [
            {name: value for name, value in vars(record).items() if name.startswith("kerberos_")}
            for record in self.records
        ]
        return sum(len(f"{line}\n{found}\n".encode()) for line, found in zip(self.lines, fields, strict=True))


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Generator[Written, None, None]:
    """The log at the level that it has where nobody configures any."""
    written, logger = Written(), logging.getLogger("async_kerberos")
    # The guard that looks for secrets has every logger make the records of every level. Not setattr(), which would
    # leave the class's method on the logger itself.
    is_enabled = functools.partial(inspect.unwrap(logging.Logger.isEnabledFor), logger)
    monkeypatch.setitem(vars(logger), "isEnabledFor", is_enabled)
    before = logger.level
    logger.addHandler(written)
    logger.setLevel(logging.WARNING)
    yield written
    logger.setLevel(before)
    logger.removeHandler(written)


@pytest.fixture
def clock() -> Clock:
    """A clock that stands."""
    return Clock()
