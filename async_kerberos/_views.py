"""How a decorated view is called: what every framework's ``requires_authentication`` has in common."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

W = TypeVar("W", bound=Callable[..., object])

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


@dataclass(frozen=True)
class View:
    """A view as it was written, and where it takes the user.

    Attributes:
        call: the view.
        signature: the view's signature less the user.
        after_self: whether the user is the second argument, after the instance.
        by_keyword: whether the view takes keywords only, as the function does that ``MethodView.as_view`` makes: it
            gets the user by the name ``user``.
    """

    call: Callable[..., Any]
    signature: inspect.Signature
    after_self: bool
    by_keyword: bool

    def arguments(
        self, user: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments that the view was called with, and the user in their midst."""
        if self.by_keyword:
            return args, {**kwargs, "user": user}
        at = 1 if self.after_self else 0
        return (*args[:at], user, *args[at:]), dict(kwargs)

    def dress(self, wrapper: W) -> W:
        """Give the wrapper the view's name, documentation and signature, the user left out."""
        functools.update_wrapper(wrapper, self.call)
        wrapper.__signature__ = self.signature  # type: ignore[attr-defined] # inspect looks for it, typeshed does not
        return wrapper


def inspect_view(call: Callable[..., Any]) -> View:
    """Find out how a view takes the user.

    Raises:
        TypeError: it is not callable, or has no parameter that could take the user.
    """
    if not callable(call):
        raise TypeError(f"requires_authentication decorates a view, not {call!r}")
    try:
        # Annotations in strings are resolved here, where their names are known: FastAPI would look in our module.
        signature = inspect.signature(call, eval_str=True)
    except Exception:  # a name that is not known yet, or a text that is no annotation at all
        signature = inspect.signature(call)
    parameters = list(signature.parameters.values())
    positional = [parameter for parameter in parameters if parameter.kind in _POSITIONAL]
    after_self = bool(positional) and positional[0].name == "self"
    if len(positional) > after_self:
        del parameters[after_self]
        return View(call, signature.replace(parameters=parameters), after_self, by_keyword=False)
    kinds = {parameter.kind for parameter in parameters}
    if inspect.Parameter.VAR_POSITIONAL in kinds:
        return View(call, signature, after_self, by_keyword=False)
    if inspect.Parameter.VAR_KEYWORD in kinds:
        return View(call, signature, after_self, by_keyword=True)
    name = getattr(call, "__qualname__", repr(call))
    raise TypeError(f"{name}{signature} must take the user: view(user, ...) or method(self, user, ...)")


def is_async(call: Callable[..., Any]) -> bool:
    """Whether calling it makes a coroutine."""
    method = getattr(type(call), "__call__", None)  # noqa: B004 - of an instance that is called as a view
    return inspect.iscoroutinefunction(call) or inspect.iscoroutinefunction(method)
