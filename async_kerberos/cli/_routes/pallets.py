"""The routes of Flask and Quart."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from ..._web.whole import protected_whole
from .finding import OPEN, Place, Route, State, Verdict, is_of, strictest, verdict_on

_PACKAGES = ("flask", "quart")


def routes_of(app: Any, place: Place) -> Iterator[Route]:
    """The routes of an application, as its router has them.

    Args:
        app: the application.
        place: where it stands, within the middlewares around its ``wsgi_app`` or ``asgi_app``.
    """
    whole = protected_whole(app)
    for rule in app.url_map.iter_rules():
        if rule.build_only:
            continue
        own = [_hooks(app, rule)]
        if whole is not None:
            text = whole.exempting(rule.rule)
            why = 'protect="all"'
            own.append(Verdict(State.EXEMPT, f"{why}, exempt {text}") if text else Verdict(State.PROTECTED, why))
        view = app.view_functions.get(rule.endpoint)
        methods = set(rule.methods or ()) - {"HEAD"}
        if getattr(rule, "provide_automatic_options", False):
            methods -= {"OPTIONS"}
        host = rule.host or (f"{rule.subdomain}." if rule.subdomain else "")
        at = Place(place.prefix, place.around, place.host or host)
        if rule.websocket:
            yield at.route(rule.rule, (), view, verdict_on(view), *own, websocket=True)
            continue
        by_verdict: dict[Verdict, set[str]] = {}
        for method, verdict in _by_method(view, sorted(methods)):
            by_verdict.setdefault(verdict, set()).add(method)
        for verdict, alike in by_verdict.items():
            yield at.route(rule.rule, alike, getattr(view, "view_class", view), verdict, *own)


def _hooks(app: Any, rule: Any) -> Verdict:
    """What the hooks demand that are called before a view: the application's, and those of its blueprints."""
    # Of Flask, a rule for WebSockets is a rule as any other.
    talks = rule.websocket and hasattr(app, "before_websocket_funcs")
    hooks: Any = app.before_websocket_funcs if talks else app.before_request_funcs
    blueprint: str = rule.endpoint.rpartition(".")[0]
    parts = blueprint.split(".") if blueprint else []
    names: list[str | None] = [None, *(".".join(parts[: number + 1]) for number in range(len(parts)))]
    found = [verdict_on(hook, "a hook before it") for name in names for hook in hooks.get(name, ())]
    return strictest(found)


def _by_method(view: Any, methods: list[str]) -> Iterator[tuple[str, Verdict]]:
    verdict, view_class = verdict_on(view), cast("Any", getattr(view, "view_class", None))
    if verdict == OPEN and view_class is not None:
        if is_of(view_class.dispatch_request, *_PACKAGES):
            # A MethodView: each of its methods may be decorated.
            handlers = {method: getattr(view_class, method.lower(), None) for method in methods}
            found = {method: verdict_on(handler) for method, handler in handlers.items()}
        else:
            found = dict.fromkeys(methods, verdict_on(view_class.dispatch_request))
            members = [getattr(view_class, name, None) for name in dir(view_class)]
            if OPEN in found.values() and any(verdict_on(member) != OPEN for member in members):
                found = dict.fromkeys(methods, Verdict(State.UNKNOWN, f"{view_class.__name__} dispatches by itself"))
        if not is_of(view, *_PACKAGES) and any(found[method] != OPEN for method in methods):
            found = dict.fromkeys(methods, Verdict(State.UNKNOWN, "a decorator around the class may not call it"))
        yield from found.items()
        return
    for method in methods:
        yield method, verdict
