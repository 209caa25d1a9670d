"""One view that other sites may post to, among others that they may not, and the other way round."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pytest
from fastapi import Depends, FastAPI
from flask import Flask
from quart import Quart
from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from async_kerberos import ConfigurationError, Kerberos
from async_kerberos.adapters import asgi, fastapi, flask, quart, starlette

from ..support.initiator import fresh
from .support import HOST, ask

FOREIGN = {"Origin": "https://evil.test", "Sec-Fetch-Site": "cross-site"}


def make_flask(**options: Any) -> Any:
    app = Flask(__name__)
    flask.init_kerberos(app, hostname=HOST, **options)

    @app.post("/open")
    @flask.requires_authentication(cross_site="allow")
    def open_view(user: str) -> str:
        return user

    @app.post("/strict")
    @flask.requires_authentication(cross_site="refuse")
    def strict_view(user: str) -> str:
        return user

    @app.post("/usual")
    @flask.requires_authentication
    def usual_view(user: str) -> str:
        return user

    return app


def make_quart(**options: Any) -> Any:
    app = Quart(__name__)
    quart.init_kerberos(app, hostname=HOST, **options)

    @app.post("/open")
    @quart.requires_authentication(cross_site="allow")
    async def open_view(user: str) -> str:
        return user

    @app.post("/strict")
    @quart.requires_authentication(cross_site="refuse")
    def strict_view(user: str) -> str:
        return user

    @app.post("/usual")
    @quart.requires_authentication
    async def usual_view(user: str) -> str:
        return user

    return app


def make_starlette(**options: Any) -> Any:
    @starlette.requires_authentication(cross_site="allow")
    async def open_view(user: str, request: Request) -> Response:
        return PlainTextResponse(user)

    @starlette.requires_authentication(cross_site="refuse")
    def strict_view(user: str, request: Request) -> Response:
        return PlainTextResponse(user)

    @starlette.requires_authentication
    class Usual(HTTPEndpoint):
        async def post(self, user: str, request: Request) -> Response:
            return PlainTextResponse(user)

    views: dict[str, Any] = {"/open": open_view, "/strict": strict_view}
    app = Starlette(
        routes=[Route("/usual", Usual), *(Route(path, view, methods=["POST"]) for path, view in views.items())]
    )
    starlette.init_kerberos(app, hostname=HOST, **options)
    return app


def make_fastapi(**options: Any) -> Any:
    app = FastAPI()
    fastapi.init_kerberos(app, hostname=HOST, **options)
    for path, guard in (
        ("/open", fastapi.KerberosIdentity(cross_site="allow")),
        ("/strict", fastapi.KerberosIdentity(cross_site="refuse")),
        ("/usual", fastapi.KerberosIdentity()),
    ):

        async def view(user: Any = Depends(guard)) -> Response:
            return PlainTextResponse(user.principal)

        app.add_api_route(path, view, methods=["POST"])
    return app


async def _application(scope: Any, receive: Any, send: Any) -> None:
    await PlainTextResponse(scope["kerberos"].principal)(scope, receive, send)


def make_asgi(**options: Any) -> Any:
    kerberos = Kerberos(hostname=HOST, **options)
    apps = {
        "/open": asgi.KerberosMiddleware(_application, kerberos, cross_site="allow"),
        "/strict": asgi.KerberosMiddleware(_application, kerberos, cross_site="refuse"),
        "/usual": asgi.KerberosMiddleware(_application, kerberos),
    }

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await apps[scope["path"]](scope, receive, send)

    return app


ALL: Any = [
    pytest.param(make, id=make.__name__) for make in (make_flask, make_quart, make_starlette, make_fastapi, make_asgi)
]


@pytest.mark.parametrize("make", ALL)
def test_one_view(user: str, make: Callable[..., Any]) -> None:
    """What a view says of itself counts for it alone; the others have what the application says."""
    for options, passing in (({}, {"/open"}), ({"cross_site": "allow"}, {"/open", "/usual"})):
        app = make(**options)
        for path in ("/open", "/strict", "/usual"):
            answer = ask(app, path, fresh(), method="POST", fields=FOREIGN)
            assert (answer.status == 200 and answer.text == user) is (path in passing), (path, answer.text)
            assert ask(app, path, method="POST", fields=FOREIGN).status == (401 if path in passing else 403)
            assert ask(app, path, fresh(), method="POST").text == user


def test_guards_of_one_request(user: str) -> None:
    """What one guard allows, another does not thereby allow, in whichever order they are asked."""
    app = FastAPI()
    fastapi.init_kerberos(app, hostname=HOST)
    lax, usual = fastapi.KerberosIdentity(cross_site="allow"), fastapi.KerberosIdentity()
    for path, guards in (("/lax-first", (lax, usual)), ("/usual-first", (usual, lax)), ("/lax", (lax, lax))):
        app.add_api_route(path, lambda: user, methods=["POST"], dependencies=[Depends(guard) for guard in guards])
    for path, status in (("/lax-first", 403), ("/usual-first", 403), ("/lax", 200)):
        assert ask(app, path, fresh(), method="POST", fields=FOREIGN).status == status
        assert ask(app, path, fresh(), method="POST").status == 200


GUARDS: Any = [
    flask.requires_authentication,
    quart.requires_authentication,
    starlette.requires_authentication,
    fastapi.KerberosIdentity,
    functools.partial(asgi.KerberosMiddleware, _application),
]


@pytest.mark.parametrize("guard", GUARDS)
@pytest.mark.parametrize("value", ["deny", True, 0, ""])
def test_wrong_value(guard: Callable[..., Any], value: object) -> None:
    """What is neither of the two words is refused where it is given."""
    with pytest.raises(ConfigurationError, match=r"^cross_site: "):
        guard(cross_site=value)


def test_websocket_of_flask(user: str) -> None:
    """Where an extension takes the connection from Flask's server, the handshake counts as one, though it is a GET."""
    app = Flask(__name__)
    flask.init_kerberos(app, hostname=HOST)

    @flask.requires_authentication
    def view(user: str) -> str:
        return user

    app.add_url_rule("/", view_func=view)
    app.add_url_rule("/ws", endpoint="ws", view_func=view, websocket=True)
    handshake = {"Upgrade": "WebSocket", "Connection": "Upgrade"}
    assert ask(app, "/ws", fresh(), fields={**handshake, "Origin": "https://evil.test"}).status == 403
    assert ask(app, "/ws", fresh(), fields={**handshake, "Origin": "http://localhost"}).text == user
    assert ask(app, "/", fresh(), fields={"Origin": "https://evil.test"}).text == user
