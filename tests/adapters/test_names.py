"""A view whose service wants the local name, within a middleware whose service does not: on every adapter."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

import pytest
from fastapi import Depends, FastAPI
from flask import Flask
from flask import g as flask_g
from flask import request as flask_request
from quart import Quart
from quart import g as quart_g
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from async_kerberos import Identity, Kerberos, TicketDetails
from async_kerberos.adapters import asgi, fastapi, flask, quart, starlette, wsgi
from async_kerberos.testing import Realm, User

from ..support.deployments import closing_all
from ..support.initiator import Initiator, reply_token
from .support import HOST, ask


def outer() -> Kerberos:
    """The middleware's."""
    return Kerberos(hostname=HOST)


def inner() -> Kerberos:
    """The view's."""
    return Kerberos(hostname=HOST, details=TicketDetails(local_name=True), username="local_name")


def make_flask() -> Any:
    app = Flask(__name__)

    @app.get("/")
    @flask.requires_authentication(kerberos=inner())
    def view(user: str) -> str:
        return f"{user} {flask_g.kerberos_identity.local_name} {flask_request.remote_user}"

    anything: Any = app
    anything.wsgi_app = wsgi.KerberosMiddleware(anything.wsgi_app, kerberos=outer())
    return app


def make_quart() -> Any:
    app = Quart(__name__)

    @app.get("/")
    @quart.requires_authentication(kerberos=inner())
    async def view(user: str) -> str:
        return f"{user} {quart_g.kerberos_identity.local_name} al"

    return asgi.KerberosMiddleware(app, kerberos=outer())


def make_starlette() -> Any:
    @starlette.requires_authentication(kerberos=inner())
    async def view(user: str, request: Request) -> PlainTextResponse:
        return PlainTextResponse(f"{user} {request.scope['kerberos'].local_name} al")

    return starlette.KerberosMiddleware(Starlette(routes=[Route("/", view)]), kerberos=outer())


def make_fastapi() -> Any:
    app = FastAPI()
    signed_in = fastapi.KerberosIdentity(inner())

    @app.get("/", response_class=PlainTextResponse)
    async def view(user: Identity = Depends(signed_in)) -> str:
        return f"{user} {user.local_name} al"

    return asgi.KerberosMiddleware(app, kerberos=outer())


def make_asgi() -> Any:
    async def application(scope: Any, receive: Any, send: Any) -> None:
        text = f"{scope['kerberos']} {scope['kerberos'].local_name} al"
        await PlainTextResponse(text)(scope, receive, send)

    return asgi.KerberosMiddleware(asgi.KerberosMiddleware(application, kerberos=inner()), kerberos=outer())


@pytest.fixture(params=[make_flask, make_quart, make_starlette, make_fastapi, make_asgi])
def app(request: pytest.FixtureRequest) -> Generator[Any, None, None]:
    """The application below its middleware."""
    make: Callable[[], Any] = request.param
    with closing_all():
        yield make()


@pytest.fixture(scope="module")
def unnamed(realm: Realm) -> User:
    """A user to whom no rule gives a name."""
    return realm.user("unnamed/admin")


def test_outer_check_without_it(app: Any, user: str, unnamed: User) -> None:
    """The view has the local name, and who has none does not get to it."""
    initiator = Initiator()
    answer = ask(app, "/", initiator.header)
    assert (answer.status, answer.text) == (200, f"{user} al al")
    initiator.verify(reply_token(answer.challenges))
    assert ask(app, "/", Initiator(ccache=unnamed.ccache).header).status == 403
