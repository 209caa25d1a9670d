"""The core below frameworks that are neither ASGI nor WSGI: tornado and aiohttp, on their own servers."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncGenerator, Callable, Generator
from typing import Any

import pytest
import tornado.httpserver
import tornado.web
from aiohttp import web

from async_kerberos import AuthRequest, Denied, Kerberos

from ..support import HOSTNAME
from ..support.http import Connection
from ..support.initiator import Initiator, fresh, reply_token
from ..support.servers import listening_socket

KERBEROS = Kerberos(hostname=HOSTNAME)


async def on_aiohttp(request: web.Request) -> web.Response:
    asked = AuthRequest.from_headers(
        lambda name: request.headers.getall(name, []),
        peer=request.transport.get_extra_info("peername") if request.transport else None,
        secure=request.secure,
        method=request.method,
    )
    outcome = await KERBEROS.authenticate(asked)
    if isinstance(outcome, Denied):
        return web.Response(status=outcome.status, body=outcome.body, headers=outcome.headers)
    return web.Response(text=outcome.principal, headers=outcome.headers)


class OnTornado(tornado.web.RequestHandler):
    async def get(self) -> None:
        asked = AuthRequest.from_headers(
            self.request.headers.get_list,
            peer=(str(self.request.remote_ip), 0),
            secure=self.request.protocol == "https",
            method=self.request.method or "",
        )
        outcome = await KERBEROS.authenticate(asked)
        for name, value in outcome.headers:
            self.add_header(name, value)
        anything: Any = self  # what tornado says of its types is not all of them
        if isinstance(outcome, Denied):
            self.set_status(outcome.status)
            anything.write(outcome.body)
        else:
            anything.write(outcome.principal)

    post = get


@contextlib.asynccontextmanager
async def aiohttp_server(listening: Any) -> AsyncGenerator[None, None]:
    application = web.Application()
    application.router.add_route("*", "/", on_aiohttp)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.SockSite(runner, listening).start()
    yield
    await runner.cleanup()


@contextlib.asynccontextmanager
async def tornado_server(listening: Any) -> AsyncGenerator[None, None]:
    server = tornado.httpserver.HTTPServer(tornado.web.Application([("/", OnTornado)]))
    server.add_socket(listening)
    yield
    server.stop()
    await server.close_all_connections()


@pytest.fixture(params=[aiohttp_server, tornado_server])
def address(request: pytest.FixtureRequest, thread_guard: Any) -> Generator[Any, None, None]:
    """Where the server answers that the test names."""
    serve: Callable[[Any], contextlib.AbstractAsyncContextManager[None]] = request.param
    listening = listening_socket()
    listening.listen()
    listening.setblocking(False)
    ready = threading.Event()
    stopping: list[Callable[[], object]] = []

    async def main() -> None:
        over = asyncio.Event()
        loop = asyncio.get_running_loop()
        stopping.append(lambda: loop.call_soon_threadsafe(over.set))
        async with serve(listening):
            ready.set()
            await over.wait()

    thread = threading.Thread(target=lambda: asyncio.run(main()))
    thread_guard.adopt(thread)
    thread.start()
    assert ready.wait(60)
    yield listening.getsockname()
    stopping[0]()
    thread.join()


def test_signed_in(address: Any, user: str) -> None:
    """A dozen lines of the application sign users in, by the public core alone; the reply verifies."""
    with Connection(address) as connection:
        response = connection.request("/")
        assert (response.status, response.challenges, response.text) == (401, ["Negotiate"], "Unauthorized")
        initiator = Initiator()
        response = connection.request("/", initiator.header)
        assert (response.status, response.text) == (200, user)
        initiator.verify(reply_token(response.challenges))
        assert connection.request("/").status == 401


def test_rules(address: Any, user: str) -> None:
    """What the fields of a request decide, they decide here: two tokens, another site, a token that came before."""
    with Connection(address) as connection:
        fields = [("Authorization", fresh()), ("Authorization", fresh())]
        assert connection.request("/", fields=fields).status == 400
    with Connection(address) as connection:
        fields = [("Origin", "https://evil.test"), ("Sec-Fetch-Site", "cross-site")]
        assert connection.request("/", fresh(), method="POST", fields=fields).status == 403
    header = fresh()
    with Connection(address) as connection:
        assert connection.request("/", header).status == 200
        assert connection.request("/", header).status == 403
