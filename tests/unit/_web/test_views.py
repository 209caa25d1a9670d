"""How a decorated view takes the user, and how the wrapper looks from outside."""

from __future__ import annotations

import functools
import inspect
from typing import Annotated, Any, NewType, Optional

import pytest

from async_kerberos._web.views import inspect_view, is_async, takes_user


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


def decorate(function: Any) -> Any:
    """As an adapter does."""
    inspected = inspect_view(function)

    def wrapper(*args: Any, **kwargs: Any) -> Any:
        args, kwargs = inspected.arguments("alice", args, kwargs)
        return inspected.call(*args, **kwargs)

    return inspected.dress(wrapper)


def passing_on(view: Any) -> Any:
    @functools.wraps(view)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return view(*args, **kwargs)

    return wrapper


def opaque(view: Any) -> Any:
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return view(*args, **kwargs)

    return wrapper


def outside(this: Any, principal: str, number: int) -> Any:
    return this, principal, number


class Named:
    """Methods whose first parameter has another name, or that are none."""

    @decorate
    def this(this: Any, principal: str, number: int) -> Any:  # noqa: N805 - what is tested
        return this, principal, number

    @decorate
    def anything(*args: Any) -> Any:
        return args

    @classmethod
    @decorate
    def of_class(cls, principal: str, number: int) -> Any:
        return cls, principal, number

    @staticmethod
    @decorate
    def static(user: str, number: int) -> Any:
        return user, number

    @staticmethod
    @decorate
    def static_alone(principal: str) -> Any:
        return principal

    @staticmethod
    @decorate
    def static_unclear(principal: str, number: int) -> Any:
        return principal, number

    @passing_on
    @decorate
    @passing_on
    def between(this: Any, principal: str, number: int) -> Any:  # noqa: N805
        return this, principal, number

    @opaque
    @decorate
    def hidden(this: Any, user: str, number: int) -> Any:  # noqa: N805
        return this, user, number

    @opaque
    @decorate
    def hidden_unclear(this: Any, principal: str, number: int) -> Any:  # noqa: N805
        return this, principal, number

    attached = decorate(outside)


class Inheriting(Named):
    """Reached through a subclass."""


@pytest.mark.parametrize("owner", [Named, Inheriting])
def test_methods_by_any_name(owner: type[Named]) -> None:
    """Whether it is a method is seen by how it is reached; no name but ``self`` is needed."""
    instance = owner()
    for _ in range(2):
        for method in (instance.this, instance.anything, instance.between, instance.hidden, instance.attached):
            assert method(7) == (instance, "alice", 7)
    assert owner.this(instance, 7) == (instance, "alice", 7)
    assert instance.this(number=7) == (instance, "alice", 7)
    assert owner.of_class(7) == instance.of_class(7) == (owner, "alice", 7)
    assert owner.static(7) == instance.static(7) == ("alice", 7)
    assert owner.static_alone() == "alice"
    assert owner.static_unclear(number=7) == ("alice", 7)


def test_attached_in_parts() -> None:
    """A function that is attached to a class as a part of another is a method as well."""
    whole = decorate(outside)

    class Owner:
        partly = functools.partialmethod(whole, number=7)

    owner = Owner()
    assert owner.partly() == (owner, "alice", 7)


Text = NewType("Text", str)


@pytest.mark.parametrize(
    ("annotation", "is_user"),
    [
        (Annotated[str, "who"], True),
        (Text, True),
        (Optional[str], True),  # noqa: UP045 - people write it, and it is of another type
        (str | None, True),
        (int, False),
        (int | bytes, False),
    ],
)
def test_spellings_of_text(annotation: Any, is_user: bool) -> None:
    """Behind a decorator that passes everything on, the first parameter is the user if it can be a text."""

    def behind(who: Any, number: int) -> Any: ...

    behind.__annotations__["who"] = annotation
    shown = list(inspect_view(passing_on(behind)).signature.parameters)
    assert shown == (["number"] if is_user else ["who", "number"])


def test_unclear_methods() -> None:
    """Where it cannot be known, nobody is taken for the instance: a message says how to name the parameter."""
    for unclear in (Named().hidden_unclear, Named.static_unclear):
        with pytest.raises(TypeError, match="may be a method or not: call its first parameter self"):
            unclear(7)


def test_wrong_order() -> None:
    """``staticmethod`` and ``classmethod`` below the decorator are refused, with a word on the order."""
    kinds: list[Any] = [staticmethod, classmethod]
    for kind in kinds:
        with pytest.raises(TypeError, match=f"@{kind.__name__} goes above requires_authentication"):
            inspect_view(kind(view))


def taking_off(view: Any) -> Any:
    @functools.wraps(view)
    def wrapper(user: str, *args: Any, **kwargs: Any) -> Any:
        return user, view(*args, **kwargs)

    return wrapper


def taking_off_first(view: Any) -> Any:
    @functools.wraps(view)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return args[0], view(*args[1:], **kwargs)

    return wrapper


def taking_off_by_name(view: Any) -> Any:
    @functools.wraps(view)
    def wrapper(**kwargs: Any) -> Any:
        return kwargs.pop("user"), view(**kwargs)

    return wrapper


def passing_on_by_name(view: Any) -> Any:
    @functools.wraps(view)
    def wrapper(**kwargs: Any) -> Any:
        return view(**kwargs)

    return wrapper


def passing_on_first(view: Any) -> Any:
    @functools.wraps(view)
    def wrapper(principal: str, **kwargs: Any) -> Any:
        return view(principal, **kwargs)

    return wrapper


def showing(view: Any) -> Any:
    """As ``taking_off``, and it says that it takes what the view does."""
    wrapper = taking_off(view)
    wrapper.__signature__ = inspect.signature(view)
    return wrapper


def without_user(number: int) -> int:
    return number


def with_user(user: str, number: int) -> Any:
    return user, number


def with_principal(principal: str, number: int) -> Any:
    return principal, number


@pytest.mark.parametrize(
    ("decorator", "function"),
    [
        (taking_off, without_user),
        (taking_off_first, without_user),
        (taking_off_by_name, without_user),
        (showing, without_user),
        (passing_on, with_user),
        (passing_on, with_principal),
        (passing_on_by_name, with_user),
        (passing_on_first, with_user),
        (passing_on_first, with_principal),
        (opaque, with_user),
    ],
)
def test_own_decorators(decorator: Any, function: Any) -> None:
    """A decorator below ours is called by what it takes itself; frameworks are shown the view's parameters."""
    decorated = decorate(decorator(function))
    assert decorated(number=7) == ("alice", 7)
    expected = ["args", "kwargs"] if decorator is opaque else ["number"]
    assert list(inspect.signature(decorated).parameters) == expected


def test_own_decorators_of_methods() -> None:
    """In a class, a decorator below ours is called by what it takes itself, too."""

    class Methods:
        @decorate
        @taking_off_of_method
        def taken_off(self, number: int) -> Any:
            return self, number

        @decorate
        @passing_on
        def passed_on(self, user: str, number: int) -> Any:
            return self, user, number

    methods = Methods()
    assert methods.taken_off(7) == ("alice", (methods, 7))
    assert methods.passed_on(7) == (methods, "alice", 7)
    assert list(inspect.signature(methods.taken_off).parameters) == ["number"]
    assert list(inspect.signature(methods.passed_on).parameters) == ["number"]
    assert takes_user(Methods.__dict__["passed_on"].__wrapped__)
    assert takes_user(taking_off_of_method(Methods.taken_off))
    assert not takes_user(Methods.taken_off)


def taking_off_of_method(view: Any) -> Any:
    @functools.wraps(view)
    def wrapper(self: Any, user: str, *args: Any) -> Any:
        return user, view(self, *args)

    return wrapper


def test_sync_around_async() -> None:
    """What is called is what counts: nobody who follows the chain takes the wrapper for a coroutine function."""

    async def coroutine(user: str) -> None: ...

    assert not is_async(passing_on(coroutine))
    assert inspect.unwrap(decorate(passing_on(coroutine))) is not coroutine
    assert inspect.unwrap(decorate(coroutine)) is coroutine
