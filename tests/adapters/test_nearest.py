"""The nearest ``Kerberos`` counts: a middleware without options never makes a second, laxer service."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator
from typing import Any

import anyio
import asgiref.wsgi
import pytest
from fastapi import FastAPI
from flask import Flask
from quart import Quart, g, has_request_context
from quart import websocket as quart_websocket
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.websockets import WebSocket

from async_kerberos import Kerberos
from async_kerberos import kerberos as kerberos_module
from async_kerberos._web.nearest import nearest_of
from async_kerberos.adapters import asgi, fastapi, flask, quart, starlette
from async_kerberos.kerberos import default_kerberos

from ..support.initiator import Initiator, fresh, reply_token
from ..support.waiting import wait_until
from .support import HOST, SECOND, ask, check, converse

WsgiToAsgi: Any = asgiref.wsgi.WsgiToAsgi  # it has no types


async def hello(request: Request) -> Response:
    return PlainTextResponse(request.scope["kerberos"].principal)


async def chat(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.send_text(websocket.scope["kerberos"].principal)
    await websocket.close()


ROUTES: Any = [Route("/", hello, methods=["GET", "POST"]), WebSocketRoute("/ws", chat)]


def make_starlette() -> Starlette:
    return Starlette(routes=ROUTES)


def make_fastapi() -> FastAPI:
    return FastAPI(routes=ROUTES)


STARLETTE_APPS: Any = [
    pytest.param(make_starlette, starlette, id="starlette"),
    pytest.param(make_fastapi, fastapi, id="fastapi"),
]


def build(make: Callable[[], Any], adapter: Any, order: str, **options: Any) -> Any:
    """An application of which everything is guarded, configured before, after, or with something in between."""
    app = make()
    if order == "middleware first":
        app.add_middleware(adapter.KerberosMiddleware)
    elif order == "gzip between":
        app.add_middleware(adapter.KerberosMiddleware)
        app.add_middleware(GZipMiddleware)
    adapter.init_kerberos(app, **options)
    if order == "middleware last":
        app.add_middleware(adapter.KerberosMiddleware)
    elif order == "gzip around":
        app.add_middleware(adapter.KerberosMiddleware)
        app.add_middleware(GZipMiddleware)
    return app


ORDERS = ["middleware first", "middleware last", "gzip between", "gzip around"]


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(("make", "adapter"), STARLETTE_APPS)
def test_application_of_the_middleware(user: str, make: Any, adapter: Any, order: str) -> None:
    """What ``init_kerberos`` demands holds for a bare middleware of the application, whichever came first."""
    # The host name is not this machine's: the default Kerberos would refuse everybody.
    check(build(make, adapter, order, hostname=SECOND), "/", user, host=SECOND)
    strict = build(make, adapter, order, hostname=HOST, require_tls=True)
    assert (ask(strict, "/", fresh()).status, ask(strict, "/").status) == (403, 403)
    sent = anyio.run(converse, strict, fresh(), "/ws")
    assert [message.get("status") for message in sent][:1] == [403]


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(("make", "adapter"), STARLETTE_APPS)
def test_mounts(user: str, make: Any, adapter: Any, order: str) -> None:
    """A mounted application that is configured counts for itself, one that is not has the outer one's service."""
    strict = build(make, adapter, order, hostname=HOST, require_tls=True)
    plain = Starlette(routes=ROUTES)
    plain.add_middleware(starlette.KerberosMiddleware)
    outer = Starlette(routes=[Mount("/strict", strict), Mount("/plain", plain)])
    starlette.init_kerberos(outer, hostname=SECOND)
    assert ask(outer, "/strict/", fresh()).status == 403
    check(outer, "/plain/", user, host=SECOND)
    # Around a mount: the outer application's bare middleware is of the outer application's service.
    # Around the mounted application object, where the outer one's would be another, laxer service: nobody gets in.
    around = Starlette(routes=[Mount("/strict", starlette.KerberosMiddleware(strict))])
    starlette.init_kerberos(around, hostname="*")
    assert ask(around, "/strict/", fresh()).status == 500
    guarded = build(lambda: Starlette(routes=[Mount("/in", plain)]), starlette, order, hostname=HOST, require_tls=True)
    assert ask(guarded, "/in/", fresh()).status == 403


def test_error_handler_around_a_mount(user: str) -> None:
    """What a mounted application's service is, it is there: a handler of errors around it has the outer one's."""

    @starlette.requires_authentication
    async def not_found(user: str, request: Request, error: Exception) -> Response:
        return PlainTextResponse(user, 404)

    async def lost(scope: Any, receive: Any, send: Any) -> None:
        raise HTTPException(404)

    around: Any = starlette.KerberosMiddleware(lost, kerberos=Kerberos(hostname=HOST))
    outer = Starlette(routes=[Mount("/in", around)], exception_handlers={404: not_found})
    starlette.init_kerberos(outer, hostname=HOST, require_tls=True)
    assert ask(outer, "/nowhere", fresh()).status == 403
    assert ask(outer, "/in/", fresh()).status == 403


def test_middleware_of_its_own_around_a_mount(user: str) -> None:
    """What a middleware with options guards is of that service, though the application around has another."""
    inner = starlette.KerberosMiddleware(Starlette(routes=ROUTES), hostname=SECOND)
    outer = Starlette(routes=[Mount("/in", starlette.KerberosMiddleware(inner))])
    starlette.init_kerberos(outer, hostname="*")
    check(outer, "/in/", user, host=SECOND)
    assert ask(outer, "/in/", fresh(f"HTTP@{HOST}")).status == 403


@pytest.mark.parametrize(
    ("options", "warned"), [({"hostname": HOST}, True), ({"hostname": HOST, "require_tls": True}, False)]
)
def test_middleware_with_other_options(user: str, options: Any, warned: bool, caplog: pytest.LogCaptureFixture) -> None:
    """A middleware with options has none of the application's: the log says so where that makes a difference."""
    app = Starlette(routes=ROUTES)
    starlette.init_kerberos(app, hostname=HOST, require_tls=True)
    app.add_middleware(starlette.KerberosMiddleware, **options)
    assert ask(app, "/").status == (401 if warned else 403)
    own, other = f"Kerberos(hostname={HOST!r})", f"Kerberos(hostname={HOST!r}, require_tls=True)"
    assert (f"has {own}, and nothing of the application's {other}" in caplog.text) is warned


@pytest.fixture
def default_serves(monkeypatch: pytest.MonkeyPatch, user: str) -> Generator[None, None, None]:
    """The default ``Kerberos``, of this host's name, takes the tickets that there are."""
    monkeypatch.setattr("socket.gethostname", lambda: HOST)
    default_kerberos().close()
    getattr(kerberos_module, "_default").clear()  # noqa: B009 - it may have a credential of the host's true name
    yield
    default_kerberos().close()
    getattr(kerberos_module, "_default").clear()  # noqa: B009 - a private look


@pytest.mark.usefixtures("default_serves")
@pytest.mark.parametrize("middleware", [asgi.KerberosMiddleware, starlette.KerberosMiddleware])
@pytest.mark.parametrize(("make", "adapter"), STARLETTE_APPS)
def test_middleware_outside(make: Any, adapter: Any, middleware: Any, caplog: pytest.LogCaptureFixture) -> None:
    """A bare middleware outside of the application is noticed: 500 for whom it let in, and a line that names both."""
    app = make()
    adapter.init_kerberos(app, hostname=HOST, require_tls=True)
    nearest: list[Any] = []

    async def around(scope: Any, receive: Any, send: Any) -> None:
        await middleware_outside(scope, receive, send)
        nearest.append(nearest_of(scope)[0])

    middleware_outside, outside = middleware(app), around
    assert (ask(outside, "/").status, ask(outside, "/").challenges) == (401, ["Negotiate"])
    answer = ask(outside, "/", fresh())
    assert (answer.status, answer.text) == (500, "Internal Server Error")
    (line,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert "let in by other settings, Kerberos(), than the application's" in line.getMessage()
    assert f"Kerberos(hostname={HOST!r}, require_tls=True)" in line.getMessage()
    assert "kerberos=" in line.getMessage()
    sent = anyio.run(converse, outside, fresh(), "/ws")
    assert sent[0]["status"] == 500
    assert set(nearest) == {None}


@pytest.mark.usefixtures("default_serves")
def test_middleware_outside_of_flask(caplog: pytest.LogCaptureFixture) -> None:
    """Outside of a Flask application, on a bridge, such a middleware lets nobody in either, not even to open views."""
    app = Flask(__name__)
    flask.init_kerberos(app, hostname=HOST, require_tls=True)

    @app.get("/")
    def view() -> str:
        return "open, but for the middleware"

    assert ask(asgi.KerberosMiddleware(WsgiToAsgi(app)), "/", fresh()).status == 500
    assert "than the application's, Kerberos(hostname='www.example.test', require_tls=True)" in caplog.text


@pytest.mark.usefixtures("default_serves")
def test_request_within_a_request() -> None:
    """A request that an application makes of a configured one in its own process is not taken for the one around it."""
    inner = Flask("inner")
    flask.init_kerberos(inner, hostname=HOST)
    inner.add_url_rule("/", view_func=lambda: "inner")
    outer = Flask("outer")
    outer.add_url_rule("/", view_func=lambda: inner.test_client().get("/").text)
    assert ask(asgi.KerberosMiddleware(WsgiToAsgi(outer)), "/", fresh()).text == "inner"


@pytest.mark.usefixtures("default_serves")
def test_application_that_is_not_configured(user: str) -> None:
    """Where nothing is configured, the default Kerberos counts, within the application and outside of it."""
    app = Starlette(routes=ROUTES)
    app.add_middleware(starlette.KerberosMiddleware)
    check(app, "/", user)
    check(asgi.KerberosMiddleware(Starlette(routes=ROUTES)), "/", user)


def make_quart() -> Quart:
    app = Quart(__name__)

    async def view() -> str:
        principal: str = g.kerberos_identity.principal if "kerberos_identity" in g else "nobody"
        return principal

    app.add_url_rule("/", view_func=view)

    @app.websocket("/ws")
    async def ws() -> None:
        assert not has_request_context()
        await quart_websocket.send("hello")

    return app


@pytest.mark.parametrize("order", ["middleware first", "middleware last"])
def test_quart(user: str, order: str) -> None:
    """On Quart the middleware stands around ``asgi_app``, and finds the application's Kerberos there."""
    app: Any = make_quart()
    if order == "middleware first":
        app.asgi_app = asgi.KerberosMiddleware(app.asgi_app)
    quart.init_kerberos(app, hostname=SECOND, require_tls=True)
    if order == "middleware last":
        app.asgi_app = asgi.KerberosMiddleware(app.asgi_app)
    assert ask(app, "/", fresh(f"HTTP@{SECOND}")).status == 403
    app = make_quart()
    if order == "middleware first":
        app.asgi_app = asgi.KerberosMiddleware(app.asgi_app)
    quart.init_kerberos(app, hostname=SECOND)
    if order == "middleware last":
        app.asgi_app = asgi.KerberosMiddleware(app.asgi_app)
    initiator = Initiator(f"HTTP@{SECOND}")
    answer = ask(app, "/", initiator.header)
    assert answer.status == 200
    initiator.verify(reply_token(answer.challenges))
    # The last call counts, whatever stands around by now.
    quart.init_kerberos(app, hostname=SECOND, require_tls=True)
    assert ask(app, "/", fresh(f"HTTP@{SECOND}")).status == 403


@pytest.mark.usefixtures("default_serves")
def test_middleware_outside_of_quart(caplog: pytest.LogCaptureFixture) -> None:
    """Where something else stands between, it is noticed as elsewhere."""
    app = make_quart()
    quart.init_kerberos(app, hostname=HOST, require_tls=True)
    anything: Any = app
    outside = asgi.KerberosMiddleware(GZipMiddleware(anything))
    assert ask(outside, "/", fresh()).status == 500
    assert "than the application's, Kerberos(hostname='www.example.test', require_tls=True)" in caplog.text


async def _live(app: Any) -> None:
    """Tell an application that the server starts, and leave."""
    incoming = [{"type": "lifespan.startup"}]
    with anyio.CancelScope() as scope:

        async def receive() -> Any:
            return incoming.pop() if incoming else await anyio.sleep_forever()

        async def send(message: Any) -> None:
            assert message["type"] == "lifespan.startup.complete"
            scope.cancel()

        await app({"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}, receive, send)


async def _application(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "lifespan.startup.complete"})


@pytest.mark.parametrize("options", [{"hostname": HOST}, {"kerberos": Kerberos(hostname=HOST)}])
def test_setup_is_logged(user: str, options: Any, caplog: pytest.LogCaptureFixture) -> None:
    """A middleware used alone logs whose keys it has, once, as the server starts."""
    caplog.set_level(logging.INFO, "async_kerberos")
    app = asgi.KerberosMiddleware(_application, **options)
    for _ in range(2):
        anyio.run(_live, app)
    line = f"Kerberos: server is HTTP/{HOST}@KRBTEST.COM"
    wait_until(lambda: line in caplog.messages, "the line is logged")
    assert caplog.messages.count(line) == 1


def test_setup_of_an_application_that_is_not_known_yet(user: str, caplog: pytest.LogCaptureFixture) -> None:
    """As a server starts no scope tells Quart's application: nothing is said of a default that will never count."""
    app: Any = make_quart()
    app.asgi_app = asgi.KerberosMiddleware(app.asgi_app)
    quart.init_kerberos(app, hostname=HOST)
    caplog.clear()
    anyio.run(_live, app.asgi_app)
    assert ask(app, "/").status == 401
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_setup_is_logged_with_the_first_request(user: str, caplog: pytest.LogCaptureFixture) -> None:
    """Where a server tells of no start, the first request does; what ``init_kerberos`` has logged is not said again."""
    caplog.set_level(logging.INFO, "async_kerberos")
    line = f"Kerberos: server is HTTP/{HOST}@KRBTEST.COM"
    app = Starlette(routes=ROUTES)
    starlette.init_kerberos(app, hostname=HOST)
    app.add_middleware(starlette.KerberosMiddleware)
    assert caplog.messages.count(line) == 1
    assert ask(app, "/").status == 401
    assert caplog.messages.count(line) == 1
    caplog.clear()
    bare = asgi.KerberosMiddleware(_application, hostname=HOST)
    assert ask(bare, "/").status == 401
    wait_until(lambda: line in caplog.messages, "the line is logged")
