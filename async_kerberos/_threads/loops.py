"""Which event loop runs on this thread. Asks no library that nobody has imported: none of its loops can be running."""

from __future__ import annotations

import sys
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    import asyncio

T = TypeVar("T")


def running_asyncio_loop() -> asyncio.AbstractEventLoop | None:
    """The running loop of asyncio; None on any other, and where trio runs as its guest."""
    loop = _loop_of_asyncio()
    if loop is None:
        return None
    trio: Any = sys.modules.get("trio")
    if trio is not None and _is_running(trio):
        return None
    return loop


def _loop_of_asyncio() -> asyncio.AbstractEventLoop | None:
    library: Any = sys.modules.get("asyncio")
    # Another thread may be importing it just now.
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
    """What stands for the running loop where it is another than asyncio's.

    Raises:
        RuntimeError: no loop that anyio knows is running.
    """
    from anyio.lowlevel import current_token  # takes long, and is not needed with asyncio

    # Since anyio 4.11 the token wraps the native one; before, it was the native one.
    token: Any = current_token()
    return getattr(token, "native_token", token)


def call_on_loop(function: Callable[..., Coroutine[Any, Any, T]], *args: object) -> T:
    """From a thread of a loop's own pool: call a function on the loop, and wait for what it comes to.

    Raises:
        RuntimeError: the thread is not one of anyio's.
    """
    from anyio.from_thread import run  # for adapters whose framework calls sync views so

    return run(function, *args)


def loop_is_running() -> bool:
    """Whether code that blocks would make a loop wait."""
    if _loop_of_asyncio() is not None:  # also where no task runs but a callback, of which anyio knows nothing
        return True
    try:
        native_token()
    except (AttributeError, RuntimeError):  # the first from what finds loops, while asyncio is being imported
        return False
    return True
