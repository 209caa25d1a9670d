"""What is found of a route: who may reach its view, as far as it can be known without calling anything."""

from __future__ import annotations

import contextlib
import enum
import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from types import FunctionType, MethodType
from typing import Any, cast

from ..._decision.guard import Guard
from ..._web.marks import mark_of

_OURS = "async_kerberos."
_DEEP = 20  # decorators around one view; more would be a circle


class State(enum.Enum):
    """Who may reach a view, the strictest first."""

    PROTECTED = "protected"
    UNKNOWN = "unknown"
    VARIES = "varies"
    OPTIONAL = "optional"
    EXEMPT = "exempt"
    OPEN = "open"


@dataclass(frozen=True)
class Verdict:
    """What one place demands, or all together.

    Attributes:
        state: who may pass.
        why: by what, or why it is not known.
    """

    state: State
    why: str = ""


OPEN = Verdict(State.OPEN)


@dataclass(frozen=True)
class Route:
    """One route, or one of its methods that differs from the others.

    Attributes:
        path: as it was registered, with what it is mounted under; with ``*`` at the end, all that is below.
        methods: in order; empty for a WebSocket, and where any method is taken.
        websocket: whether it is a WebSocket's.
        view: the name of its view.
        verdict: who may reach it.
    """

    path: str
    methods: tuple[str, ...]
    websocket: bool
    view: str
    verdict: Verdict


@dataclass(frozen=True)
class Place:
    """Where an application stands.

    Attributes:
        prefix: the path that it is mounted under.
        around: what each request has to pass on its way there, outermost first: each says what it demands for a path.
        host: the hosts that its routes are for; empty for all.
    """

    prefix: str = ""
    around: tuple[Callable[[str], Verdict], ...] = ()
    host: str = ""

    def below(self, path: str) -> Place:
        """The place of what is mounted under a path."""
        return Place(self.prefix + path, self.around, self.host)

    def within(self, around: Callable[[str], Verdict] | Verdict) -> Place:
        """The place within a middleware, or something else that each request has to pass."""

        def whatever_path(_: str) -> Verdict:
            return cast("Verdict", around)

        passed = whatever_path if isinstance(around, Verdict) else around
        return Place(self.prefix, (*self.around, passed), self.host)

    def inside(self, guard: Guard, what: str) -> Place:
        """The place within a middleware with this guard. Its exempt paths are those within the application there."""
        return self.within(lambda path: verdict_of(guard, what, path[len(self.prefix) :]))

    def route(self, path: str, methods: Iterable[str], view: object, *own: Verdict, websocket: bool = False) -> Route:
        """The route with a path below this place.

        Args:
            path: the path.
            methods: its methods.
            view: its view.
            own: what the view, and the hooks before it, demand.
            websocket: whether it is a WebSocket's.
        """
        full = self.prefix + path
        verdicts = [around(full) for around in self.around]
        shown = self.host + (full or "/")
        return Route(shown, tuple(sorted(methods)), websocket, name_of(view), strictest([*verdicts, *own]))


def strictest(verdicts: Iterable[Verdict]) -> Verdict:
    """Whoever has to pass all of these has to pass the strictest; the first of several that are alike."""
    order = list(State)
    return min(verdicts, key=lambda verdict: order.index(verdict.state), default=OPEN)


def doubted(verdict: Verdict, why: str) -> Verdict:
    """The verdict on a place that requests may pass by another way."""
    return verdict if verdict == OPEN else Verdict(State.UNKNOWN, why)


def verdict_of(guard: Guard, what: str, path: str | None = None) -> Verdict:
    """What a guard demands.

    Args:
        guard: the guard.
        what: its name, for people.
        path: the route's path, as the guard compares it; None where it guards one view.
    """
    if callable(guard.exempt) and not guard.optional:
        # It needs a ticket unless the function exempts it, so it is not open by mistake.
        return Verdict(State.VARIES, f"{what}, whose exempt is a function")
    text = "" if path is None or callable(guard.exempt) else exempting(guard.exempt, path)
    if text:
        return Verdict(State.EXEMPT, f"{what}, exempt {text}")
    return Verdict(State.OPTIONAL if guard.optional else State.PROTECTED, what)


def exempting(texts: Sequence[str], path: str) -> str:
    """Which of these paths exempts a route, or some of its paths where it has parameters; empty if none does."""
    literal = path[: min((path.find(mark) for mark in "<{*" if mark in path), default=len(path))]
    for text in texts:
        start, subtree = text.removesuffix("*") if text.endswith("/*") else text, text.endswith("/*")
        # The path that a subtree begins with is not in it.
        if (path.startswith(start) and path != start) if subtree else path == start:
            return text
        if literal != path and start.startswith(literal):
            return f"{text} of it"
    return ""


def verdict_on(place: object, what: str = "requires_authentication") -> Verdict:
    """What the guard demands that has made a view, a hook or a dependency, if one has.

    Args:
        place: what is registered.
        what: the guard's name, for people.
    """
    place = _called(place)
    protection = mark_of(place)
    if isinstance(place, type):
        return _on_class(place, what)
    if not isinstance(place, FunctionType):
        # An object that is called as a view, or a dependency.
        call = getattr(type(place), "__call__", None)  # noqa: B004 - what is called is looked at
        if protection is None:
            return OPEN if call is None or not isinstance(call, FunctionType) else verdict_on(call, what)
        if not is_ours(call):
            return Verdict(State.UNKNOWN, f"{type(place).__name__} has a __call__ of its own")
        return verdict_of(protection.guard, type(place).__name__)
    if protection is not None:
        return verdict_of(protection.guard, what)
    inner = next((found for found in _behind(place) if mark_of(found) is not None), None)
    if inner is not None:
        return Verdict(State.UNKNOWN, f"it is around what {what} guards, and may not call it")
    return OPEN


def _on_class(place: type[Any], what: str) -> Verdict:
    for base in place.__mro__:
        protection = mark_of(base)
        if protection is not None:
            if any(getattr(place, name, None) is not getattr(base, name) for name in ("dispatch", "__await__")):
                return Verdict(State.UNKNOWN, f"{place.__name__} dispatches otherwise than what {what} guards")
            return verdict_of(protection.guard, what)
    return OPEN


def _called(place: object) -> object:
    """What is really called where this is."""
    # Of partial, pyright knows no type but the one that its arguments would have, hence the comments for it.
    for _ in range(_DEEP):
        if isinstance(place, functools.partial):
            place = place.func  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        elif isinstance(place, MethodType):
            place = place.__func__
        else:
            break
    return place  # pyright: ignore[reportUnknownVariableType]


def _behind(view: object) -> Iterator[object]:
    """All that a function may call by what it wraps, and what its decorators have given it."""
    seen: dict[int, object] = {}
    waiting = [view]
    while waiting:
        wrapper = waiting.pop()
        inner: list[object] = [getattr(wrapper, "__wrapped__", None)]
        for cell in getattr(wrapper, "__closure__", None) or ():
            with contextlib.suppress(ValueError):  # it is empty
                inner.append(cell.cell_contents)
        for found in map(_called, inner):
            if id(found) not in seen and (isinstance(found, FunctionType) or mark_of(found) is not None):
                seen[id(found)] = found
                waiting.append(found)
    yield from seen.values()


def is_ours(function: object) -> bool:
    """Whether a function is of this package: what it says of itself may have been copied by a decorator."""
    return isinstance(function, FunctionType) and str(function.__globals__.get("__name__", "")).startswith(_OURS)


def is_of(function: object, *packages: str) -> bool:
    """Whether a function was written in one of these packages."""
    function = _called(function)
    name = str(function.__globals__.get("__name__", "")) if isinstance(function, FunctionType) else ""
    return name.partition(".")[0] in packages


def is_a(thing: object, module: str, name: str) -> bool:
    """Whether something is an object, or a subclass, of a class that need not be imported for it."""
    kind = thing if isinstance(thing, type) else type(thing)
    return any((base.__module__, base.__name__) == (module, name) for base in kind.__mro__)


def name_of(view: object) -> str:
    """A view's name, for people."""
    view = _called(view)
    if isinstance(view, FunctionType) and not is_ours(view):
        # By where its code stands: functools.wraps copies the name of what is wrapped.
        name = getattr(view.__code__, "co_qualname", view.__code__.co_name)  # Python 3.10 has no co_qualname
        return f"{view.__globals__.get('__name__', '?')}.{name}"
    named: Any = view if hasattr(view, "__qualname__") else type(view)
    return f"{named.__module__}.{named.__qualname__}"
