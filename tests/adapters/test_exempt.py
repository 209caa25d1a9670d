"""Paths for which nobody has to sign in, and places where nobody need: the middlewares, and what is below them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import anyio
import httpx
import pytest
from flask import Flask, g
from starlette.applications import Starlette
from starlette.authentication import AuthCredentials, SimpleUser, UnauthenticatedUser
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route
from werkzeug.test import Client, EnvironBuilder

from async_kerberos import AuthRequest, ConfigurationError, Identity, Kerberos
from async_kerberos.adapters import asgi, flask, starlette, wsgi

from ..support.initiator import Initiator, fresh, reply_token
from .support import HOST, ask

EXEMPT = ["/health", "/static/*"]

Make = Callable[..., Any]


async def by_path(request: AuthRequest) -> bool:
    """An application's function that has to be awaited."""
    assert not request.authorization
    return request.plain_path == "/health" or request.plain_path.startswith("/static/")


def fails(request: AuthRequest) -> bool:
    """One that has a fault."""
    raise LookupError("no such path here")


async def _say(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.close", "code": 1000})
        return
    names = [name.decode() for name, _ in scope["headers"] if name in (b"remote-user", b"authorization")]
    await PlainTextResponse(f"{scope['kerberos']} {names}")(scope, receive, send)


def _greet(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    start_response("200 OK", [])
    names = [name for name in ("REMOTE_USER", "AUTH_TYPE", "HTTP_AUTHORIZATION") if name in environ]
    return [f"{environ['kerberos']} {names}".encode()]


class make_wsgi:  # noqa: N801 - as the others are called
    """The middleware of WSGI, asked as Flask is."""

    def __init__(self, kerberos: Kerberos | None = None, **options: Any) -> None:
        self.app = wsgi.KerberosMiddleware(_greet, kerberos, **options)

    def test_client(self) -> Client:
        """As Flask's."""
        return Client(self.app)


def make_asgi(kerberos: Kerberos | None = None, **options: Any) -> Any:
    return asgi.KerberosMiddleware(_say, kerberos, **options)


def make_starlette(kerberos: Kerberos | None = None, **options: Any) -> Any:
    async def view(request: Request) -> Response:
        assert isinstance(request.user, UnauthenticatedUser) or request.user.is_authenticated
        names = [name for name in ("remote-user", "authorization") if name in request.headers]
        return PlainTextResponse(f"{request.scope['kerberos']} {names}")

    # Starlette itself would make the middleware with the first request.
    return starlette.KerberosMiddleware(Starlette(routes=[Route("/{path:path}", view)]), kerberos, **options)


def headers_of(app: Any, path: str) -> Any:
    """The headers of what a stranger gets."""
    if isinstance(app, make_wsgi):
        return app.test_client().get(path).headers

    async def get() -> Any:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://testserver") as client:
            return (await client.get(path)).headers

    return anyio.run(get)


MAKERS: Any = [pytest.param(make, id=make.__name__) for make in (make_wsgi, make_asgi, make_starlette)]


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("exempt", [EXEMPT, by_path], ids=["paths", "function"])
def test_exempt(user: str, make: Make, exempt: Any) -> None:
    """For some paths nobody is asked, and nobody's credentials are looked at."""
    app = make(hostname=HOST, exempt=exempt)
    for path in ("/health", "/static/a.js", "/static/a/b", "/health?x=/secret"):
        for authorization in (None, "Negotiate", "Negotiate YWJj", fresh()):
            answer = ask(app, path, authorization)
            assert (answer.status, answer.text.startswith("None "), answer.challenges) == (200, True, [])
    for path in ("/", "/secret", "/Health", "/health/", "/healthy", "/static", "/static/../x", "/static/%2e%2e/x"):
        assert ask(app, path).status == 401, path
    assert ask(app, "/secret", fresh()).text.startswith(user)


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("exempt", [EXEMPT, by_path], ids=["paths", "function"])
def test_caches(make: Make, exempt: Any) -> None:
    """What is at an exempt path is everybody's. What a function exempts, by the client's address say, may not be."""
    headers = headers_of(make(hostname=HOST, exempt=exempt), "/static/a.js")
    found = headers.get("vary"), headers.get("cache-control")
    assert found == (("Cookie, Authorization", "private") if exempt is by_path else (None, None))


@pytest.mark.parametrize("make", MAKERS)
def test_exempt_function_that_fails(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    """It exempts nobody: 500, and the log names it."""
    assert ask(make(hostname=HOST, exempt=fails), "/health").status == 500
    assert "LookupError: no such path here" in caplog.text


@pytest.mark.parametrize("make", MAKERS)
def test_other_sites(make: Make) -> None:
    """What another site makes a browser send reaches what is exempt, as what everybody sends does; and nothing else."""
    app = make(hostname=HOST, exempt=EXEMPT)
    fields = {"Origin": "https://evil.test"}
    assert ask(app, "/secret", method="POST", fields=fields).status == 403
    assert ask(app, "/health", method="POST", fields=fields).status == (405 if make is make_starlette else 200)


@pytest.mark.parametrize("make", MAKERS)
def test_options(make: Make) -> None:
    """These two say where, not who: they stand beside ``kerberos``, and are checked when they are given."""
    kerberos = Kerberos(hostname=HOST)
    app = make(kerberos, exempt=EXEMPT, optional=True)
    assert ask(app, "/secret").status == 200
    for options in ({"exempt": "/health"}, {"exempt": ["/*"]}, {"optional": "no"}):
        (option,) = options
        with pytest.raises(ConfigurationError, match=f"^{option}: "):
            make(kerberos, **options)


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("options", [{"optional": True}, {"exempt": EXEMPT}], ids=["optional", "exempt"])
def test_credentials_are_hidden(user: str, make: Make, options: Any) -> None:
    """``hide_authorization`` hides them from the application where nobody has looked at them, too."""
    for authorization in ("Basic YTpi", "Bearer abc"):
        assert ask(make(hostname=HOST, **options), "/health", authorization).text.lower().endswith("authorization']")
        answer = ask(make(hostname=HOST, hide_authorization=True, **options), "/health", authorization)
        assert (answer.status, answer.text) == (200, "None []")


@pytest.mark.parametrize("make", [make_asgi, make_starlette])
@pytest.mark.parametrize("options", [{"optional": True}, {"exempt": EXEMPT}], ids=["optional", "exempt"])
def test_user_header(user: str, make: Make, options: Any) -> None:
    """Where nobody has signed in there is no such header, whatever the client sends."""
    app = make(hostname=HOST, user_header="Remote-User", **options)
    assert ask(app, "/health", fields={"Remote-User": "bob", "Remote.User": "bob"}).text == "None []"


@pytest.mark.parametrize("options", [{"optional": True}, {"exempt": EXEMPT}], ids=["optional", "exempt"])
def test_remote_user_of_an_outer_layer(user: str, options: Any) -> None:
    """Nor is there a ``REMOTE_USER`` that a layer further out has set, which nobody here has looked at."""
    client = Client(wsgi.KerberosMiddleware(_greet, hostname=HOST, **options))
    claims = {"REMOTE_USER": "bob", "AUTH_TYPE": "Basic"}
    assert client.get("/health", environ_overrides=claims).text == "None []"
    answer = client.get("/", environ_overrides=claims, headers={"Authorization": fresh()})
    assert answer.text.startswith(user)
    assert "REMOTE_USER" in answer.text


def test_outer_user_stays(user: str) -> None:
    """Where an outer check has found the user, an inner middleware takes nothing away for the paths that it exempts."""
    kerberos = Kerberos(hostname=HOST)
    inner = asgi.KerberosMiddleware(_say, kerberos, exempt=EXEMPT, user_header="Remote-User")
    assert (
        ask(asgi.KerberosMiddleware(inner, kerberos), "/health", fresh()).text
        == f"{user} ['authorization', 'remote-user']"
    )
    below = wsgi.KerberosMiddleware(_greet, kerberos, exempt=EXEMPT)
    answer = Client(wsgi.KerberosMiddleware(below, kerberos)).get("/health", headers={"Authorization": fresh()})
    assert answer.text == f"{user} ['REMOTE_USER', 'AUTH_TYPE', 'HTTP_AUTHORIZATION']"


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("outer", [{"optional": True}, {"exempt": ["/inner"]}], ids=["optional", "exempt"])
def test_demanded_within(user: str, outer: Any, backend: str) -> None:
    """A view that demands a ticket does so below a middleware that does not: this one has found nobody."""

    @starlette.requires_authentication
    async def inner(user: str, request: Request) -> Response:
        return PlainTextResponse(user)

    kerberos = Kerberos(hostname=HOST)
    middleware = Middleware(starlette.KerberosMiddleware, kerberos, **outer)
    app = Starlette(routes=[Route("/inner", inner, methods=["GET", "POST"])], middleware=[middleware])
    answer = ask(app, "/inner", backend=backend)
    assert (answer.status, answer.challenges) == (401, ["Negotiate"])
    assert ask(app, "/inner", method="POST", fields={"Origin": "https://evil.test"}).status == 403
    initiator = Initiator(f"HTTP@{HOST}")
    answer = ask(app, "/inner", initiator.header, backend=backend)
    assert (answer.status, answer.text, len(answer.challenges)) == (200, user, 1)
    initiator.verify(reply_token(answer.challenges))


def test_demanded_within_flask(user: str) -> None:
    """So it is on Flask."""
    app = Flask(__name__)
    flask.init_kerberos(app, hostname=HOST)

    @app.get("/inner")
    @flask.requires_authentication
    def inner(user: str) -> str:
        return user

    @app.get("/open")
    @flask.requires_authentication(optional=True)
    def opened(user: str | None) -> str:
        return f"{user} {g.kerberos_identity}"

    app.wsgi_app = wsgi.KerberosMiddleware(app.wsgi_app, exempt=["/inner"], optional=True)  # type: ignore[method-assign]
    assert [ask(app, path).status for path in ("/inner", "/open")] == [401, 200]
    assert ask(app, "/inner", fresh(f"HTTP@{HOST}")).text == user
    assert [ask(app, "/open", ticket).text for ticket in (None, fresh())] == ["None None", f"{user} {user}"]


def test_starlettes_user() -> None:
    """Nobody is nobody to Starlette as well; whom another middleware has signed in stays."""

    def outer(app: Any, user: Any) -> Any:
        async def set_user(scope: Any, receive: Any, send: Any) -> None:
            if user is not None:
                scope["user"], scope["auth"] = user, AuthCredentials(["authenticated", "admin"])
            await app(scope, receive, send)

        return set_user

    async def view(request: Request) -> Response:
        return JSONResponse([request.user.is_authenticated, request.user.display_name, request.auth.scopes])

    identity = starlette.KerberosUser(Identity("bob@KRBTEST.COM"))
    expected: dict[Any, list[Any]] = {
        None: [False, "", []],
        SimpleUser("carol"): [True, "carol", ["authenticated", "admin"]],
        identity: [False, "", ["admin"]],
    }
    for user, said in expected.items():
        guards = Middleware(starlette.KerberosMiddleware, hostname=HOST, optional=True)
        app = Starlette(routes=[Route("/", view)], middleware=[Middleware(outer, user=user), guards])
        assert ask(app, "/").text == JSONResponse(said).body.decode()  # type: ignore[union-attr] # it is bytes


def test_credentials_that_were_removed(user: str) -> None:
    """A copy of a request without its credentials is nobody's; the outer request stays its user's, with the reply."""
    kerberos = Kerberos(hostname=HOST)
    optional = asgi.KerberosMiddleware(_say, kerberos, optional=True, user_header="Remote-User")

    async def without(scope: Any, receive: Any, send: Any) -> None:
        await optional({**scope, "headers": []}, receive, send)

    initiator = Initiator(f"HTTP@{HOST}")
    answer = ask(asgi.KerberosMiddleware(without, kerberos), "/", initiator.header)
    assert (answer.status, answer.text) == (200, "None []")
    initiator.verify(reply_token(answer.challenges))


def _ask_scope(app: Any, **changes: Any) -> int:
    """Ask an ASGI application as a server would, with these changes of the scope: the status."""
    statuses: list[int] = []
    scope: Any = {
        "type": "http",
        "method": "GET",
        "path": "/health",
        "raw_path": b"/health",
        "root_path": "",
        "query_string": b"",
        "headers": [],
        **changes,
    }
    if scope["raw_path"] is _LEFT_OUT:
        del scope["raw_path"]

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        statuses.append(message.get("status", 0))

    anyio.run(app, scope, receive, send)
    return statuses[0]


_LEFT_OUT = object()


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({}, 200),
        ({"raw_path": _LEFT_OUT}, 401),  # it cannot be known how the client has written the path
        ({"raw_path": None}, 401),
        ({"path": "/secret"}, 401),  # something in between has changed the path
        ({"raw_path": b"/secret"}, 401),
        ({"root_path": "/app"}, 401),
        ({"root_path": "/app", "path": "/app/health", "raw_path": b"/app/health"}, 200),
        ({"root_path": "/app", "path": "/xxx/health", "raw_path": b"/xxx/health"}, 401),
        ({"root_path": "/app", "path": "/app/health"}, 401),
    ],
)
def test_scopes(changes: Any, status: int) -> None:
    """The path that counts is the one that the client has written, after the root that it begins with."""
    assert _ask_scope(make_asgi(hostname=HOST, exempt=EXEMPT), **changes) == status


@pytest.mark.parametrize(
    ("environ", "status"),
    [
        ({}, 200),
        ({"REQUEST_URI": "/health"}, 200),
        ({"REQUEST_URI": "/health?x=1"}, 200),
        ({"RAW_URI": "/health"}, 200),
        ({"RAW_URI": "/x/../health"}, 401),
        ({"REQUEST_URI": "/%68ealth"}, 401),
        ({"REQUEST_URI": "/secret"}, 401),
        ({"REQUEST_URI": "http://www.example.test/health"}, 401),
        ({"PATH_INFO": "//health"}, 401),
        ({"PATH_INFO": "/he\xffalth"}, 401),
        ({"SCRIPT_NAME": "/app"}, 200),
        ({"SCRIPT_NAME": "/app", "REQUEST_URI": "/app/health"}, 200),
        ({"SCRIPT_NAME": "/app", "REQUEST_URI": "/health"}, 401),
    ],
)
def test_environs(environ: Any, status: int) -> None:
    """Where a server of WSGI does not tell what the client has written, the decoded path counts."""
    statuses: list[str] = []

    def start(status: str, headers: object) -> None:
        statuses.append(status)

    made = {**EnvironBuilder(path="/health").get_environ(), **environ}
    for name in {"REQUEST_URI", "RAW_URI"} - environ.keys():
        made.pop(name, None)
    wsgi.KerberosMiddleware(_greet, hostname=HOST, exempt=EXEMPT)(made, start)
    assert statuses[0].startswith(str(status))


def test_mount() -> None:
    """Within a mount, paths are those of the mounted application, as its own routes are."""

    async def view(request: Request) -> Response:
        return Response()

    guards = Middleware(starlette.KerberosMiddleware, hostname=HOST, exempt=["/health"])
    inner = Starlette(routes=[Route("/{path:path}", view)], middleware=[guards])
    app = Starlette(routes=[Mount("/sub", inner), Mount("/health", inner)])
    statuses = {
        path: ask(app, path).status for path in ("/sub/health", "/sub/other", "/health/other", "/health/health")
    }
    assert statuses == {"/sub/health": 200, "/sub/other": 401, "/health/other": 401, "/health/health": 200}


def test_websocket() -> None:
    """The handshake of a WebSocket is exempt by the same paths."""

    async def begin(path: str) -> str:
        sent: list[str] = []

        async def receive() -> Any:
            return {"type": "websocket.connect"}

        async def send(message: Any) -> None:
            sent.append(message["type"])

        scope: Any = {"type": "websocket", "path": path, "raw_path": path.encode(), "headers": [], "extensions": {}}
        await asgi.KerberosMiddleware(_say, hostname=HOST, exempt=EXEMPT)(scope, receive, send)
        return sent[0]

    begun = {path: anyio.run(begin, path) for path in ("/health", "/static/x", "/secret", "/static/../x")}
    assert [path for path, first in begun.items() if first == "websocket.accept"] == ["/health", "/static/x"]
