"""The routes of Starlette and FastAPI."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from types import FunctionType
from typing import Any, cast

from ..._decision.guard import Guard
from ..._web.middleware import Middleware
from ...errors import ConfigurationError
from .finding import OPEN, Place, Route, State, Verdict, doubted, is_a, is_of, is_ours, name_of, strictest, verdict_on

_PACKAGES = ("starlette", "fastapi")
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY")

Follow = Callable[[Any, Place], Iterator[Route]]


def within_middlewares(app: Any, place: Place) -> Place:
    """The place of an application's router: within the middlewares that were added to the application."""
    inner = place
    for middleware in app.user_middleware:
        inner = _within(middleware, inner)
    kind, own = cast("Any", type(app)), cast("dict[str, Any]", vars(app))
    builds = own.get("build_middleware_stack", kind.build_middleware_stack)
    if inner is not place and not (is_of(builds, *_PACKAGES) and is_of(kind.__call__, *_PACKAGES)):
        return place.within(Verdict(State.UNKNOWN, f"{type(app).__name__} builds its middlewares by itself"))
    return inner


def _within(middleware: Any, place: Place) -> Place:
    made: Any = middleware.cls
    if not isinstance(made, type):
        return place.within(Verdict(State.UNKNOWN, f"{name_of(made)} may be a guard: it is no class"))
    if not issubclass(made, Middleware):
        return place
    if not (is_ours(made.__call__) and is_ours(made.__init__)):
        return place.within(Verdict(State.UNKNOWN, f"{made.__name__} is not async_kerberos's own"))
    try:
        guard = Guard(**{name: value for name, value in middleware.kwargs.items() if name in ("optional", "exempt")})
    except ConfigurationError as error:
        return place.within(Verdict(State.UNKNOWN, f"{made.__name__} cannot be made: {error}"))
    return place.inside(guard, made.__name__)


def routes_of(router: Any, place: Place, follow: Follow) -> Iterator[Route]:
    """The routes of a router.

    Args:
        router: the router of Starlette, or of FastAPI.
        place: where it stands.
        follow: lists the routes of an application that is mounted.
    """
    for route in _with_context(router.routes):
        yield from _routes_of_one(route, place, follow)
    low_priority = getattr(router, "_iter_low_priority_routes", None)
    files: Any = () if low_priority is None else low_priority()
    for route in files:
        yield from _frontend(route, place)
    if not is_of(router.default, *_PACKAGES):
        yield from follow(router.default, place)


def _with_context(routes: Any) -> Iterator[Any]:
    """Of FastAPI's newer releases, what is included keeps its own routes, and their dependencies come by a context."""
    contexts = getattr(sys.modules.get("fastapi.routing"), "iter_route_contexts", None)
    yield from routes if contexts is None else contexts(routes)


def _frontend(route: Any, place: Place) -> Iterator[Route]:
    group = getattr(route, "original_route", route)
    own = strictest(_in_dependencies(getattr(route, "dependant", None), _overrides(route)))
    prefix = getattr(route, "frontend_prefix", "")
    for files in group.routes:
        yield place.route(f"{prefix}{files.path}".rstrip("/") + "/*", files.methods - {"HEAD"}, files.app, own)


def _routes_of_one(route: Any, place: Place, follow: Follow) -> Iterator[Route]:
    original: Any = getattr(route, "original_route", route)
    if is_a(original, "starlette.routing", "Host"):
        yield from follow(original.app, Place(place.prefix, place.around, original.host))
    elif is_a(original, "starlette.routing", "Mount"):
        yield from follow(route.app, place.below(route.path))
    elif is_a(original, "starlette.routing", "WebSocketRoute"):
        view: Any = route.endpoint
        connects = view.on_connect if is_a(view, "starlette.endpoints", "WebSocketEndpoint") else None
        verdict = _demanded(route, original, place, verdict_on(connects))
        yield place.route(route.path, (), view, verdict, websocket=True)
    elif is_a(original, "starlette.routing", "Route"):
        yield from _http(route, original, place)
    else:
        path: str = getattr(route, "path", None) or "/*"
        yield place.route(path, (), original, Verdict(State.UNKNOWN, "a route of a kind that is not known"))


def _http(route: Any, original: Any, place: Place) -> Iterator[Route]:
    view: Any = route.endpoint
    methods = set(route.methods or ()) - {"HEAD"}
    if not is_a(view, "starlette.endpoints", "HTTPEndpoint"):
        yield place.route(route.path, methods, view, _demanded(route, original, place))
        return
    handlers = {method: getattr(view, method.lower(), None) for method in sorted(methods) or _METHODS}
    found = {method: verdict_on(handler) for method, handler in handlers.items() if handler is not None}
    if not is_of(view.dispatch, *_PACKAGES):
        found = {method: doubted(verdict, f"{view.__name__} dispatches by itself") for method, verdict in found.items()}
    for verdict in dict.fromkeys(found.values()):
        alike = [method for method in found if found[method] == verdict]
        yield place.route(route.path, alike, view, _demanded(route, original, place, verdict))


def _demanded(route: Any, original: Any, place: Place, *more: Verdict) -> Verdict:
    """What a route demands: its own middlewares, its view, and its dependencies.

    Args:
        route: the route, where it is included.
        original: the route as it was made.
        place: where it stands.
        more: what else of it demands something.
    """
    within, app = Place(place.prefix), getattr(route, "app", None)
    while app is not None and not isinstance(app, (type, FunctionType)):
        within = within_object(app, within)
        app = getattr(app, "app", None)
    around = [passed(place.prefix + route.path) for passed in within.around]
    dependencies = _in_dependencies(getattr(route, "dependant", None), _overrides(route))
    verdict = strictest([*around, verdict_on(route.endpoint), *dependencies, *more])
    kind = cast("type[object]", type(original))
    methods = [getattr(kind, name, None) for name in ("handle", "matches", "get_route_handler", "__call__")]
    if all(method is None or is_of(method, *_PACKAGES) for method in methods):
        return verdict
    return doubted(verdict, f"{kind.__name__} handles requests by itself")


def within_object(app: Any, place: Place) -> Place:
    """The place within a middleware that is made already."""
    if not isinstance(app, Middleware):
        return place
    if not is_ours(getattr(type(app), "__call__", None)):  # noqa: B004 - what is called is looked at
        return place.within(Verdict(State.UNKNOWN, f"{type(app).__name__} is not async_kerberos's own"))
    return place.inside(app.guard, type(app).__name__)


def _overrides(route: Any) -> dict[Any, Any]:
    overrides: dict[Any, Any] = getattr(
        getattr(route, "dependency_overrides_provider", None), "dependency_overrides", {}
    )
    return overrides


def _in_dependencies(dependant: Any, overrides: dict[Any, Any]) -> Iterator[Verdict]:
    for dependency in getattr(dependant, "dependencies", ()):
        found = [verdict_on(dependency.call, "a dependency"), *_in_dependencies(dependency, overrides)]
        if dependency.call not in overrides:
            yield from found
        elif strictest(found) != OPEN:
            yield Verdict(State.UNKNOWN, f"the dependency {name_of(dependency.call)} is overridden")
