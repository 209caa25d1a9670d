"""Starlette: where the decorator can stand, with and without ``init_kerberos``, mounts and middleware."""

from __future__ import annotations

import functools
import logging
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any, ClassVar, cast

import anyio
import pytest
from starlette.applications import Starlette
from starlette.authentication import AuthCredentials, requires
from starlette.endpoints import HTTPEndpoint, WebSocketEndpoint
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.websockets import WebSocket

from async_kerberos import Kerberos
from async_kerberos.adapters import asgi
from async_kerberos.adapters.starlette import KerberosMiddleware, KerberosUser, init_kerberos, requires_authentication

from ..support.http import WebSocketClient
from ..support.initiator import Initiator, fresh, reply_token
from ..support.servers import Uvicorn
from .decorators import passing_on, passing_on_sync
from .support import HOST, SECOND, ask, check, converse

BACKENDS = ["asyncio", "trio"]


@requires_authentication
async def view(user: str, request: Request) -> Response:
    return PlainTextResponse(user)


@requires_authentication()
def sync_view(user: str, request: Request) -> Response:
    return PlainTextResponse(f"{user} {threading.current_thread() is threading.main_thread()}")


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


def configured(*routes: Any, hostname: str = HOST) -> Starlette:
    app = Starlette(routes=list(routes))
    init_kerberos(app, hostname=hostname)
    return app


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


def without_init(*paths: tuple[str, Callable[..., Any]]) -> Starlette:
    """An application without ``init_kerberos``: its views bring their own service."""
    decorate = requires_authentication(kerberos=Kerberos(hostname=HOST))
    return Starlette(routes=[Route(path, decorate(function), methods=["GET"]) for path, function in paths])


def test_without_init(user: str) -> None:
    """Without ``init_kerberos`` the reply comes on what a view returns, streams or raises as an HTTP error."""
    shared = PlainTextResponse("shared")
    shared_error = HTTPException(404)

    async def plain(user: str, request: Request) -> Response:
        return shared

    def sync(user: str, request: Request) -> Response:
        return shared

    async def stream(user: str, request: Request) -> Response:
        async def parts() -> AsyncIterator[str]:
            yield user

        return StreamingResponse(parts())

    async def missing(user: str, request: Request) -> Response:
        raise shared_error

    def missing_sync(user: str, request: Request) -> Response:
        raise HTTPException(status_code=404, headers={"WWW-Authenticate": "Other"})

    async def again(user: str, request: Request) -> Response:
        return PlainTextResponse("", 401)

    async def raise_again(user: str, request: Request) -> Response:
        raise HTTPException(401)

    app = without_init(
        ("/plain", plain),
        ("/sync", sync),
        ("/stream", stream),
        ("/missing", missing),
        ("/missing-sync", missing_sync),
        ("/again", again),
        ("/raise-again", raise_again),
    )
    for path, status in (("/plain", 200), ("/sync", 200), ("/stream", 200), ("/missing", 404)):
        for _ in range(2):  # what is returned or raised may be one object for all requests
            initiator = Initiator()
            answer = ask(app, path, initiator.header)
            assert answer.status == status
            assert len(answer.challenges) == 1
            initiator.verify(reply_token(answer.challenges))
    assert "www-authenticate" not in shared.headers
    assert not shared_error.headers
    assert ask(app, "/plain").challenges == ["Negotiate"]
    (both,) = ask(app, "/missing-sync", fresh()).challenges
    assert both.startswith("Other, Negotiate ")
    for path in ("/again", "/raise-again"):
        answer = ask(app, path, fresh())
        assert (answer.status, answer.challenges) == (401, [])


def test_class_without_init(user: str) -> None:
    """A decorated class proves the server on what it raises too, and its own ``__await__`` is no way round."""
    decorate = requires_authentication(kerberos=Kerberos(hostname=HOST))

    @decorate
    class Resource(HTTPEndpoint):
        async def get(self, user: str, request: Request) -> Response:
            raise HTTPException(404)

        async def put(self, user: str, request: Request) -> Response:
            raise HTTPException(401)

        def __await__(self) -> Any:
            return PlainTextResponse("open")(self.scope, self.receive, self.send).__await__()

    app = Starlette(routes=[Route("/", Resource)])
    assert ask(app, "/").status == 401
    for method, status in (("GET", 404), ("POST", 405)):
        initiator = Initiator()
        answer = ask(app, "/", initiator.header, method=method)
        assert answer.status == status
        initiator.verify(reply_token(answer.challenges))
    assert ask(app, "/", fresh(), method="PUT").challenges == []


@pytest.mark.parametrize("way", ["called", "inherited"])
def test_dispatch_of_a_class(user: str, way: str) -> None:
    """The ``dispatch`` of a decorated class is guarded, whoever calls it."""
    decorate = requires_authentication(kerberos=Kerberos(hostname=HOST))

    @decorate
    class Resource(HTTPEndpoint):
        async def get(self, user: str, request: Request) -> Response:
            return PlainTextResponse(user)

    @decorate
    class Socket(WebSocketEndpoint):
        async def on_connect(  # type: ignore[override] # the decorator calls it
            self, user: str, websocket: WebSocket
        ) -> None:
            await websocket.accept()
            await websocket.send_text(user)
            await websocket.close()

    class Inheriting(Resource):
        def __await__(self) -> Any:
            return self.dispatch().__await__()

    class InheritingSocket(Socket):
        def __await__(self) -> Any:
            return self.dispatch().__await__()

    async def resource(scope: Any, receive: Any, send: Any) -> None:
        await Resource(scope, receive, send).dispatch()

    async def socket(scope: Any, receive: Any, send: Any) -> None:
        await Socket(scope, receive, send).dispatch()

    guarded, guarded_socket = (resource, socket) if way == "called" else (Inheriting, InheritingSocket)
    app = Starlette(routes=[Mount("/http", app=cast("Any", guarded)), Mount("/ws", app=cast("Any", guarded_socket))])
    assert ask(app, "/http/").status == 401
    assert ask(app, "/http/", fresh()).text == user
    with Uvicorn(app) as server:
        with WebSocketClient(server.address, "/ws/") as denied:
            assert denied.response.status == 401
        with WebSocketClient(server.address, "/ws/", fresh()) as accepted:
            assert accepted.receive_text() == user


def test_cause_is_kept(user: str) -> None:
    """An HTTP error comes to the application's handler with the cause that the view gave it."""
    causes: list[BaseException | None] = []

    async def handle(request: Request, error: Exception) -> Response:
        causes.append(error.__cause__)
        return PlainTextResponse("", 404)

    async def missing(user: str, request: Request) -> Response:
        try:
            raise LookupError
        except LookupError as error:
            raise HTTPException(404) from error

    def missing_sync(user: str, request: Request) -> Response:
        raise HTTPException(404) from LookupError()

    for kerberos in (None, Kerberos(hostname=HOST)):
        decorate = requires_authentication(kerberos=kerberos)
        routes = [Route("/async", decorate(missing)), Route("/sync", decorate(missing_sync))]
        app = Starlette(routes=routes, exception_handlers={HTTPException: handle})
        if kerberos is None:
            init_kerberos(app, hostname=HOST)
        for path in ("/async", "/sync"):
            assert ask(app, path, fresh()).status == 404
    assert [type(cause) for cause in causes] == [LookupError] * 4


def test_configured_twice(user: str) -> None:
    """Of two configurations of one application the last one counts."""
    app = configured(Route("/", view), hostname=SECOND)
    init_kerberos(app, hostname=HOST)
    check(app, "/", user)


def test_websocket_without_init(user: str) -> None:
    """Without ``init_kerberos`` a WebSocket's function, and each handler of an endpoint, sees to itself."""
    decorate = requires_authentication(kerberos=Kerberos(hostname=HOST))

    async def talk(user: str, websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_text(user)
        await websocket.close()

    class Endpoint(WebSocketEndpoint):
        encoding = "text"

        @decorate
        async def on_receive(self, user: str, websocket: WebSocket, data: Any) -> None:
            await websocket.send_text(f"{user} {data}")

    function = Starlette(routes=[WebSocketRoute("/", decorate(talk))])
    endpoint = Starlette(routes=[WebSocketRoute("/", Endpoint)])
    initiator = Initiator()
    accept, text, _ = anyio.run(converse, function, initiator.header)
    (reply,) = [value.decode() for name, value in accept["headers"] if name == b"www-authenticate"]
    initiator.verify(reply_token([reply]))
    assert text["text"] == user
    assert anyio.run(converse, endpoint, fresh())[1]["text"] == f"{user} hello"
    # Once a connection is accepted, closing it is the only answer there is.
    closed = {"type": "websocket.close", "code": 1008, "reason": ""}
    assert anyio.run(converse, endpoint, None)[1:] == [closed]
    assert anyio.run(converse, function, None) == [closed]


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


def test_request_is_needed(user: str) -> None:
    """A view that does not get the request is told so, and lets nobody in."""

    @requires_authentication
    async def lonely(user: str, something: str) -> None: ...

    async def call() -> None:
        await lonely("not a request")

    with pytest.raises(TypeError, match="must take the request"):
        anyio.run(call)


def test_mounts(user: str) -> None:
    """In a mounted application the nearest configuration holds: its own, or else its parent's."""
    own = configured(Route("/", view), hostname=SECOND)
    plain = Starlette(routes=[Route("/", view)])
    app = configured(Mount("/own", own), Mount("/plain", plain), Route("/", view))
    check(app, "/own/", user, host=SECOND)
    check(app, "/plain/", user)
    check(app, "/", user)
    assert ask(app, "/own/", fresh()).status == 403
    assert ask(app, "/plain/", fresh(f"HTTP@{SECOND}")).status == 403


@pytest.mark.parametrize("backend", BACKENDS)
def test_middleware(user: str, backend: str) -> None:
    """The middleware guards all routes, also those that are not there, and sets ``request.user`` and ``auth``."""

    @requires("authenticated")
    async def who(request: Request) -> Response:
        assert isinstance(request.user, KerberosUser)
        assert request.user.is_authenticated
        assert request.user.kerberos_identity == request.scope["kerberos"]
        assert request.user.identity == request.user.display_name
        return PlainTextResponse(request.user.display_name)

    app = Starlette(routes=[Route("/", who)], middleware=[Middleware(KerberosMiddleware, hostname=HOST)])
    check(app, "/", user, backend=backend)
    assert ask(app, "/nowhere").status == 401
    answer = ask(app, "/nowhere", fresh())
    assert (answer.status, len(answer.challenges)) == (404, 1)


def test_auth_is_added_to(user: str) -> None:
    """What another middleware has granted stays beside ``authenticated``."""

    async def scopes(request: Request) -> Response:
        return PlainTextResponse(" ".join(request.auth.scopes))

    inner = KerberosMiddleware(Starlette(routes=[Route("/", scopes)]), hostname=HOST)

    async def granting(scope: Any, receive: Any, send: Any) -> None:
        scope["auth"] = AuthCredentials(["intranet"])
        await inner(scope, receive, send)

    assert ask(granting, "/", fresh()).text == "intranet authenticated"


@pytest.mark.parametrize("middleware", [KerberosMiddleware, asgi.KerberosMiddleware])
def test_nesting(user: str, middleware: Any) -> None:
    """Below a middleware a view is of that middleware's service, takes no second step, and adds no second reply."""
    plain = Starlette(routes=[Route("/", view), Route("/sync", sync_view)])
    check(middleware(plain, hostname=HOST), "/", user)
    check(middleware(plain, hostname=HOST), "/sync", f"{user} False")
    check(middleware(middleware(plain, hostname=HOST), hostname="*"), "/", user)
    check(middleware(configured(Route("/", view)), hostname="*"), "/", user)


def test_rules_of_an_inner_service(user: str) -> None:
    """Below another service's check, a view's own rules decide on the ticket; nothing is stepped twice."""
    app = KerberosMiddleware(configured(Route("/", view)), hostname="*")
    answer = ask(app, "/", fresh(f"HTTP@{SECOND}"))
    assert (answer.status, answer.text) == (403, "Forbidden")


def test_requests_do_not_mix(user: str) -> None:
    """A request that a signed-in view makes within the process is not signed in by it."""
    inner = configured(Route("/", view))

    @requires_authentication
    def outer(user: str, request: Request) -> Response:
        return PlainTextResponse(str(ask(inner, "/").status))

    assert ask(configured(Route("/", outer)), "/", fresh()).text == "401"


def test_copied_scope(user: str) -> None:
    """A scope that is copied for another request, with other credentials or none, carries no sign-in over."""
    inner = configured(Route("/", view))
    statuses: list[int] = []

    async def batch(scope: Any, receive: Any, send: Any) -> None:
        async def note(message: Any) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])

        await inner({**scope, "headers": []}, receive, note)
        await inner(scope, receive, send)

    check(KerberosMiddleware(batch, hostname=HOST), "/", user)
    assert statuses == [401]


class Copying:
    """A middleware that hands on a copy of the scope."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.app(dict(scope), receive, send)


def test_copied_scope_of_one_request(user: str) -> None:
    """A middleware that copies the scope loses no reply, on either side of ours, and with no other around the view."""
    for app in (configured(Route("/", view)), without_init(("/", view.__wrapped__))):  # type: ignore[attr-defined]
        app.add_middleware(Copying)
        check(app, "/", user)
    app = Starlette(routes=[Route("/", view)], middleware=[Middleware(Copying)])
    init_kerberos(app, hostname=HOST)
    check(app, "/", user)
    check(KerberosMiddleware(Copying(KerberosMiddleware(app, hostname=HOST)), hostname=HOST), "/", user)


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
