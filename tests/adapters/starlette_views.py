"""Views and applications on Starlette that several test files use."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from async_kerberos import Kerberos
from async_kerberos.adapters.starlette import init_kerberos, requires_authentication

from .support import HOST

BACKENDS = ["asyncio", "trio"]


@requires_authentication
async def view(user: str, request: Request) -> Response:
    return PlainTextResponse(user)


@requires_authentication()
def sync_view(user: str, request: Request) -> Response:
    return PlainTextResponse(f"{user} {threading.current_thread() is threading.main_thread()}")


def configured(*routes: Any, hostname: str = HOST) -> Starlette:
    app = Starlette(routes=list(routes))
    init_kerberos(app, hostname=hostname)
    return app


def without_init(*paths: tuple[str, Callable[..., Any]]) -> Starlette:
    """An application without ``init_kerberos``: its views bring their own service."""
    decorate = requires_authentication(kerberos=Kerberos(hostname=HOST))
    return Starlette(routes=[Route(path, decorate(function), methods=["GET"]) for path, function in paths])
