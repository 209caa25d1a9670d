"""What the command prints, and how it ends."""

from __future__ import annotations

import importlib
import json
import sys
from contextlib import redirect_stdout
from operator import attrgetter
from pathlib import Path
from typing import Any

from ...errors import KerberosError
from .._screen import Screen, printable
from .ask import Answer, Asker
from .finding import Route, State
from .walk import routes_of

_STYLES = {State.OPEN: "red", State.UNKNOWN: "yellow", State.PROTECTED: "green"}
_FAULTS = (State.OPEN, State.UNKNOWN)


class LoadError(KerberosError):
    """There is no such application."""


def run(target: str, *, factory: bool, url: str | None, as_json: bool, screen: Screen) -> bool:
    """List the routes of an application.

    Args:
        target: the application, as ``module:app``.
        factory: whether it is a function that makes the application.
        url: of a running copy to ask; None to ask none.
        as_json: whether programs read the output.
        screen: where to show it.

    Returns:
        Whether each route is known to be guarded, or open on purpose, and a running copy says so too.

    Raises:
        KerberosError: there is no such application, or it cannot be asked.
    """
    asker = None if url is None else Asker(url)
    found = list(routes_of(_load(target, factory)))
    answers = [None if asker is None else asker.ask(route) for route in found]
    both = list(zip(found, answers, strict=True))
    if as_json:
        screen.data(json.dumps([_as_json(*one) for one in both], indent=2))
    else:
        _show(both, screen)
    return not any(route.verdict.state in _FAULTS or (answer is not None and answer.differs) for route, answer in both)


def _load(target: str, factory: bool) -> Any:
    module_name, _, name = target.partition(":")
    sys.path.insert(0, str(Path.cwd()))
    # What the module prints is no part of the list.
    with redirect_stdout(sys.stderr):
        try:
            module = importlib.import_module(module_name)
        # An application that ends the process would end it as if all its routes were guarded.
        except (Exception, SystemExit) as error:
            raise LoadError(f"cannot import {module_name}: {type(error).__name__}: {error}") from error
        try:
            app: Any = attrgetter(name or "app")(module)
        except AttributeError as error:
            raise LoadError(f"{target}: {error}") from error
        try:
            app = app() if factory else app
        except (Exception, SystemExit) as error:
            raise LoadError(f"{target}() failed: {type(error).__name__}: {error}") from error
    if not callable(app):
        raise LoadError(f"{target} is no application, but an object of type {type(app).__name__}")
    return app


def _as_json(route: Route, answer: Answer | None) -> dict[str, object]:
    listed: dict[str, object] = {
        "path": route.path,
        "methods": list(route.methods),
        "websocket": route.websocket,
        "state": route.verdict.state.value,
        "why": route.verdict.why,
        "view": route.view,
    }
    if answer is not None:
        listed |= {"status": answer.status, "differs": answer.differs}
    return listed


def _show(routes: list[tuple[Route, Answer | None]], screen: Screen) -> None:
    def methods_of(route: Route) -> str:
        return "WebSocket" if route.websocket else ",".join(route.methods) or "any"

    widths = [max((len(text) for text in column), default=0) for column in (
        [route.path for route, _ in routes],
        [methods_of(route) for route, _ in routes],
    )]  # fmt: skip
    for route, answer in routes:
        state, why = route.verdict.state, route.verdict.why
        columns = f"{state.value:<9}  {route.path:<{widths[0]}}  {methods_of(route):<{widths[1]}}  {route.view}"
        screen.line(printable(columns + (f" ({why})" if why else "")), _STYLES.get(state, ""))
        if answer is not None and answer.differs:
            screen.line(f"           DIFFERS: {answer.differs}", "red")
    counts = {state: sum(route.verdict.state is state for route, _ in routes) for state in State}
    asked = sum(answer is not None for _, answer in routes)
    screen.line()
    screen.line(", ".join(f"{count} {state.value}" for state, count in counts.items() if count) or "no routes")
    if asked:
        differing = sum(answer is not None and bool(answer.differs) for _, answer in routes)
        screen.line(f"{asked} asked for, {differing} differ")
