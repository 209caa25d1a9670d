"""From an object that servers call to the routes of all applications within it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from types import FunctionType, MethodType
from typing import Any, cast

from . import pallets, starlette
from .finding import OPEN, Place, Route, State, Verdict, is_a

# Where middlewares, and the bridges between WSGI and ASGI, keep what they stand around.
_INNER = ("app", "wsgi_app", "asgi_app", "application", "wsgi_application", "_app", "wsgi")
_SERVED = {"flask": "wsgi_app", "quart": "asgi_app"}
_DEEP = 50


def routes_of(app: Any, place: Place | None = None, depth: int = 0) -> Iterator[Route]:
    """The routes of an application, and of those that are mounted within it. Nothing of it is called.

    Middlewares of others are taken to pass requests on to the application that they hold.

    Args:
        app: the application, or what stands around it.
        place: where it stands.
        depth: how many applications stand around it.
    """
    place = place or Place()
    if depth > _DEEP:
        yield place.route("/*", (), app, Verdict(State.UNKNOWN, "applications within each other, without an end"))
        return

    def follow(inner: Any, at: Place) -> Iterator[Route]:
        return routes_of(inner, at, depth + 1)

    bound: Any = app.__self__ if _is_method(app) else None
    if _framework(bound) is not None:
        yield from pallets.routes_of(bound, place)  # of Flask or Quart, within all that is around it
    elif _framework(app) is not None:
        name = _SERVED[str(_framework(app))]
        yield from follow(getattr(app, name), place)
    elif is_a(app, "starlette.applications", "Starlette"):
        yield from starlette.routes_of(app.router, starlette.within_middlewares(app, place), follow)
    elif is_a(app, "starlette.routing", "Router"):
        yield from _router(app, place, follow)
    else:
        yield from _opaque(app, place, follow)


def _is_method(app: Any) -> bool:
    return isinstance(app, MethodType) and app.__func__.__name__ in _SERVED.values()


def _framework(app: Any) -> str | None:
    if is_a(app, "flask.app", "Flask"):
        return "flask"
    return "quart" if is_a(app, "quart.app", "Quart") else None


def _router(router: Any, place: Place, follow: starlette.Follow) -> Iterator[Route]:
    """A router alone: its middlewares are made already, and end at its own method."""
    app: Any = getattr(router, "middleware_stack", None)
    while app is not None and not isinstance(app, (MethodType, FunctionType)):
        place = starlette.within_object(app, place)
        app = getattr(app, "app", None)
    yield from starlette.routes_of(router, place, follow)


def _opaque(app: Any, place: Place, follow: starlette.Follow) -> Iterator[Route]:
    within = starlette.within_object(app, place)
    mounts: Any = getattr(app, "mounts", None)
    dispatches = isinstance(mounts, dict)  # as Werkzeug's and Hypercorn's dispatchers do
    for path, mounted in cast("dict[str, Any]", mounts).items() if dispatches else ():
        yield from follow(mounted, within.below(path.rstrip("/")))
    inner = next((getattr(app, name) for name in _INNER if callable(getattr(app, name, None))), None)
    if inner is not None:
        yield from follow(inner, within)
    elif not dispatches:
        route = within.route("/*", (), app)
        # Starlette's files are known to ask nobody.
        if route.verdict == OPEN and not type(app).__module__.startswith("starlette."):
            route = replace(route, verdict=Verdict(State.UNKNOWN, "an application of a kind that is not known"))
        yield route
