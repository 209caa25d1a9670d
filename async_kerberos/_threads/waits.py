"""How the decision waits: on an event loop, or on the thread that asks. The decision is one coroutine for both."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Protocol, TypeVar

from .workers import Workers

T = TypeVar("T")


class Waits(Protocol):
    """What a stage of the decision asks for what takes time."""

    async def compute(self, call: Callable[[], T]) -> T:
        """Make a call that computes, as GSSAPI does.

        Raises:
            WorkersError: it could not be made, or not in time.
        """
        ...


class OnLoop:
    """For event loops: none of them ever waits for a call."""

    def __init__(self, workers: Workers) -> None:
        self._workers = workers

    async def compute(self, call: Callable[[], T]) -> T:
        """Make the call on a worker."""
        return await self._workers.run(call)


class OnThread:
    """For threads that may wait: there is no queue and no deadline."""

    async def compute(self, call: Callable[[], T]) -> T:
        """Make the call here and now."""
        return call()


def finish(decision: Coroutine[Any, Any, T]) -> T:
    """Run to its end a coroutine that never suspends: the decision, where each wait is the thread's own.

    Raises:
        RuntimeError: it did suspend.
    """
    results: list[T] = []
    for _ in _append_result(decision, results).__await__():  # an ``except StopIteration`` would take microseconds
        raise RuntimeError("a stage of the decision waited for an event loop, on a thread that has none")
    return results[0]


async def _append_result(decision: Coroutine[Any, Any, T], results: list[T]) -> None:
    results.append(await decision)
