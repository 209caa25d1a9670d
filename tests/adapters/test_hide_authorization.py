"""``hide_authorization``: the application does not see the credentials, and checks within it find the user."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import anyio
import asgiref.wsgi
import pytest
from a2wsgi import ASGIMiddleware, WSGIMiddleware
from fastapi import Depends, FastAPI
from flask import Flask
from flask import request as flask_request
from quart import Quart
from quart import request as quart_request
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket
from werkzeug.test import EnvironBuilder, run_wsgi_app

from async_kerberos import ConfigurationError, Identity, Kerberos
from async_kerberos._web.state import STATE
from async_kerberos.adapters import asgi, fastapi, flask, quart, starlette, wsgi
from async_kerberos.testing import Realm

from ..support.initiator import Initiator, fresh, reply_token
from .support import HOST, SECOND, ask, converse

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


def test_request_within(user: str) -> None:
    """Each of two requests, one made within the other by a copy of its scope, gets its own reply and keeps its user."""
    inner = starlette_app()
    answers: list[Any] = []
    other = Initiator()

    async def between(scope: Any, receive: Any, send: Any) -> None:
        async def sent(message: Any) -> None:
            answers.append(message)

        before = scope[STATE].checked
        headers = [field for field in scope["headers"] if field[0] != b"authorization"]
        await inner({**scope, "headers": [*headers, (b"authorization", other.header.encode())]}, receive, sent)
        assert scope[STATE].checked is before
        await inner(scope, receive, send)

    app = asgi.KerberosMiddleware(between, Kerberos(hostname=HOST))
    initiator = Initiator()
    answer = ask(app, "/", initiator.header)
    assert answer.status == answers[0]["status"] == 200
    initiator.verify(reply_token(answer.challenges))
    other.verify(reply_token([value.decode() for name, value in answers[0]["headers"] if name == b"www-authenticate"]))


def test_scope_in_environ(user: str) -> None:
    """The bridge a2wsgi hands the scope on in environ: what is hidden is not there either, and outside it still is."""
    seen: list[Any] = []
    outside: list[Any] = []

    def application(environ: Any, start_response: Any) -> Any:
        seen.extend([environ["asgi.scope"]["headers"], environ.get("HTTP_AUTHORIZATION")])
        start_response("200 OK", [("Content-Length", "0")])
        return []

    protected: Any = wsgi.KerberosMiddleware(application, Kerberos(hostname=HOST), hide_authorization=True)
    bridged = WSGIMiddleware(protected)

    async def around(scope: Any, receive: Any, send: Any) -> None:
        await bridged(scope, receive, send)
        outside.extend(scope["headers"])

    authorization = fresh()
    assert ask(around, "/", authorization).status == 200
    assert authorization not in str(seen)
    assert (b"host", b"testserver") in seen[0]
    assert (b"authorization", authorization.encode()) in outside


def test_environ_in_scope(user: str) -> None:
    """The other way round, that bridge hands environ on in the scope: neither credentials nor claims are there."""
    seen: list[Any] = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        seen.append(dict(scope["wsgi_environ"]))
        await PlainTextResponse("")(scope, receive, send)

    protected: Any = asgi.KerberosMiddleware(
        application, Kerberos(hostname=HOST), user_header="Remote-User", hide_authorization=True
    )
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    bridged: Any = ASGIMiddleware(protected, loop=loop)
    headers = [("Authorization", fresh()), ("Remote-User", "bob"), ("X-Other", "kept")]
    environ = EnvironBuilder(headers=headers).get_environ()
    try:
        assert run_wsgi_app(bridged, dict(environ))[1].startswith("200")
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
    assert "HTTP_AUTHORIZATION" not in seen[0]
    assert "HTTP_REMOTE_USER" not in seen[0]
    assert seen[0]["HTTP_X_OTHER"] == "kept"


@pytest.mark.parametrize("path", ["/", "/deniable"])
def test_websocket(user: str, path: str) -> None:
    """The application below sees no credentials of a handshake, and its own check finds the user."""
    seen: list[Any] = []

    @starlette.requires_authentication
    async def view(user: str, websocket: WebSocket) -> None:
        seen.extend([user, websocket.headers.get("authorization")])
        await websocket.accept()
        await websocket.close()

    inner = Starlette(routes=[WebSocketRoute(path, view)])
    starlette.init_kerberos(inner, **INNER)
    app = asgi.KerberosMiddleware(inner, Kerberos(hostname=HOST), hide_authorization=True)
    anyio.run(converse, app, fresh(), path)
    assert seen == [user, None]


def test_several_users(user: str, realm: Realm) -> None:
    """Requests that an application makes within a user's never become another user's whom one of them has signed in."""
    asked: list[str] = []
    inner = starlette_app()
    bob = realm.user("bob-within")
    other = fresh(ccache=bob.ccache)

    async def between(scope: Any, receive: Any, send: Any) -> None:
        async def sent(message: Any) -> None:
            asked.append(message.get("body", b"").decode())

        for headers in ([], [(b"authorization", other.encode())], []):
            await inner({**scope, "headers": [*scope["headers"], *headers]}, receive, sent)
        await inner(scope, receive, send)

    app = asgi.KerberosMiddleware(between, Kerberos(hostname=HOST), hide_authorization=True)
    assert ask(app, "/", fresh()).text == f"{user} None"
    assert [text for text in asked if text] == [f"{user} None", f"{bob.principal} {other}", f"{user} None"]
