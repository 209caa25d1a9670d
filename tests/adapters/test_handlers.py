"""The handler that an application has for exactly 401 or 403 makes the body of a denial, and nothing else of it."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
import trio
import trio.lowlevel
import werkzeug
from fastapi import Depends, FastAPI
from flask import Blueprint, Flask, request, send_file
from flask import Response as FlaskResponse
from quart import Blueprint as QuartBlueprint
from quart import Quart, websocket
from quart_trio import QuartTrio
from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint, WebSocketEndpoint
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Mount, Route, Router, WebSocketRoute
from starlette.websockets import WebSocket
from werkzeug.exceptions import Forbidden, Unauthorized
from werkzeug.exceptions import HTTPException as WerkzeugHTTPException

from async_kerberos import Access, AuthRequest, Denied, Kerberos, Pages
from async_kerberos.adapters import asgi, fastapi, flask, quart, starlette

from ..support.initiator import Initiator, fresh, reply_token
from .support import HOST, Answer, ask, converse

Handler = Callable[..., Any]


def nobody(*_: object) -> bool:
    """Lets nobody in."""
    return False


async def call(app: Any, method: str, path: str, headers: dict[str, str]) -> httpx.Response:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
        return await client.request(method, path, headers=headers)


def headers_of(app: Any, authorization: str | None = None) -> list[str]:
    """The names of the headers of the answer to a request for ``/``."""
    headers = {} if authorization is None else {"Authorization": authorization}
    if isinstance(app, Flask):
        return [name.lower() for name in app.test_client().get("/", headers=headers).headers.keys()]  # noqa: SIM118 (it iterates over pairs)
    return list(anyio.run(call, app, "GET", "/", headers).headers)


# Handlers, which say a status that is not theirs to say, and challenges of their own.

DROPPED = {"WWW-Authenticate": "Bearer", "X-Dropped": "yes", "Set-Cookie": "a=b"}


def flask_sync(error: Any) -> Any:
    return f"mine {error.code} {request.path}", 200, {**DROPPED, "Content-Type": "text/mine"}


async def flask_async(error: Any) -> Any:
    return flask_sync(error)


def quart_sync(error: Any) -> Any:
    return f"mine {error.code} /", 200, {**DROPPED, "Content-Type": "text/mine"}


async def quart_async(error: Any) -> Any:
    return quart_sync(error)


def starlette_sync(connection: Any, error: Any) -> Any:
    text = f"mine {error.status_code} {connection.url.path}"
    return PlainTextResponse(text, 200, {**DROPPED, "Content-Type": "text/mine"})


async def starlette_async(connection: Any, error: Any) -> Any:
    return starlette_sync(connection, error)


# Applications: each is made with handlers, and with options of init_kerberos. Nobody enters.


def flask_app(handlers: dict[Any, Handler], *, asynchronous: bool = False, hook: bool = False, **options: Any) -> Any:
    app = Flask(__name__)
    flask.init_kerberos(app, hostname=HOST, **options)
    for status, handler in handlers.items():
        app.register_error_handler(status, handler)
    guard = flask.requires_authentication(authorize=nobody)

    async def async_view(user: str) -> str:
        return user

    def view(user: str = "") -> str:
        return user

    if hook:
        app.before_request(guard(view))
        app.add_url_rule("/", "view", lambda: "")
    else:
        app.add_url_rule("/", "view", guard(async_view) if asynchronous else guard(view))
    return app


def quart_app(
    handlers: dict[Any, Handler],
    *,
    asynchronous: bool = True,
    hook: bool = False,
    factory: type[Quart] = Quart,
    **options: Any,
) -> Any:
    app = factory(__name__)
    quart.init_kerberos(app, hostname=HOST, **options)
    for status, handler in handlers.items():
        app.register_error_handler(status, handler)
    guard = quart.requires_authentication(authorize=nobody)

    async def async_view(user: str) -> str:
        return user

    def view(user: str = "") -> str:
        return user

    if hook:
        app.before_request(guard(view))
        app.add_url_rule("/", "view", lambda: "")
    else:
        app.add_url_rule("/", "view", guard(async_view) if asynchronous else guard(view))

    async def nested(user: str) -> None: ...

    async def talk(user: str) -> None:
        await websocket.send("never")

    async def talk_around() -> None:
        await guard(nested)()
        await websocket.send("never")

    app.add_websocket("/ws", "ws", guard(talk))
    app.add_websocket("/ws-around", "ws-around", talk_around)
    return app


def starlette_app(handlers: dict[Any, Handler], *, kind: str = "async", **options: Any) -> Any:
    guard = starlette.requires_authentication(authorize=nobody)

    @guard
    async def async_view(user: str, request: Request) -> Response:
        raise AssertionError

    @guard
    def view(user: str, request: Request) -> Response:
        raise AssertionError

    @guard
    class Endpoint(HTTPEndpoint):
        async def get(self, request: Request) -> Response:
            raise AssertionError

    async def around(request: Request) -> Response:
        response: Response = await async_view(request)
        return response

    @guard
    async def talk(user: str, websocket: WebSocket) -> None:
        raise AssertionError

    @guard
    class Talk(WebSocketEndpoint): ...

    async def talk_around(websocket: WebSocket) -> None:
        await talk(websocket)
        await websocket.accept()

    views: dict[str, Any] = {"async": async_view, "sync": view, "class": Endpoint, "around": around}
    routes: list[Any] = [
        Route("/", views[kind]),
        WebSocketRoute("/ws", talk),
        WebSocketRoute("/ws-class", Talk),
        WebSocketRoute("/ws-around", talk_around),
    ]
    app = Starlette(routes=routes, exception_handlers=handlers)
    starlette.init_kerberos(app, hostname=HOST, **options)
    return app


def starlette_middleware(handlers: dict[Any, Handler], **options: Any) -> Any:
    app = Starlette(exception_handlers=handlers)
    kerberos = Kerberos(hostname=HOST, **options)
    app.add_middleware(starlette.KerberosMiddleware, kerberos=kerberos, access=Access(authorize=nobody))
    return app


def fastapi_app(handlers: dict[Any, Handler], *, kind: str = "dependency", init: bool = True, **options: Any) -> Any:
    app = FastAPI(exception_handlers=handlers)
    own = None if init else Kerberos(hostname=HOST, **options)
    if init:
        fastapi.init_kerberos(app, hostname=HOST, **options)
    guard = fastapi.requires_authentication(authorize=nobody, kerberos=own)

    def passing(view: Any) -> Any:
        """A decorator of the application's, through which nothing is raised."""

        async def passed(request: Request) -> Any:
            try:
                return await view(request)
            except BaseException:
                pytest.fail("something was raised")

        passed.__wrapped__ = view  # type: ignore[attr-defined] # as functools.wraps does
        return passed

    @guard
    async def decorated(user: str, request: Request) -> Any: ...

    @guard
    def decorated_sync(user: str, request: Request) -> Any: ...

    async def by_dependency(user: Any = Depends(fastapi.KerberosIdentity(own, authorize=nobody))) -> Any: ...

    async def by_decorated(user: Any = Depends(decorated)) -> Any: ...

    async def by_decorated_sync(user: Any = Depends(decorated_sync)) -> Any: ...

    async def talk(websocket: WebSocket, user: Any = Depends(fastapi.KerberosIdentity(own, authorize=nobody))) -> None:
        raise AssertionError

    kinds: dict[str, Any] = {
        "dependency": by_dependency,
        "decorated dependency": by_decorated,
        "sync decorated dependency": by_decorated_sync,
        "decorated": decorated,
        "decorated below": passing(decorated),
    }
    app.add_api_route("/", kinds[kind], response_model=None)
    app.add_api_websocket_route("/ws", talk)
    return app


PLACES: dict[str, tuple[Callable[..., Any], dict[str, Any], tuple[Handler, Handler]]] = {
    "flask-sync": (flask_app, {}, (flask_sync, flask_async)),
    "flask-async": (flask_app, {"asynchronous": True}, (flask_sync, flask_async)),
    "flask-hook": (flask_app, {"hook": True}, (flask_sync, flask_async)),
    "quart-async": (quart_app, {}, (quart_sync, quart_async)),
    "quart-sync": (quart_app, {"asynchronous": False}, (quart_sync, quart_async)),
    "quart-hook": (quart_app, {"hook": True}, (quart_sync, quart_async)),
    **{
        f"starlette-{kind}": (starlette_app, {"kind": kind}, (starlette_sync, starlette_async))
        for kind in ("async", "sync", "class", "around")
    },
    "starlette-middleware": (starlette_middleware, {}, (starlette_sync, starlette_async)),
    **{
        f"fastapi-{kind}-{init}": (fastapi_app, {"kind": kind, "init": init}, (starlette_sync, starlette_async))
        for kind in ("dependency", "decorated dependency", "sync decorated dependency", "decorated", "decorated below")
        for init in (True, False)
    },
}

BACKENDS = dict.fromkeys(PLACES, ("asyncio",)) | {
    name: ("asyncio", "trio") for name in PLACES if name.startswith(("starlette", "fastapi"))
}


def make(place: str, handlers: dict[Any, Handler], **options: Any) -> Any:
    factory, how, _ = PLACES[place]
    return factory(handlers, **how, **options)


@pytest.mark.parametrize(("place", "backend"), [(place, backend) for place in PLACES for backend in BACKENDS[place]])
@pytest.mark.parametrize("asynchronous", [False, True])
def test_body_alone(user: str, place: str, backend: str, asynchronous: bool) -> None:
    """Status and challenges stay, whatever a handler returns; and so does the reply to somebody who may not enter."""
    handler = PLACES[place][2][asynchronous]
    app = make(place, {401: handler, 403: handler})
    answer = ask(app, "/", backend=backend)
    assert (answer.status, answer.text, answer.challenges) == (401, "mine 401 /", ["Negotiate"])
    initiator = Initiator(f"HTTP@{HOST}")
    answer = ask(app, "/", initiator.header, backend=backend)
    assert (answer.status, answer.text) == (403, "mine 403 /")
    initiator.verify(reply_token(answer.challenges))
    assert not {"x-dropped", "set-cookie"} & set(headers_of(app))


WEBSOCKETS = [
    (quart_app, "/ws", quart_async),
    (quart_app, "/ws-around", quart_sync),
    (starlette_app, "/ws", starlette_async),
    (starlette_app, "/ws-class", starlette_async),
    (starlette_app, "/ws-around", starlette_sync),
    (starlette_middleware, "/ws", starlette_async),
    (fastapi_app, "/ws", starlette_sync),
]


@pytest.mark.parametrize(("factory", "path", "handler"), WEBSOCKETS)
def test_websocket(user: str, factory: Callable[..., Any], path: str, handler: Handler) -> None:
    """So it is for the handshake of a WebSocket, which is denied by a response."""
    app = factory({401: handler, 403: handler})
    for authorization, status in ((None, 401), (fresh(f"HTTP@{HOST}"), 403)):
        start, *rest = anyio.run(converse, app, authorization, path, False)
        assert (start["type"], start["status"]) == ("websocket.http.response.start", status)
        assert b"".join(message["body"] for message in rest).startswith(f"mine {status} /".encode())
        fields = [name.lower() for name, _ in start["headers"]]
        assert (
            fields.count(b"www-authenticate") == fields.count(b"content-type") == fields.count(b"content-length") == 1
        )
        assert b"x-dropped" not in fields


@pytest.mark.parametrize("factory", [quart_app, starlette_app, starlette_middleware, fastapi_app])
def test_websocket_that_can_be_closed_alone(factory: Callable[..., Any]) -> None:
    """Where a handshake has no answer, no handler is called."""

    def handler(*_: object) -> Any:
        pytest.fail("called")

    app = factory({401: handler})
    if factory is quart_app:
        app.add_websocket("/", "root", app.view_functions["ws"])
    elif isinstance(app, FastAPI):
        app.add_api_websocket_route("/", next(route for route in app.routes if route.path == "/ws").endpoint)  # type: ignore[attr-defined]
    elif factory is starlette_app:
        app.routes.append(WebSocketRoute("/", app.routes[1].endpoint))
    assert [message["type"] for message in anyio.run(converse, app, None)] == ["websocket.close"]


def failing(*_: object) -> Any:
    raise LookupError("no page here")


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("asynchronous", [False, True])
def test_handler_that_fails(place: str, asynchronous: bool, caplog: pytest.LogCaptureFixture) -> None:
    """If it raises an error, or returns what is no response, the answer is as it was, and the log has one line."""

    async def failing_later(*_: object) -> Any:
        return None

    app = make(place, {401: failing_later if asynchronous else failing})
    answer = ask(app, "/")
    assert (answer.status, answer.challenges) == (401, ["Negotiate"])
    assert answer.text in ("Unauthorized", '{"detail":"Unauthorized"}')
    (record,) = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert (
        record.getMessage()
        == "Kerberos: the application's handler of 401 failed; the built-in body of the 401 was sent"
    )


@pytest.mark.parametrize("place", PLACES)
def test_handler_that_fails_again_and_again(place: str, caplog: pytest.LogCaptureFixture) -> None:
    """Any stranger may have it fail: its error is logged once, and not with each request."""
    app = make(place, {401: failing})
    for _ in range(20):
        assert ask(app, "/").status == 401
    failed = [record for record in caplog.records if "failed; the built-in body" in record.getMessage()]
    assert len(failed) == 1


@pytest.mark.parametrize("place", PLACES)
def test_other_handlers(place: str) -> None:
    """A handler of all HTTP errors, or of all errors, is none of this status."""

    def handler(*_: object) -> Any:
        pytest.fail("called")

    pallets = place.startswith(("flask", "quart"))
    app = make(place, {WerkzeugHTTPException if pallets else HTTPException: handler, Exception: handler})
    if pallets:
        app.config["TRAP_HTTP_EXCEPTIONS"] = True
    answer = ask(app, "/")
    assert (answer.status, answer.challenges) == (401, ["Negotiate"])
    assert answer.text in ("Unauthorized", '{"detail":"Unauthorized"}')


@pytest.mark.parametrize("place", PLACES)
def test_beside_pages(place: str) -> None:
    """``pages=None`` asks no handler; a function of ``Pages`` comes first, and the built-in page last."""
    handler = PLACES[place][2][0]
    texts = [
        ask(make(place, {401: handler}, pages=pages), "/", fields={"Accept": "text/html"}).text
        for pages in (None, Pages(challenge=lambda _: "theirs"), Pages(), Pages(denial=lambda _: "theirs"))
    ]
    assert texts[0] in ("Unauthorized", '{"detail":"Unauthorized"}')
    assert texts[1:] == ["theirs", "mine 401 /", "mine 401 /"]
    built_in = ask(make(place, {}, pages=Pages()), "/", fields={"Accept": "text/html"})
    assert (built_in.status, built_in.challenges) == (401, ["Negotiate"])
    assert "You are not signed in" in built_in.text


@pytest.mark.parametrize("framework", ["flask", "quart"])
def test_blueprint(user: str, framework: str) -> None:
    """A blueprint's handler counts for its own views alone; the classes of Werkzeug stand for their statuses."""
    app: Any = Flask(__name__) if framework == "flask" else Quart(__name__)
    blueprint: Any = (Blueprint if framework == "flask" else QuartBlueprint)("inner", __name__)
    (flask if framework == "flask" else quart).init_kerberos(app, hostname=HOST)

    def inner(error: Any) -> Any:
        return "inner"

    def outer(error: Any) -> Any:
        return f"outer {type(error).__name__}"

    blueprint.register_error_handler(Unauthorized, inner)
    app.register_error_handler(Unauthorized, outer)
    app.register_error_handler(Forbidden, outer)
    guard = (flask if framework == "flask" else quart).requires_authentication(authorize=nobody)

    def view(user: str) -> str:
        return user

    blueprint.add_url_rule("/inner", "view", guard(view))
    app.register_blueprint(blueprint)
    app.add_url_rule("/", "view", guard(view))
    assert [ask(app, path).text for path in ("/inner", "/")] == ["inner", "outer Unauthorized"]
    assert ask(app, "/inner", fresh(f"HTTP@{HOST}")).text == "outer Forbidden"


def test_kinds_of_responses(tmp_path: Path) -> None:
    """A handler may return whatever its framework takes: streams, files, exceptions, Werkzeug's responses."""
    file = tmp_path / "page.txt"
    file.write_text("of a file")

    def answers(app: Any) -> Answer:
        answer = ask(app, "/")
        assert (answer.status, answer.challenges) == (401, ["Negotiate"])
        return answer

    async def streamed() -> AsyncIterator[bytes]:
        yield b"in "
        yield b"pieces"

    on_starlette: list[tuple[Handler, str]] = [
        (lambda *_: StreamingResponse(streamed()), "in pieces"),
        (lambda *_: FileResponse(file), "of a file"),
        (lambda *_: Response(b"no type"), "no type"),
    ]
    for response, text in on_starlette:
        for make_app in (starlette_app, starlette_middleware, fastapi_app):
            assert answers(make_app({401: response})).text == text
    on_flask: list[tuple[Handler, str]] = [
        (lambda *_: send_file(file), "of a file"),
        (lambda *_: FlaskResponse(iter(["in ", "pieces"])), "in pieces"),
        (lambda *error: error[0], "Unauthorized"),
    ]
    for response, text in on_flask:
        assert text in answers(flask_app({401: response})).text
    on_quart: list[tuple[Handler, str]] = [
        (lambda *_: werkzeug.Response("of Werkzeug"), "of Werkzeug"),
        (lambda *_: {"a": 1}, '"a"'),
    ]
    for response, text in on_quart:
        assert text in answers(quart_app({401: response})).text


def test_what_a_handler_sees(caplog: pytest.LogCaptureFixture) -> None:
    """On Starlette it has the request's headers and the application, and not its body."""

    def handler(request: Request, error: HTTPException) -> Response:
        challenges = (error.headers or {})["WWW-Authenticate"]
        return PlainTextResponse(f"{request.headers['accept']} {request.app is app} {challenges} {error.detail}")

    app = starlette_app({401: handler})
    assert ask(app, "/", fields={"Accept": "a/b"}).text == "a/b True Negotiate Unauthorized"

    async def reading(request: Request, error: HTTPException) -> Response:
        return PlainTextResponse(await request.body())

    assert ask(starlette_app({401: reading}), "/").text == "Unauthorized"
    assert "neither its body" in caplog.text


def test_own_errors_of_the_application() -> None:
    """Errors of its own that the application raises are handled as before, also after a denial."""
    for handler in (starlette_sync, starlette_async):
        app = fastapi_app({401: handler})

        async def own() -> None:
            raise HTTPException(401)

        app.add_api_route("/own", own)
        for _ in range(2):
            assert ask(app, "/").status == 401
            answer = ask(app, "/own")
            assert (answer.status, answer.text, answer.challenges) == (200, "mine 401 /own", ["Bearer"])


def test_mounted_application() -> None:
    """The handler of the application that the view belongs to counts."""

    def of_the_outer(request: Request, error: Exception) -> Response:
        return PlainTextResponse("outer")

    def of_the_inner(request: Request, error: Exception) -> Response:
        return PlainTextResponse("inner")

    inner = starlette_app({401: of_the_inner})
    outer = Starlette(routes=[Mount("/in", inner)], exception_handlers={401: of_the_outer})
    assert ask(outer, "/in/").text == "inner"


def test_without_an_application() -> None:
    """Below a router alone there is no handler; who catches the error finds the answer in it."""

    async def called(request: Request) -> Response:
        guard = starlette.requires_authentication(kerberos=Kerberos(hostname=HOST))

        @guard
        async def nested(user: str, request: Request) -> Response:
            raise AssertionError

        request.scope["route"] = fastapi_route
        try:
            return await nested(request)
        except HTTPException as error:
            return PlainTextResponse(f"caught {error.status_code} {error.detail}", 418, error.headers)

    app = FastAPI()
    app.add_api_route("/", called)
    fastapi_route = app.routes[-1]
    answer = ask(Router(routes=[Route("/", called)]), "/")
    assert (answer.status, answer.text, answer.challenges) == (418, "caught 401 Unauthorized", ["Negotiate"])


def test_response_in_place_of_the_denial() -> None:
    """On Quart, where a decorator of the application's answers in place of the view, its answer stands."""
    app = Quart(__name__)
    quart.init_kerberos(app, hostname=HOST)
    app.register_error_handler(401, quart_async)

    @quart.requires_authentication
    async def view(user: str) -> str:
        return user

    async def instead() -> Any:
        answer: Any = await view()
        assert answer.status_code == 401
        return "instead", 418

    app.add_url_rule("/", "view", instead)
    answer = ask(app, "/")
    assert (answer.status, answer.text) == (418, "instead")


@pytest.mark.parametrize("asynchronous", [False, True])
def test_trio(asynchronous: bool) -> None:
    """On Quart's sister of trio, a handler runs on trio, for a sync view too."""

    async def handler(error: Any) -> Any:
        await trio.lowlevel.checkpoint()
        return "on trio"

    app = quart_app({401: handler}, factory=QuartTrio, asynchronous=asynchronous)
    answer = ask(app, "/", backend="trio")
    assert (answer.status, answer.text) == (401, "on trio")


def test_decorators_keep_their_headers() -> None:
    """On Quart, what a decorator of the application's adds to the answer stays beside the handler's body."""
    app = Quart(__name__)
    quart.init_kerberos(app, hostname=HOST)
    app.register_error_handler(401, quart_async)

    @quart.requires_authentication
    async def view(user: str) -> str:
        return user

    async def around() -> Any:
        response: Any = await view()
        response.headers["X-Around"] = "yes"
        return response

    app.add_url_rule("/", "view", around)
    assert "x-around" in headers_of(app)
    assert ask(app, "/").text == "mine 401 /"


def test_middleware_without_a_framework() -> None:
    """The middleware for any ASGI application knows no handlers; what a subclass may override keeps an answer."""
    denied = Kerberos(hostname=HOST).authenticate_blocking(AuthRequest())
    assert isinstance(denied, Denied)
    assert not asgi.KerberosMiddleware.knows_handlers
    middleware, scope = asgi.KerberosMiddleware(starlette_app({}), hostname=HOST), dict[str, Any]()
    assert anyio.run(middleware.dress, scope, denied) is denied
