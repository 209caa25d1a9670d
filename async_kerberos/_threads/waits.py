"""How the decision waits: on an event loop, or on the calling thread. It is the same coroutine for both."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine
from typing import Any, Protocol, TypeVar

from .loops import run_apart
from .workers import Workers

T = TypeVar("T")


class Waits(Protocol):
    """Makes slow calls for the stages of the decision."""

    async def compute(self, call: Callable[[], T]) -> T:
        """Make a call that computes, such as a step of GSSAPI.

        Raises:
            WorkersError: the call was not made, or its result did not come in time.
        """
        ...

    async def consult(self, function: Callable[..., object], *args: object) -> object:
        """Call a function of the application's, and await whatever it returns that can be awaited."""
        ...


class OnLoop:
    """For event loops: the workers make the calls, so a loop never blocks."""

    def __init__(self, workers: Workers) -> None:
        self._workers = workers

    async def compute(self, call: Callable[[], T]) -> T:
        """Make the call on a worker."""
        return await self._workers.run(call)

    async def consult(self, function: Callable[..., object], *args: object) -> object:
        """Call the function on the loop, which waits for what it does itself."""
        result = function(*args)
        return await result if inspect.isawaitable(result) else result


class OnThread:
    """For threads that may wait: there is no queue and no deadline."""

    async def compute(self, call: Callable[[], T]) -> T:
        """Make the call on this thread."""
        return call()

    async def consult(self, function: Callable[..., object], *args: object) -> object:
        """Call the function on this thread. What it returns is awaited on a loop of its own, on another thread."""
        result = function(*args)
        return run_apart(result) if inspect.isawaitable(result) else result


def finish(decision: Coroutine[Any, Any, T]) -> T:
    """Run to its end a coroutine that never suspends: the decision with :class:`OnThread`.

    Raises:
        RuntimeError: the coroutine did suspend.
    """
    results: list[T] = []
    # Faster than send() and its StopIteration. To leave the loop by an error frees the coroutine, and so closes it.
    for _ in _append_result(decision, results).__await__():
        raise RuntimeError("a stage of the decision waited for an event loop, on a thread that has none")
    return results[0]


async def _append_result(decision: Coroutine[Any, Any, T], results: list[T]) -> None:
    results.append(await decision)
