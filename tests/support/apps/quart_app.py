"""The contract's application on Quart, and on QuartTrio."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from typing import Any

from quart import Quart, Response, abort, g, redirect, request, websocket

from async_kerberos.adapters.quart import init_kerberos, requires_authentication

from . import OWN_CHALLENGE, Options, TeapotError, facts, pieces, who_it_is
from .flask_and_quart import Action, actions, hello


def _identity() -> dict[str, str]:
    return {"g": g.kerberos_identity.principal, **facts(g.kerberos_identity)}


def who(user: str) -> dict[str, str]:
    scope: Any = request.scope
    return {"user": user, "scope": scope["kerberos"].principal, **_identity()}


def maybe(user: str | None) -> str:
    scope: Any = request.scope
    return who_it_is(user, g.kerberos_identity, scope["kerberos"])


def stream(user: str) -> Response:
    async def produce() -> AsyncIterator[bytes]:
        for piece in pieces(user):
            yield piece

    return Response(produce(), content_type="text/plain")


ACTIONS: dict[str, Action] = {"/who": who, "/stream": stream, **actions(redirect, abort)}


def build(options: Options | None, *, asynchronous: bool, factory: type[Quart] = Quart) -> Quart:
    """The application: its views async or sync, configured or not."""
    app = factory("contract")
    if options is not None:
        init_kerberos(app, **options)

    def add(path: str, action: Action, methods: list[str]) -> None:
        async def view(user: str) -> Any:
            return action(user)

        protected: Callable[..., Any]
        protected = requires_authentication(view) if asynchronous else requires_authentication(action)
        app.add_url_rule(path, path.strip("/"), protected, methods=methods)

    add("/hello", hello, ["GET", "POST", "OPTIONS"])
    for path, action in ACTIONS.items():
        add(path, action, ["GET"])

    async def maybe_async(user: str | None) -> str:
        return maybe(user)

    optional = requires_authentication(optional=True)
    guarded: Callable[..., Any] = optional(maybe_async) if asynchronous else optional(maybe)
    app.add_url_rule("/maybe", "maybe", guarded, methods=["GET", "POST"])

    @app.websocket("/ws-maybe")
    @optional
    async def ws_maybe(user: str | None) -> None:
        scope: Any = websocket.scope
        await websocket.send(who_it_is(user, g.kerberos_identity, scope["kerberos"]))

    @app.post("/echo")
    @requires_authentication
    async def echo(user: str) -> Any:
        return await request.get_data()

    @app.websocket("/ws")
    @requires_authentication
    async def ws(user: str) -> None:
        await websocket.send(user)

    @app.websocket("/ws-own")
    @requires_authentication
    async def ws_own(user: str) -> None:
        connection: Any = websocket
        await connection.accept(headers={"WWW-Authenticate": OWN_CHALLENGE, "X-Own": "yes"})
        await websocket.send(user)

    @app.websocket("/ws-who")
    @requires_authentication
    async def ws_who(user: str) -> None:
        scope: Any = websocket.scope
        await websocket.send(json.dumps({"user": user, "scope": scope["kerberos"].principal, **_identity()}))

    async def answer_teapot(error: Exception) -> Any:
        return "teapot", 418

    app.register_error_handler(TeapotError, answer_teapot)
    return app
