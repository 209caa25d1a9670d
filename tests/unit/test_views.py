"""How a decorated view takes the user, and how the wrapper looks from outside."""

from __future__ import annotations

import functools
import inspect
from typing import Any

import pytest

from async_kerberos._views import inspect_view, is_async


def view(user: str) -> str:
    return user


def view_with_more(user: str, number: int, *, flag: bool = False) -> Any:
    return user, number, flag


def anything(*args: Any, **kwargs: Any) -> Any:
    return args, kwargs


def keywords_only(**kwargs: Any) -> Any:
    return kwargs


class Methods:
    def get(self, user: str, number: int) -> Any:
        return self, user, number

    def anything(self, *args: Any) -> Any:
        return self, args

    @staticmethod
    def static(user: str) -> str:
        return user


def call(function: Any, *args: Any, **kwargs: Any) -> Any:
    inspected = inspect_view(function)
    args, kwargs = inspected.arguments("alice", args, kwargs)
    return inspected.call(*args, **kwargs)


def test_the_user_comes_first() -> None:
    """A function gets the user first, then what it got before."""
    assert call(view) == "alice"
    assert call(view_with_more, 7, flag=True) == ("alice", 7, True)
    assert call(view_with_more, number=7) == ("alice", 7, False)
    assert call(anything, 1, a=2) == (("alice", 1), {"a": 2})
    assert call(Methods.static) == "alice"
    assert call(functools.partial(view_with_more, number=1)) == ("alice", 1, False)


def test_the_user_comes_after_self() -> None:
    """A method gets the instance, the user, then what it got before."""
    methods = Methods()
    assert call(Methods.get, methods, 7) == (methods, "alice", 7)
    assert call(Methods.get, methods, number=7) == (methods, "alice", 7)
    assert call(Methods.anything, methods, 7) == (methods, ("alice", 7))
    assert call(methods.get, 7) == (methods, "alice", 7)


def test_the_user_comes_by_name() -> None:
    """A function that takes keywords only gets the user by name."""
    assert call(keywords_only, number=7) == {"user": "alice", "number": 7}


def takes_nothing() -> None: ...


def takes_the_user_by_keyword(*, user: str) -> None: ...


@pytest.mark.parametrize("function", [takes_nothing, takes_the_user_by_keyword, None, "view"])
def test_no_room_for_the_user(function: Any) -> None:
    """What cannot take the user is refused as it is decorated, not when the first request comes."""
    with pytest.raises(TypeError):
        inspect_view(function)


def test_signature() -> None:
    """The wrapper has the view's name, documentation and signature, less the user, its annotations resolved."""

    def wrapper(*args: Any, **kwargs: Any) -> None: ...

    def less_the_user(number: int, *, flag: bool = False) -> Any: ...

    dressed = inspect_view(view_with_more).dress(wrapper)
    assert dressed.__name__ == "view_with_more"
    assert inspect.signature(dressed) == inspect.signature(less_the_user, eval_str=True)
    assert list(inspect_view(Methods.get).signature.parameters) == ["self", "number"]


def test_annotations_that_cannot_be_resolved() -> None:
    """An annotation whose name is not known yet stays a string."""

    def early(user: str, later: Any) -> None: ...

    early.__annotations__["later"] = "Later"
    assert inspect_view(early).signature.parameters["later"].annotation == "Later"


def test_is_async() -> None:
    """Coroutine functions, partials of them and objects called as such count as async; others do not."""

    async def coroutine() -> None: ...

    class Callable:
        async def __call__(self) -> None: ...

    assert is_async(coroutine)
    assert is_async(functools.partial(coroutine))
    assert is_async(Callable())
    assert not is_async(view)
    assert not is_async(Callable)
