"""Middlewares of Starlette's around what authenticates: they wrap what the server gives, and change what it gets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from fastapi import Depends, FastAPI
from starlette.applications import Starlette
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from async_kerberos import Identity, Kerberos
from async_kerberos.adapters import asgi, fastapi, starlette

from ..support.http import Connection
from ..support.initiator import fresh, negotiate
from ..support.servers import Hypercorn, Uvicorn
from .support import HOST, ask_for_headers

VARY = "Cookie, Authorization"


@starlette.requires_authentication(kerberos=Kerberos(hostname=HOST))
async def view(user: str, request: Request) -> PlainTextResponse:
    return PlainTextResponse(user, headers={"Vary": "Accept-Encoding"})


async def plain(request: Request) -> PlainTextResponse:
    return PlainTextResponse("", headers={"Vary": "Accept-Encoding"})


def decorated(configured: bool) -> Any:
    app = Starlette(routes=[Route("/", view, methods=["GET", "POST"])])
    if configured:
        starlette.init_kerberos(app, hostname=HOST)
    return app


def in_a_middleware() -> Any:
    return asgi.KerberosMiddleware(Starlette(routes=[Route("/", plain)]), hostname=HOST)


def depending() -> Any:
    app = FastAPI()

    @app.get("/")
    async def route(identity: Identity = Depends(fastapi.KerberosIdentity(Kerberos(hostname=HOST)))) -> str:
        return str(identity)

    return app


APPS: dict[str, Callable[[], Any]] = {
    "middleware": in_a_middleware,
    "decorator": lambda: decorated(False),
    "decorator and carrier": lambda: decorated(True),
    "dependency": depending,
}


@pytest.mark.parametrize("name", APPS)
def test_cross_origin(user: str, name: str) -> None:
    """CORS adds a third name to ``Vary``; on every release of Starlette's it leaves there what caches need."""
    app = CORSMiddleware(APPS[name](), allow_origins=["https://a.example.test", "https://b.example.test"])
    status, headers = ask_for_headers(app, fresh(), {"Origin": "https://a.example.test"})
    own = [] if name == "dependency" else ["Accept-Encoding"]
    varies = [value.strip() for field in headers.get_list("vary") for value in field.split(",")]
    assert (status, sorted(varies)) == (200, sorted([*own, "Cookie", "Authorization", "Origin"]))


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        ("X-Cookie, Authorization", "X-Cookie, Authorization, Cookie"),
        ("authorization,COOKIE", "authorization,COOKIE"),
        ("Accept-Encoding", f"Accept-Encoding, {VARY}"),
    ],
)
def test_what_varies(user: str, own: str, expected: str) -> None:
    """Each name stands there once, whatever the response said before."""

    async def application(scope: Any, receive: Any, send: Any) -> None:
        assert ("method" in scope) is (scope["type"] == "http")
        await PlainTextResponse("", headers={"Vary": own})(scope, receive, send)

    status, headers = ask_for_headers(asgi.KerberosMiddleware(application, hostname=HOST), fresh(), {})
    assert (status, headers.get_list("vary")) == (200, [expected])


async def pass_on(request: Request, call_next: Any) -> Any:
    return await call_next(request)


@pytest.mark.parametrize("server", [Uvicorn, Hypercorn])
def test_refused_body(user: str, server: Any) -> None:
    """A client that sends all of a large body before it reads gets the answer, whatever stands around the check."""
    app = decorated(True)
    app.add_middleware(BaseHTTPMiddleware, dispatch=pass_on)
    with server(app) as running:
        for authorization, status in ((None, 401), (negotiate(b"\x60garbage"), 403), (fresh(), 200)):
            with Connection(running.address) as connection:
                response = connection.request("/", authorization, method="POST", body=bytes(1_000_000))
                assert response.status == status
