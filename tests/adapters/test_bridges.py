"""Flask below an ASGI bridge: a middleware's result is carried to the view, for this request and no other."""

from __future__ import annotations

import contextvars
from typing import Any

import anyio
import asgiref.wsgi
import pytest
from flask import Flask, g, request
from werkzeug.test import run_wsgi_app

from async_kerberos import Kerberos
from async_kerberos._web.state import outer_state
from async_kerberos.adapters.asgi import KerberosMiddleware
from async_kerberos.adapters.flask import init_kerberos, requires_authentication

from ..support.http import Connection
from ..support.initiator import fresh
from ..support.servers import Uvicorn
from .support import HOST, SECOND, ask, check

WsgiToAsgi: Any = asgiref.wsgi.WsgiToAsgi  # it has no types


def make_app(**options: Any) -> Flask:
    app = Flask(__name__)
    if options:
        init_kerberos(app, **options)

    @app.get("/")
    @requires_authentication
    def view(user: str) -> str:
        assert g.kerberos_identity.principal == request.remote_user == user
        return user

    @app.get("/async")
    @requires_authentication
    async def async_view(user: str) -> str:
        return user

    return app


@pytest.mark.parametrize("path", ["/", "/async"])
@pytest.mark.parametrize("options", [{}, {"hostname": HOST}])
def test_below_a_middleware(user: str, path: str, options: Any) -> None:
    """The view takes no second step: without settings it is of the middleware's service, with them its rules decide."""
    check(KerberosMiddleware(WsgiToAsgi(make_app(**options)), hostname="*"), path, user)


@pytest.mark.parametrize("path", ["/", "/async"])
def test_without_a_middleware(user: str, path: str) -> None:
    """Without a middleware the view authenticates by itself."""
    check(WsgiToAsgi(make_app(hostname=HOST)), path, user)


def test_rules_of_the_view(user: str) -> None:
    """A ticket that the middleware takes and the view does not is refused by the view."""
    app = KerberosMiddleware(WsgiToAsgi(make_app(hostname=HOST)), hostname="*")
    assert ask(app, "/", fresh(f"HTTP@{SECOND}")).status == 403


def test_requests_do_not_mix(user: str) -> None:
    """A request that is made within the process is not signed in by the one around it."""
    inner = make_app(hostname=HOST)
    outer = Flask(__name__)

    @outer.get("/")
    def view() -> str:
        return str(inner.test_client().get("/").status_code)

    app = KerberosMiddleware(WsgiToAsgi(outer), Kerberos(hostname=HOST))
    assert ask(app, "/", fresh()).text == "401"


def test_request_that_is_over(user: str) -> None:
    """A context that outlives its request, as a kept-alive connection's next one may begin in it, carries nothing."""
    contexts: list[contextvars.Context] = []
    inner = make_app(hostname=HOST)

    async def application(scope: Any, receive: Any, send: Any) -> None:
        contexts.append(contextvars.copy_context())
        await WsgiToAsgi(inner)(scope, receive, send)

    authorization = fresh()
    app = KerberosMiddleware(application, Kerberos(hostname="*"))
    assert ask(app, "/", authorization).status == 200
    assert contexts[0].run(ask, inner, "/", authorization).status == 403


@pytest.mark.parametrize("http", ["h11", "httptools"])
def test_pipelined(user: str, http: str) -> None:
    """A replay that is sent on the connection behind its token is refused, though the first application still runs."""
    done = anyio.Event()

    async def lingering(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})
        await done.wait()

    protected = KerberosMiddleware(lingering, Kerberos(hostname=HOST))
    bridged = WsgiToAsgi(make_app(hostname=HOST))

    async def dispatch(scope: Any, receive: Any, send: Any) -> None:
        await (protected if scope["path"] == "/lingering" else bridged)(scope, receive, send)
        done.set()

    head = f"HTTP/1.1\r\nHost: {HOST}\r\nAuthorization: {fresh()}\r\n"
    with Uvicorn(dispatch, http=http, lifespan="off") as server, Connection(server.address) as connection:
        connection.socket.sendall(f"GET /lingering {head}\r\nGET / {head}Connection: close\r\n\r\n".encode())
        with connection.socket.makefile("rb") as stream:
            lines = [line.split()[1] for line in stream if line.startswith(b"HTTP/1.1 ")]
    assert lines == [b"200", b"403"]


def test_request_within_without_credentials(user: str) -> None:
    """A request without credentials that an application makes of a copy of its environ is nobody's."""
    inner = make_app(hostname=HOST)
    outer = Flask(__name__)

    @outer.get("/")
    def view() -> str:
        environ = {name: value for name, value in request.environ.items() if name != "HTTP_AUTHORIZATION"}
        _, status, _ = run_wsgi_app(inner.wsgi_app, environ)
        return status

    app = KerberosMiddleware(WsgiToAsgi(outer), Kerberos(hostname=HOST))
    assert ask(app, "/", fresh()).text == "401 UNAUTHORIZED"


def test_method_is_a_text(user: str) -> None:
    """The method, by which Flask finds the middleware's result, is a plain text; kept or copied, it leads nowhere."""
    methods: list[Any] = []
    bridged = WsgiToAsgi(make_app())

    async def application(scope: Any, receive: Any, send: Any) -> None:
        methods.append(scope["method"])
        assert outer_state(scope["method"]) is not None
        assert outer_state(scope["method"].encode().decode()) is None
        await bridged(scope, receive, send)

    for _ in range(2):
        assert ask(KerberosMiddleware(application, Kerberos(hostname=HOST)), "/", fresh()).status == 200
    first, second = methods
    assert (type(first), first, second) == (str, "GET", "GET")
    assert first is not second
    assert (outer_state(first), outer_state(second)) == (None, None)


def test_method_of_one_letter(user: str) -> None:
    """Of such a text there is one object, so it leads to no state: the view is on its own."""
    states: list[Any] = []
    bridged = WsgiToAsgi(make_app())

    async def application(scope: Any, receive: Any, send: Any) -> None:
        states.append(outer_state(scope["method"]))
        await bridged(scope, receive, send)

    app = KerberosMiddleware(application, Kerberos(hostname=HOST))
    assert ask(app, "/", fresh(), method="X").status == 405
    assert states == [None]
