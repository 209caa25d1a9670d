"""Clocks that tests set: a function's, a module's, and a loop's whose time passes only while it has nothing to do."""

from __future__ import annotations

import asyncio
import selectors
import types
from collections.abc import Callable

import pytest


class Clock:
    """Time that passes when told to."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def own_clock(patch: pytest.MonkeyPatch, module: types.ModuleType, clock: Callable[[], float]) -> None:
    """Give one module its own clock in place of ``time.monotonic``, until the patch is undone.

    With ``time.monotonic`` itself replaced, the loops of servers that other tests have left running would sleep for as
    long as the two clocks differ: for hours.
    """
    patch.setattr(module, "time", types.SimpleNamespace(monotonic=clock))


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
