"""Which event loop runs on this thread. Asks no library that nobody has imported: none of its loops can be running."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio


def running_asyncio_loop() -> asyncio.AbstractEventLoop | None:
    """The loop of asyncio that a task is running on here; None on any other, and outside a task."""
    library: Any = sys.modules.get("asyncio")
    if library is None:
        return None
    try:
        loop: asyncio.AbstractEventLoop = library.get_running_loop()
    except RuntimeError:
        return None
    # While trio is the guest of a loop of asyncio, that one runs, but none of its tasks.
    if "trio" in sys.modules and library.current_task() is None:
        return None
    return loop


def native_token() -> Any:
    """What stands for the running loop where it is another than asyncio's.

    Raises:
        RuntimeError: no loop that anyio knows is running.
    """
    from anyio.lowlevel import current_token  # takes long, and is not needed with asyncio

    # Since anyio 4.11 the token wraps the native one; before, it was the native one.
    token: Any = current_token()
    return getattr(token, "native_token", token)


def loop_is_running() -> bool:
    """Whether code that blocks would make a loop wait."""
    library: Any = sys.modules.get("asyncio")
    try:
        if library is not None:
            library.get_running_loop()  # also where no task runs but a callback, of which anyio knows nothing
            return True
    except RuntimeError:
        pass
    try:
        native_token()
    except RuntimeError:
        return False
    return True
