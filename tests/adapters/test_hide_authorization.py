"""``hide_authorization``: the application does not see the credentials, and checks within it find the user."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import asgiref.wsgi
import pytest
from fastapi import Depends, FastAPI
from flask import Flask
from flask import request as flask_request
from quart import Quart
from quart import request as quart_request
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from async_kerberos import ConfigurationError, Identity, Kerberos
from async_kerberos.adapters import asgi, fastapi, flask, quart, starlette, wsgi

from ..support.initiator import Initiator, fresh, reply_token
from .support import HOST, SECOND, ask

WsgiToAsgi: Any = asgiref.wsgi.WsgiToAsgi  # it has no types

# The application has a service of its own, so that its check is another one than the middleware's.
INNER: Any = {"hostname": [HOST, "second.example.test"]}


def flask_app() -> Any:
    app = Flask(__name__)
    flask.init_kerberos(app, **INNER)

    @app.get("/")
    @flask.requires_authentication
    def view(user: str) -> str:
        return f"{user} {flask_request.headers.get('Authorization')}"

    return app


def quart_app() -> Any:
    app = Quart(__name__)
    quart.init_kerberos(app, **INNER)

    @app.get("/")
    @quart.requires_authentication
    async def view(user: str) -> str:
        return f"{user} {quart_request.headers.get('Authorization')}"

    return app


def starlette_app() -> Any:
    @starlette.requires_authentication
    async def view(user: str, request: Request) -> PlainTextResponse:
        return PlainTextResponse(f"{user} {request.headers.get('Authorization')}")

    app = Starlette(routes=[Route("/", view)])
    starlette.init_kerberos(app, **INNER)
    return app


def fastapi_app() -> Any:
    app = FastAPI()
    fastapi.init_kerberos(app, **INNER)

    @app.get("/")
    async def view(request: Request, identity: Identity = Depends(fastapi.KerberosIdentity())) -> Any:
        return PlainTextResponse(f"{identity} {request.headers.get('Authorization')}")

    return app


APPS: dict[str, Callable[[], Any]] = {
    "quart": lambda: asgi.KerberosMiddleware(quart_app(), Kerberos(hostname=HOST), hide_authorization=True),
    "starlette": lambda: asgi.KerberosMiddleware(starlette_app(), Kerberos(hostname=HOST), hide_authorization=True),
    "fastapi": lambda: asgi.KerberosMiddleware(fastapi_app(), Kerberos(hostname=HOST), hide_authorization=True),
    "flask in ASGI": lambda: asgi.KerberosMiddleware(
        WsgiToAsgi(flask_app()), Kerberos(hostname=HOST), hide_authorization=True
    ),
    "flask in WSGI in ASGI": lambda: asgi.KerberosMiddleware(
        WsgiToAsgi(wsgi.KerberosMiddleware(flask_app(), Kerberos(hostname=HOST), hide_authorization=True)),
        Kerberos(hostname=HOST),
    ),
    "two in WSGI in ASGI": lambda: asgi.KerberosMiddleware(
        WsgiToAsgi(wsgi.KerberosMiddleware(flask_app(), Kerberos(hostname=HOST))),
        Kerberos(hostname=HOST),
        hide_authorization=True,
    ),
    "flask in WSGI": lambda: WsgiToAsgi(
        wsgi.KerberosMiddleware(flask_app(), Kerberos(hostname=HOST), hide_authorization=True)
    ),
}


@pytest.mark.parametrize("name", APPS)
def test_hidden(user: str, name: str) -> None:
    """The view sees no Authorization, its own check takes no second step, and the reply comes once."""
    app = APPS[name]()
    assert (ask(app, "/").status, ask(app, "/").challenges) == (401, ["Negotiate"])
    initiator = Initiator()
    answer = ask(app, "/", initiator.header)
    assert (answer.status, answer.text) == (200, f"{user} None")
    initiator.verify(reply_token(answer.challenges))
    assert len(answer.challenges) == 1


@pytest.mark.parametrize("middleware", [asgi.KerberosMiddleware, wsgi.KerberosMiddleware])
def test_flag(middleware: Any) -> None:
    """It is a flag, and nothing else."""
    with pytest.raises(ConfigurationError, match=r"^hide_authorization: "):
        middleware(None, hostname=HOST, hide_authorization="yes")


def test_other_credentials(user: str) -> None:
    """Credentials that something in between has put in place of the hidden ones are judged by themselves."""
    inner = starlette_app()
    other = fresh(f"HTTP@{SECOND}")

    async def between(scope: Any, receive: Any, send: Any) -> None:
        await inner({**scope, "headers": [*scope["headers"], (b"authorization", other.encode())]}, receive, send)

    app = asgi.KerberosMiddleware(between, Kerberos(hostname=HOST), hide_authorization=True)
    assert ask(app, "/", fresh()).status == 403


def test_several_users(user: str) -> None:
    """Requests that an application makes within a user's never become another user's whom one of them has signed in."""
    asked: list[tuple[int, str]] = []
    inner = starlette_app()
    other = fresh()

    async def between(scope: Any, receive: Any, send: Any) -> None:
        async def sent(message: Any) -> None:
            if message["type"] == "http.response.start":
                asked.append((message["status"], str(scope["kerberos"])))

        for headers in ([], [(b"authorization", other.encode())], []):
            await inner({**scope, "headers": [*scope["headers"], *headers]}, receive, sent)
        await inner(scope, receive, send)

    app = asgi.KerberosMiddleware(between, Kerberos(hostname=HOST), hide_authorization=True)
    ask(app, "/", fresh())
    # The token that is hidden has been used: once another one has taken its place, it is a replay.
    assert [status for status, _ in asked] == [200, 200, 403]
