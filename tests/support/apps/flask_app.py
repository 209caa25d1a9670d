"""The contract's application on Flask."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import asgiref.wsgi
from flask import Flask, Response, abort, g, redirect, request

from async_kerberos import Kerberos
from async_kerberos.adapters.asgi import KerberosMiddleware
from async_kerberos.adapters.flask import init_kerberos, requires_authentication

from . import MAYBE, Options, TeapotError, facts, pieces, who_it_is
from .flask_and_quart import Action, actions, hello

WsgiToAsgi: Any = asgiref.wsgi.WsgiToAsgi  # it has no types


def echo(user: str) -> bytes:
    return request.get_data()


def who(user: str) -> dict[str, str]:
    return {
        "user": user,
        "g": g.kerberos_identity.principal,
        **facts(g.kerberos_identity),
        "REMOTE_USER": request.environ["REMOTE_USER"],
        "remote_user": request.remote_user or "",
    }


def maybe(user: str | None) -> str:
    return who_it_is(user, g.kerberos_identity, request.environ.get("REMOTE_USER"), request.environ["kerberos"])


def stream(user: str) -> Response:
    def produce() -> Iterator[bytes]:
        yield from pieces(user)

    return Response(produce(), mimetype="text/plain")


ACTIONS: dict[str, Action] = {"/who": who, "/stream": stream, **actions(redirect, abort)}


def _as_async(action: Callable[..., Any]) -> Callable[[str | None], Awaitable[Any]]:
    async def view(user: str | None) -> Any:
        return action(user)

    return view


def build(options: Options | None, *, asynchronous: bool) -> Flask:
    """The application: its views sync or async, configured or not."""
    return build_configured(options, asynchronous=asynchronous)[0]


def build_configured(options: Options | None, *, asynchronous: bool) -> tuple[Flask, Kerberos | None]:
    """The application and its ``Kerberos``, where it is configured."""
    app = Flask("contract")
    kerberos = None if options is None else init_kerberos(app, **options)

    def add(path: str, action: Action, methods: list[str]) -> None:
        view: Callable[..., Any]
        view = requires_authentication(_as_async(action)) if asynchronous else requires_authentication(action)
        app.add_url_rule(path, path.strip("/"), view, methods=methods)

    add("/hello", hello, ["GET", "POST", "OPTIONS"])
    add("/echo", echo, ["POST"])
    for path, action in ACTIONS.items():
        add(path, action, ["GET"])

    optional = requires_authentication(optional=True)
    guarded: Callable[..., Any] = optional(_as_async(maybe)) if asynchronous else optional(maybe)
    app.add_url_rule("/maybe", "maybe", guarded, methods=["GET", "POST"])

    def answer_teapot(error: Exception) -> Any:
        return "teapot", 418

    app.register_error_handler(TeapotError, answer_teapot)
    return app, kerberos


def bridged(options: Options | None) -> Any:
    """The application under an ASGI server."""
    return WsgiToAsgi(build(options, asynchronous=False))


def bridged_below_middleware(options: Options | None) -> Any:
    """The application under an ASGI server, inside the middleware, which has the application's ``Kerberos``."""
    app, kerberos = build_configured(options, asynchronous=False)
    guarded = KerberosMiddleware(WsgiToAsgi(app), kerberos)
    optional = KerberosMiddleware(WsgiToAsgi(app), kerberos, optional=True)

    async def dispatch(scope: Any, receive: Any, send: Any) -> None:
        await (optional if scope.get("path") in MAYBE else guarded)(scope, receive, send)

    return dispatch
