"""Finds the event loop that runs on this thread, and waits on whichever it is.

A library that is not imported yet runs no loop, so we skip it.
"""

from __future__ import annotations

import contextvars
import sys
import threading
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, TypeVar

from anyio import Event as Event
from anyio import move_on_after

if TYPE_CHECKING:
    import asyncio

T = TypeVar("T")


def running_asyncio_loop() -> asyncio.AbstractEventLoop | None:
    """The running loop of asyncio; None if another loop runs, or if trio runs as a guest of asyncio."""
    loop = _loop_of_asyncio()
    if loop is None:
        return None
    trio: Any = sys.modules.get("trio")
    if trio is not None and _is_running(trio):
        return None
    return loop


def _loop_of_asyncio() -> asyncio.AbstractEventLoop | None:
    library: Any = sys.modules.get("asyncio")
    # While another thread imports asyncio, the function may be missing.
    get_running_loop = getattr(library, "get_running_loop", None)
    if get_running_loop is None:
        return None
    try:
        loop: asyncio.AbstractEventLoop = get_running_loop()
    except RuntimeError:
        return None
    return loop


def _is_running(trio: Any) -> bool:
    try:
        trio.lowlevel.current_task()
    except (AttributeError, RuntimeError):
        return False
    return True


def native_token() -> Any:
    """The object that identifies the running loop, for loops other than asyncio's.

    Raises:
        RuntimeError: no loop that anyio knows is running.
    """
    from anyio.lowlevel import current_token  # here: it takes long, and asyncio does not need it

    # Since anyio 4.11, this token wraps the native one. Older releases return the native one.
    token: Any = current_token()
    return getattr(token, "native_token", token)


def call_on_loop(function: Callable[..., Coroutine[Any, Any, T]], *args: object) -> T:
    """Call a coroutine function on the loop that started this worker thread, and wait for its result.

    Raises:
        RuntimeError: anyio did not start this thread.
    """
    from anyio.from_thread import run  # only for adapters whose framework runs sync views on threads of anyio

    return run(function, *args)


def run_apart(awaitable: Awaitable[T]) -> T:
    """Await something on a loop of asyncio on a thread of its own, since one may run on this thread, and wait for it.

    What frameworks keep in this thread's context is found there.

    Raises:
        RuntimeError: it was cancelled, by itself: nobody else could. As such it would end more than this call.
    """
    from anyio import get_cancelled_exc_class, run  # only where an application's function is awaited

    result: Future[T] = Future()
    context = contextvars.copy_context()

    async def wait() -> T:
        known = contextvars.copy_context()
        for variable, value in context.items():
            if variable not in known:  # as that is which says what loop runs
                variable.set(value)
        try:
            return await awaitable
        except get_cancelled_exc_class() as error:
            raise RuntimeError("cancelled by itself") from error

    def run_here() -> None:
        try:
            result.set_result(run(wait))
        except BaseException as error:  # raised again on the thread that waits
            result.set_exception(error)

    thread = threading.Thread(target=run_here, name="async-kerberos-consult")
    thread.start()
    thread.join()
    return result.result()


async def within(seconds: float, function: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Call a coroutine function, and cancel it when its time is over."""
    with move_on_after(seconds):
        await function()


def loop_is_running() -> bool:
    """Whether an event loop runs on this thread, so that blocking code would make it wait."""
    if _loop_of_asyncio() is not None:  # also true in a callback, outside any task, where anyio finds no loop
        return True
    try:
        native_token()
    except (AttributeError, RuntimeError):  # AttributeError: while another thread imports asyncio
        return False
    return True
