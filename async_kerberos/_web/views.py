"""How a decorated view is called: what every framework's ``requires_authentication`` has in common."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Coroutine, Mapping
from types import FunctionType, MethodType, UnionType
from typing import Annotated, Any, TypeVar, Union, cast, get_args, get_origin
from weakref import WeakKeyDictionary

from .._never_sent import resolved_signature
from .._threads.loops import call_on_loop, loop_is_running

T = TypeVar("T")
W = TypeVar("W", bound=Callable[..., object])

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
# Annotations that a parameter for the user may have. (What is a text could not be resolved.)
_TEXTS = (inspect.Parameter.empty, str, object, Any)


class View:
    """A view as it was written, and where it takes the user.

    Attributes:
        call: the view.
        signature: the view's signature less the user.
        after_self: whether the user is the second argument, after the instance or the class.
        by_keyword: whether the view takes keywords only, as the function does that ``MethodView.as_view`` makes: it
            gets the user by the name ``user``.
    """

    def __init__(self, call: Callable[..., Any]) -> None:
        own, shown = _own_signature(call), resolved_signature(call)
        positional, shown_positional = _positional(own), _positional(shown)
        kinds = {parameter.kind for parameter in own.parameters.values()}
        names = [parameter.name for parameter in positional]
        if inspect.Parameter.VAR_POSITIONAL in kinds:
            names += [parameter.name for parameter in shown_positional[len(names) :]]
        in_class = isinstance(call, FunctionType) and _is_in_class(call)
        self.call = call
        self.wrapper: object = None
        self.after_self = names[:1] == ["self"] or (in_class and "user" in names[1:2] and names[0] != "user")
        # Whether only a look at the class can tell a method from a static one.
        self._unclear = in_class and not self.after_self and len(names) > 1 and names[0] != "user"
        self._methods_of: WeakKeyDictionary[type[Any], bool] = WeakKeyDictionary()
        # Frameworks pass a request of the same class each time.
        self._never_in: type[Any] | None = None
        taken = positional[self.after_self :]
        self.by_keyword = not taken and inspect.Parameter.VAR_POSITIONAL not in kinds
        if self.by_keyword and inspect.Parameter.VAR_KEYWORD not in kinds:
            raise TypeError(f"{_name(call)}{own} must take the user: view(user, ...) or method(self, user, ...)")
        # FastAPI reads it, and must see what the view behind other decorators takes: these may have taken the user off,
        # or pass it on.
        parameters = list(shown.parameters.values())
        user = next(iter(shown_positional[self.after_self :]), None)
        if user is not None and (
            list(own.parameters) == list(shown.parameters)
            or user.name == "user"
            or user.name in (parameter.name for parameter in taken[:1])
            or not (taken or self.by_keyword or not _may_be_text(user.annotation))
        ):
            parameters.remove(user)
        self.signature = shown.replace(parameters=parameters)

    def arguments(
        self, user: str | None, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments that the view was called with, and the user in their midst.

        Raises:
            TypeError: it cannot be known whether the first one is the instance of a method.
        """
        if self.by_keyword:
            return args, {**kwargs, "user": user}
        at = 1 if self.after_self or (args and self._is_method_of(args[0])) else 0
        return (*args[:at], user, *args[at:]), dict(kwargs)

    def _is_method_of(self, first: Any) -> bool:
        """Whether the wrapper was reached through the first argument: an instance, or a class."""
        owner: type[Any] = first if isinstance(first, type) else type(first)
        if owner is self._never_in:
            return False
        found = self._methods_of.get(owner)
        if found is None:
            members = [member for base in owner.__mro__ for member in vars(base).values()]
            found = any(_leads_to(member, self.wrapper) for member in members)
            self._methods_of[owner] = found
        if not found and self._unclear:
            raise TypeError(
                f"{_name(self.call)} may be a method or not: call its first parameter self or, of a static method, user"
            )
        if not found:
            self._never_in = owner
        return found

    def check_thread(self) -> None:
        """Make sure that a sync view may wait where it is called.

        Raises:
            RuntimeError: it was called where an event loop runs.
        """
        if loop_is_running():
            raise RuntimeError(
                f"{_name(self.call)} is sync and was called on the event loop, which never waits for GSSAPI: make it "
                "async, and await it"
            )

    def call_on_loop(self, function: Callable[..., Coroutine[Any, Any, T]], *args: object) -> T:
        """On a thread of a loop's own pool: call a function on the loop, and wait for what it comes to.

        Raises:
            RuntimeError: this is called where an event loop runs.
        """
        self.check_thread()
        return call_on_loop(function, *args)

    def dress(self, wrapper: W) -> W:
        """Give the wrapper the view's name, documentation and signature, the user left out."""
        functools.update_wrapper(wrapper, self.call)
        wrapper.__signature__ = self.signature  # type: ignore[attr-defined] # inspect looks for it, typeshed does not
        if is_async(inspect.unwrap(self.call)) and not is_async(self.call):
            # FastAPI would take the function at the end of the chain for this one, and call it on the loop.
            del wrapper.__wrapped__  # type: ignore[attr-defined] # set just now
        self.wrapper = wrapper
        return wrapper


def inspect_view(call: Callable[..., Any]) -> View:
    """Find out how a view takes the user.

    Raises:
        TypeError: it is not callable, or has no parameter that could take the user.
    """
    if isinstance(call, (staticmethod, classmethod)):
        kind = "staticmethod" if isinstance(call, staticmethod) else "classmethod"
        raise TypeError(f"@{kind} goes above requires_authentication, not below it")
    if not callable(call):
        raise TypeError(f"requires_authentication decorates a view, not {call!r}")
    return View(call)


def takes_user(handler: Callable[..., Any]) -> bool:
    """Whether a method's first parameter after the instance is named ``user``."""
    own = [parameter.name for parameter in _positional(_own_signature(handler))]
    shown = [parameter.name for parameter in _positional(inspect.signature(handler))]
    return [*own, *shown[len(own) :]][1:2] == ["user"]


def is_async(call: Callable[..., Any]) -> bool:
    """Whether calling it makes a coroutine."""
    method = getattr(type(call), "__call__", None)  # noqa: B004 - of an instance that is called as a view
    return inspect.iscoroutinefunction(call) or inspect.iscoroutinefunction(method)


def _may_be_text(annotation: Any) -> bool:
    if get_origin(annotation) is Annotated:
        return _may_be_text(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return any(map(_may_be_text, get_args(annotation)))
    of_new_type = getattr(annotation, "__supertype__", None)
    if of_new_type is not None:
        return _may_be_text(of_new_type)
    return annotation in _TEXTS or isinstance(annotation, str)


def _name(call: Callable[..., Any]) -> str:
    name: str = getattr(call, "__qualname__", repr(call))
    return name


def _own_signature(call: Callable[..., Any]) -> inspect.Signature:
    """What the callable itself takes, whatever it wraps, and whatever ``__signature__`` makes of it for others."""
    function = call.__func__ if isinstance(call, MethodType) else call
    if not isinstance(function, FunctionType):
        return inspect.signature(call, follow_wrapped=False)
    bare = FunctionType(function.__code__, {}, argdefs=function.__defaults__, closure=function.__closure__)
    bare.__kwdefaults__ = function.__kwdefaults__
    return inspect.signature(MethodType(bare, call.__self__) if isinstance(call, MethodType) else bare)


def _positional(signature: inspect.Signature) -> list[inspect.Parameter]:
    return [parameter for parameter in signature.parameters.values() if parameter.kind in _POSITIONAL]


def _is_in_class(function: FunctionType) -> bool:
    place, _, _ = function.__qualname__.rpartition(".")
    return bool(place) and not place.endswith("<locals>")


def _leads_to(member: Any, wrapper: object) -> bool:
    """Whether a class's member is this function as a method: itself, as a class method, or in other decorators."""
    while member is not None:
        if member is wrapper:
            return True
        if isinstance(member, classmethod):
            member = cast("Any", member).__func__
        elif isinstance(member, (functools.partial, functools.partialmethod)):
            member = cast("Any", member).func
        else:
            member = getattr(member, "__dict__", {}).get("__wrapped__")
    return False
