"""Starlette: where the decorator can stand, and WebSockets of which a part is decorated."""

from __future__ import annotations

import functools
import logging
from typing import Any, ClassVar

import anyio
import pytest
from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint, WebSocketEndpoint
from starlette.requests import HTTPConnection, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from async_kerberos import ConfigurationError, Kerberos
from async_kerberos.adapters import asgi
from async_kerberos.adapters.starlette import init_kerberos, requires_authentication

from ..support.initiator import fresh
from .decorators import passing_on, passing_on_sync
from .starlette_views import BACKENDS, configured, sync_view, view
from .support import HOST, SECOND, ask, check, converse


class Methods(HTTPEndpoint):
    @requires_authentication
    async def get(self, user: str, request: Request) -> Response:
        return PlainTextResponse(f"{user} {type(self).__name__}")

    @requires_authentication
    def post(self, user: str, request: Request) -> Response:
        return PlainTextResponse(user)


@requires_authentication
class Class(HTTPEndpoint):
    async def get(self, user: str, request: Request) -> Response:
        return PlainTextResponse(user)

    def post(self, user: str, request: Request) -> Response:
        return PlainTextResponse(user)

    async def put(self, request: Request) -> Response:
        return PlainTextResponse(request.user.display_name)


@pytest.mark.parametrize("backend", BACKENDS)
def test_placements(user: str, backend: str) -> None:
    """The decorator takes functions, sync and async, methods and classes, on asyncio and on trio."""
    app = configured(
        Route("/function", view), Route("/sync", sync_view), Route("/methods", Methods), Route("/class", Class)
    )
    check(app, "/function", user, backend=backend)
    check(app, "/sync", f"{user} False", backend=backend)
    check(app, "/methods", f"{user} Methods", backend=backend)
    check(app, "/methods", user, method="POST", backend=backend)
    for method in ("GET", "POST", "PUT"):
        check(app, "/class", user, method=method, backend=backend)


def test_configured_twice(user: str) -> None:
    """Where one application is configured twice, the last configuration counts."""
    app = configured(Route("/", view), hostname=SECOND)
    init_kerberos(app, hostname=HOST)
    check(app, "/", user)


class Talk(WebSocketEndpoint):
    """Notes what ran; of its handlers only the first is protected."""

    encoding = "text"
    ran: ClassVar[list[str]] = []

    @requires_authentication
    async def on_connect(self, user: str, websocket: WebSocket) -> None:
        await websocket.accept()
        self.ran.append("on_connect")

    async def on_receive(self, websocket: WebSocket, data: Any) -> None:
        self.ran.append("on_receive")

    async def on_disconnect(self, websocket: WebSocket, close_code: int) -> None:
        self.ran.append("on_disconnect")


class TalkMore(Talk):
    """Goes on after what its base decorates."""

    async def on_connect(self, websocket: WebSocket) -> None:
        await super().on_connect(websocket)
        self.ran.append("after on_connect")


class TalkLess(Talk):
    """Decorates what its base leaves open, too."""

    @requires_authentication
    async def on_connect(this, principal: str, websocket: WebSocket) -> None:  # noqa: N805 - it need not be called self
        assert isinstance(this, TalkLess)
        await super().on_connect(websocket)


@requires_authentication
async def greet(user: str, websocket: WebSocket) -> None:
    await websocket.accept()


async def talk_on(websocket: WebSocket) -> None:
    await greet(websocket)
    Talk.ran.append("on_connect")


@requires_authentication
async def greet_late(user: str, websocket: WebSocket) -> None: ...


async def talk_late(websocket: WebSocket) -> None:
    await websocket.accept()
    await greet_late(websocket)
    Talk.ran.append("on_connect")


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("path", ["/", "/answers"])
@pytest.mark.parametrize("view", [Talk, TalkMore, TalkLess, talk_on, talk_late])
@pytest.mark.parametrize("init", [True, False])
def test_nothing_goes_on(user: str, view: Any, path: str, init: bool, backend: str) -> None:
    """Once a WebSocket is denied, nothing else runs for the stranger: no other handler, and no caller goes on."""
    Talk.ran.clear()
    app: Any = Starlette(routes=[WebSocketRoute(path, view)])
    if init:
        init_kerberos(app, hostname=HOST, other_challenges=["Other"])
    sent = anyio.run(converse, app, None, path, backend=backend)
    assert Talk.ran == []
    closed = {"type": "websocket.close", "code": 1008, "reason": ""}
    if view is talk_late:
        assert [message["type"] for message in sent] == ["websocket.accept", "websocket.close"]
    elif path == "/":
        assert sent == [closed]
    else:
        start, body = sent
        assert (start["status"], body["body"]) == (401, b"Unauthorized")
        challenges = [value for name, value in start["headers"] if name == b"www-authenticate"]
        assert challenges == ([b"Negotiate", b"Other"] if init else [b"Negotiate"])
    if init:
        anyio.run(converse, app, fresh(), path, backend=backend)
        assert "on_connect" in Talk.ran


def test_late_messages(user: str) -> None:
    """Where only messages are protected, the first one of a stranger ends it, and the endpoint can tidy up."""
    ran: list[str] = []

    class Late(WebSocketEndpoint):
        encoding = "text"

        @requires_authentication
        async def on_receive(self, user: str, websocket: WebSocket, data: Any) -> None: ...

        async def on_disconnect(self, websocket: WebSocket, close_code: int) -> None:
            ran.append("on_disconnect")

    sent = anyio.run(converse, configured(WebSocketRoute("/", Late)), None)
    assert [message["type"] for message in sent] == ["websocket.accept", "websocket.close"]
    assert ran == ["on_disconnect"]


def test_sync_view_on_the_loop(user: str) -> None:
    """A sync view that async code calls directly lets nobody in, and says what to do."""

    async def outer(request: Request) -> Any:
        with pytest.raises(RuntimeError, match=r"sync_view is sync and was called on the event loop.* make it async"):
            sync_view(request)
        return sync_view(request)

    app = configured(Route("/", outer))
    for backend in BACKENDS:
        assert ask(app, "/", fresh(), backend=backend).status == 500


def taking_off(view: Any) -> Any:
    @functools.wraps(view)
    def wrapper(user: str, *args: Any, **kwargs: Any) -> Any:
        return view(*args, **kwargs)

    return wrapper


def test_own_decorators(user: str) -> None:
    """A decorator below ours may take the user off or pass it on, be sync, and stand in a class."""

    def without_user(request: Request) -> Response:
        return PlainTextResponse(request.user.display_name)

    async def with_user(user: str, request: Request) -> Response:
        return PlainTextResponse(user)

    class Methods(HTTPEndpoint):
        @requires_authentication
        @passing_on
        async def get(this, principal: str, request: Request) -> Response:  # noqa: N805 - it need not be called self
            return PlainTextResponse(f"{principal} {type(this).__name__}")

        @requires_authentication
        def post(this, principal: str, request: Request) -> Response:  # noqa: N805
            return PlainTextResponse(f"{principal} {type(this).__name__}")

    @requires_authentication
    class Class(HTTPEndpoint):
        @passing_on_sync
        def get(this, user: str, request: Request) -> Response:  # noqa: N805
            return PlainTextResponse(f"{user} {type(this).__name__}")

    app = configured(
        Route("/off", requires_authentication(taking_off(without_user))),
        Route("/on", requires_authentication(passing_on(with_user))),
        Route("/sync", requires_authentication(passing_on_sync(with_user))),
        Route("/methods", Methods),
        Route("/class", Class),
    )
    for backend in BACKENDS:
        for path in ("/off", "/on", "/sync"):
            check(app, path, user, backend=backend)
        check(app, "/methods", f"{user} Methods", backend=backend)
        check(app, "/methods", f"{user} Methods", method="POST", backend=backend)
        check(app, "/class", f"{user} Class", backend=backend)


def test_decorated_twice(user: str) -> None:
    """A view that is decorated twice takes one step, and the reply comes once."""

    async def twice(first: str, second: str, request: Request) -> Response:
        return PlainTextResponse(f"{first} {second}")

    kerberos = Kerberos(hostname=HOST)
    decorated = requires_authentication(kerberos=kerberos)(requires_authentication(kerberos=kerberos)(twice))
    check(Starlette(routes=[Route("/", decorated)]), "/", f"{user} {user}")


def test_unhandled_error(user: str) -> None:
    """A 500 made outside the middleware has no reply; one made inside, by an exception handler, does."""

    async def crash(user: str, request: Request) -> Response:
        raise LookupError("lost")

    async def handle(request: Request, error: Exception) -> Response:
        return PlainTextResponse("handled", 500)

    app = configured(Route("/", requires_authentication(crash)))
    assert ask(app, "/", fresh()).challenges == []
    app = Starlette(routes=[Route("/", requires_authentication(crash))], exception_handlers={LookupError: handle})
    init_kerberos(app, hostname=HOST)
    answer = ask(app, "/", fresh())
    assert (answer.text, len(answer.challenges)) == ("handled", 1)


def test_protect() -> None:
    """What guards a whole application has another name here, and who looks for it is told which."""
    options: Any = {"protect": "all"}
    with pytest.raises(ConfigurationError, match=r"^protect: .*add_middleware\(KerberosMiddleware\)"):
        init_kerberos(Starlette(), hostname=HOST, **options)


def test_request_is_needed(user: str) -> None:
    """A view that does not get the request is told so, and lets nobody in."""

    @requires_authentication
    async def lonely(user: str, something: str) -> None: ...

    async def call() -> None:
        await lonely("not a request")

    with pytest.raises(TypeError, match="must take the request"):
        anyio.run(call)


@pytest.mark.asyncio
async def test_log_inside_a_loop(user: str, caplog: pytest.LogCaptureFixture) -> None:
    """Configured while a loop runs, as uvicorn does it, it logs its principal without blocking the loop."""
    caplog.set_level(logging.INFO, "async_kerberos")
    configured()
    while not caplog.messages:  # noqa: ASYNC110 - logged on another thread
        await anyio.sleep(0.001)
    assert caplog.messages == [f"Kerberos: server is HTTP/{HOST}@KRBTEST.COM"]


def test_defaults(this_host: str, user: str) -> None:
    """An application that configures nothing demands a ticket for this host."""
    app = Starlette(routes=[Route("/", view)])
    check(app, "/", user, host=this_host)
    check(asgi.KerberosMiddleware(app), "/", user, host=this_host)


def test_bare_connection() -> None:
    """What is called with an HTTPConnection that is neither a request nor a WebSocket answers as to a request."""

    async def view(user: str, connection: Any) -> Response:
        raise AssertionError(user)

    protected: Any = requires_authentication(kerberos=Kerberos(hostname="www.example.test"))(view)

    async def call() -> object:
        return await protected(HTTPConnection({"type": "http", "headers": []}))

    response = anyio.run(call)
    assert isinstance(response, Response)
    assert (response.status_code, response.headers["www-authenticate"]) == (401, "Negotiate")
