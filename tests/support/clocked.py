"""A loop of asyncio whose time passes only while it has nothing to do."""

from __future__ import annotations

import asyncio
import selectors


class Clocked(asyncio.SelectorEventLoop):
    """A loop that puts its clock forward instead of waiting: however busy the machine is, nothing comes late.

    Attributes:
        now: its time.
    """

    def __init__(self) -> None:
        self.now = 0.0
        super().__init__(_Selector(self))

    def time(self) -> float:
        """Its time."""
        return self.now


class _Selector(selectors.DefaultSelector):
    def __init__(self, loop: Clocked) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        events = super().select(None if timeout is None else 0)
        if not events and timeout is not None:
            self._loop.now += timeout
        return events
