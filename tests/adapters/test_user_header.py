"""``user_header`` on every kind of application below the middleware, with real tickets. (Django has its own file.)"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

import asgiref.wsgi
import pytest
from flask import Flask
from flask import request as flask_request
from quart import Quart
from quart import request as quart_request
from quart import websocket as quart_websocket
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.websockets import WebSocket

from async_kerberos import Event, Identity, Reason, TicketDetails
from async_kerberos.adapters.asgi import KerberosMiddleware
from async_kerberos.adapters.flask import init_kerberos, requires_authentication
from async_kerberos.adapters.starlette import KerberosMiddleware as StarletteKerberosMiddleware
from async_kerberos.testing import Realm, Service, User

from ..support.deployments import closing_all
from ..support.guards import ThreadGuard
from ..support.http import Connection, WebSocketClient
from ..support.initiator import Initiator, fresh, reply_token
from ..support.servers import Server, Uvicorn, Werkzeug
from .support import HOST, ask

OPTIONS: Any = {"hostname": HOST, "user_header": "Remote-User"}
CLAIMS = {"Remote-User": "bob", "remote_user": "bob", "REMOTE-USER": "bob", "Remote.User": "bob"}

WsgiToAsgi: Any = asgiref.wsgi.WsgiToAsgi  # it has no types


def spelled(names: Any) -> list[str]:
    return [name for name in names if name.lower().replace("_", "-").replace(".", "-") == "remote-user"]


def starlette_app() -> Any:
    async def view(request: Request) -> JSONResponse:
        assert len(spelled(request.headers)) == 1
        assert request.user.display_name == request.headers["remote-user"].encode("latin-1").decode()
        return JSONResponse(request.headers.getlist("remote-user"))

    async def talk(websocket: WebSocket) -> None:
        assert len(spelled(websocket.headers)) == 1
        await websocket.accept()
        await websocket.send_json(websocket.headers.getlist("remote-user"))
        await websocket.close()

    routes = [Mount("/", routes=[Route("/user", view), WebSocketRoute("/ws", talk)])]
    return Starlette(routes=routes, middleware=[Middleware(StarletteKerberosMiddleware, **OPTIONS)])


def quart_app() -> Any:
    app = Quart(__name__)

    @app.get("/user")
    async def view() -> list[str]:
        assert len(spelled(quart_request.headers.keys())) == 1
        return quart_request.headers.getlist("Remote-User")

    @app.websocket("/ws")
    async def talk() -> None:
        assert len(spelled(quart_websocket.headers.keys())) == 1
        await quart_websocket.send_json(quart_websocket.headers.getlist("Remote-User"))

    anything: Any = app
    anything.asgi_app = KerberosMiddleware(anything.asgi_app, **OPTIONS)
    return app


def bridged_app() -> Any:
    app = Flask(__name__)

    @app.get("/user")
    def view() -> list[str]:
        assert flask_request.remote_user is None
        return [flask_request.environ["HTTP_REMOTE_USER"]]

    return KerberosMiddleware(WsgiToAsgi(app), **OPTIONS)


@pytest.fixture(params=[starlette_app, quart_app, bridged_app])
def server(request: pytest.FixtureRequest, thread_guard: ThreadGuard) -> Generator[Server, None, None]:
    """A server with an application that answers with the header's values, as JSON."""
    build: Callable[[], Any] = request.param
    with closing_all(), Uvicorn(build(), threads=thread_guard) as running:
        yield running


def test_header(server: Server, user: str) -> None:
    """The application finds the user, once, and nothing that the client has sent."""
    with Connection(server.address) as connection:
        initiator = Initiator()
        response = connection.request("/user", initiator.header, fields=[*CLAIMS.items(), *CLAIMS.items()])
    assert (response.status, response.text.strip()) == (200, f'["{user}"]')
    initiator.verify(reply_token(response.challenges))


@pytest.mark.parametrize("server", [starlette_app, quart_app], indirect=True)
def test_websocket(server: Server, user: str) -> None:
    """On a WebSocket, too, the application finds the user, and nothing that the client has sent."""
    with WebSocketClient(server.address, "/ws", fresh(), fields=CLAIMS) as websocket:
        assert websocket.receive_text() == f'["{user}"]'


def capital(identity: Identity) -> str:
    return identity.name.upper()


def two_lines(_: Identity) -> str:
    return "bob\r\nRemote-User: carol"


@pytest.mark.parametrize(
    ("username", "status", "expected"),
    [
        ("name", 200, "alice"),
        ("local_name", 200, "al"),  # by the realm's rules
        (capital, 200, "ALICE"),
        (two_lines, 500, "Internal Server Error"),
    ],
)
def test_username(user: str, username: Any, status: int, expected: str) -> None:
    """``username`` says what stands in the header; what no header can have lets nobody in."""

    async def application(scope: Any, receive: Any, send: Any) -> None:
        await PlainTextResponse(Headers(scope=scope)["remote-user"])(scope, receive, send)

    options: Any = {**OPTIONS, "details": TicketDetails(local_name=True), "username": username}
    answer = ask(KerberosMiddleware(application, **options), "/", fresh())
    assert (answer.status, answer.text) == (status, expected)


@pytest.mark.parametrize("server", [starlette_app], indirect=True)
def test_names_that_are_not_plain(server: Server, realm: Realm, www: Service) -> None:
    """A name outside of ASCII comes in UTF-8; one that no header can have lets nobody in."""
    answers: dict[str, tuple[int, str]] = {}
    for name in ("\u0142ukasz", " alice", "al\rice"):
        with realm.environ(realm.user(name)), Connection(server.address) as connection:
            response = connection.request("/user", fresh(), fields=list(CLAIMS.items()))
            answers[name] = (response.status, response.text.partition("@")[0])
    # Starlette reads headers as Latin-1.
    name = "\u0142ukasz".encode().decode("latin-1")
    assert list(answers.values()) == [(200, f'["{name}'), (403, "Forbidden"), (403, "Forbidden")]


def test_told(signed_in: User, realm: Realm) -> None:
    """A user who is let in, and then refused for a name that no header can have, is told of twice."""
    heard: list[Event] = []

    async def nobody(scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError

    app = KerberosMiddleware(nobody, **OPTIONS, on_event=heard.append)
    with realm.environ(realm.user(" eve")):
        answer = ask(app, "/path", fresh(), fields={"Accept": "text/html"})
    # As to others whom a middleware around an application refuses.
    assert answer.status == 403
    assert answer.text.startswith("<!doctype html>")
    assert [(event.outcome, event.reason, event.status) for event in heard] == [
        ("accepted", None, None),
        ("refused", Reason.NOT_AUTHORISED, 403),
    ]
    assert {(event.principal, event.path, event.adapter) for event in heard} == {
        (f" eve@{realm.name}", "/path", "asgi")
    }


def test_flask(user: str, thread_guard: ThreadGuard) -> None:
    """Flask's ``REMOTE_USER`` is no header: a client's ``Remote-User`` is ``HTTP_REMOTE_USER``, and nobody's name."""
    app = Flask(__name__)
    init_kerberos(app, hostname=HOST)

    @app.get("/")
    @requires_authentication
    def view(user: str) -> str:
        return f"{user} {flask_request.remote_user}"

    @app.get("/open")
    def open_view() -> str:
        return str(flask_request.remote_user)

    with closing_all(), Werkzeug(app, threads=thread_guard) as server:
        for path, text in (("/", f"{user} {user}"), ("/open", "None")):
            with Connection(server.address) as connection:
                assert connection.request(path, fresh(), fields=CLAIMS.items()).text == text
