"""Flask below an ASGI bridge: a middleware's result is carried to the view, for this request and no other."""

from __future__ import annotations

import contextvars
from typing import Any

import asgiref.wsgi
import pytest
from flask import Flask, g, request

from async_kerberos import Kerberos
from async_kerberos.adapters.asgi import KerberosMiddleware
from async_kerberos.adapters.flask import init_kerberos, requires_authentication

from ..support.initiator import fresh
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
