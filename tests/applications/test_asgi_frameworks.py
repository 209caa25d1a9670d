"""ASGI frameworks without an adapter, below the middleware: HTTP and WebSocket."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import falcon.asgi
import litestar
import pytest

from async_kerberos import Kerberos
from async_kerberos.adapters.asgi import KerberosMiddleware

from ..adapters import django_site
from ..support import HOSTNAME
from ..support.guards import ThreadGuard
from ..support.http import Connection, WebSocketClient
from ..support.initiator import Initiator, reply_token
from ..support.servers import Hypercorn, Uvicorn


def of_litestar() -> Any:
    @litestar.get("/", media_type="text/plain")
    async def view(request: litestar.Request[Any, Any, Any]) -> str:
        return str(request.scope["kerberos"])  # type: ignore[typeddict-item] # the middleware's own key

    @litestar.websocket("/ws")
    async def talk(socket: litestar.WebSocket[Any, Any, Any]) -> None:
        await socket.accept()
        await socket.send_text(str(socket.scope["kerberos"]))  # type: ignore[typeddict-item] # the same
        await socket.close()

    return litestar.Litestar([view, talk], openapi_config=None, logging_config=None)


class OnFalcon:
    async def on_get(self, request: Any, response: Any) -> None:
        response.text = str(request.scope["kerberos"])

    async def on_websocket(self, request: Any, websocket: Any) -> None:
        await websocket.accept()
        await websocket.send_text(str(request.scope["kerberos"]))
        await websocket.close()


def of_falcon() -> Any:
    app = falcon.asgi.App()
    app.add_route("/", OnFalcon())
    app.add_route("/ws", OnFalcon())
    return app


def of_django() -> Any:
    django = django_site.application("asgi", [django_site.KERBEROS])

    async def route(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await django({**scope, "path": "/async"}, receive, send)
        else:  # which Django has none of: it stands beside, as Channels does
            await receive()
            await send({"type": "websocket.accept"})
            await send({"type": "websocket.send", "text": str(scope["kerberos"])})
            await send({"type": "websocket.close"})

    return route


@pytest.mark.parametrize("server", [Uvicorn, Hypercorn])
@pytest.mark.parametrize("make", [of_litestar, of_falcon, of_django])
def test_below_the_middleware(user: str, make: Callable[[], Any], server: Any, thread_guard: ThreadGuard) -> None:
    """Nobody gets in without a ticket; with one the view knows the user, and the reply verifies."""
    app = KerberosMiddleware(make(), Kerberos(hostname=HOSTNAME))
    with server(app, threads=thread_guard) as running:
        with Connection(running.address) as connection:
            assert connection.request("/").challenges == ["Negotiate"]
        with Connection(running.address) as connection:
            initiator = Initiator()
            response = connection.request("/", initiator.header)
            assert (response.status, response.text) == (200, user)
            initiator.verify(reply_token(response.challenges))
        with WebSocketClient(running.address, "/ws") as denied:
            assert (denied.response.status, denied.response.challenges) == (401, ["Negotiate"])
        initiator = Initiator()
        with WebSocketClient(running.address, "/ws", initiator.header) as client:
            assert client.receive_text() == user
            initiator.verify(reply_token(client.response.challenges))
