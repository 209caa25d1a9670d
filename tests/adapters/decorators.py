"""An application's decorators, which stand below ours: they take the user off, or pass it on."""

from __future__ import annotations

import functools
from typing import Any, TypeVar, cast

V = TypeVar("V")


def taking_off(view: Any) -> Any:
    """Async: the view gets no user; what it returns is put behind the user's name."""

    @functools.wraps(view)
    async def wrapper(user: str, *args: Any, **kwargs: Any) -> Any:
        return f"{user} {await view(*args, **kwargs)}"

    return wrapper


def passing_on(view: V) -> V:
    """Async, around an async view."""
    function: Any = view

    @functools.wraps(function)
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        return await function(*args, **kwargs)

    return cast("V", wrapper)


def passing_on_sync(view: V) -> V:
    """Sync; around an async view, it returns what is to be awaited."""
    function: Any = view

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return cast("V", wrapper)
