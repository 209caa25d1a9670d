"""Starlette: functions, endpoints, mounts, and middlewares around any of these."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint, WebSocketEndpoint
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import BaseRoute, Host, Match, Mount, Route, Router, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.websockets import WebSocket

from async_kerberos import Kerberos
from async_kerberos.adapters.starlette import KerberosMiddleware, requires_authentication

from ...support import HOSTNAME

kerberos = Kerberos(hostname=HOSTNAME)
guarded = requires_authentication(kerberos=kerberos)


class Own(KerberosMiddleware):
    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.app(scope, receive, send)


class Lax(KerberosMiddleware):
    def __init__(self, app: Any) -> None:
        super().__init__(app, kerberos, exempt=["/plain"])


def around(**options: Any) -> list[Middleware]:
    return [Middleware(KerberosMiddleware, kerberos=kerberos, **options)]


async def plain(request: Request) -> PlainTextResponse:
    return PlainTextResponse("open")


@guarded
async def right(user: str, request: Request) -> PlainTextResponse:
    return PlainTextResponse(user)


@functools.wraps(right)
async def trap(request: Request) -> PlainTextResponse:
    return PlainTextResponse("open")


@guarded
class Endpoint(HTTPEndpoint):
    async def get(self, request: Request) -> PlainTextResponse:
        return PlainTextResponse("in")


class Derived(Endpoint):
    async def post(self, request: Request) -> PlainTextResponse:
        return PlainTextResponse("in")


class Redispatching(Endpoint):
    async def dispatch(self) -> None:
        await PlainTextResponse("open")(self.scope, self.receive, self.send)

    def __await__(self) -> Any:
        return self.dispatch().__await__()


class Mixed(HTTPEndpoint):
    @guarded
    async def get(self, user: str, request: Request) -> PlainTextResponse:
        return PlainTextResponse(user)

    async def post(self, request: Request) -> PlainTextResponse:
        return PlainTextResponse("open")


class Dispatching(HTTPEndpoint):
    @guarded
    async def get(self, user: str, request: Request) -> PlainTextResponse:
        return PlainTextResponse(user)

    async def dispatch(self) -> None:
        await PlainTextResponse("open")(self.scope, self.receive, self.send)


class Talk(WebSocketEndpoint):
    @guarded
    async def on_connect(self, user: str, websocket: WebSocket) -> None:
        await websocket.accept()


class OpenTalk(WebSocketEndpoint):
    pass


async def talk(websocket: WebSocket) -> None:
    await websocket.accept()


class Odd(BaseRoute):
    def matches(self, scope: Any) -> Any:
        return Match.NONE, {}


class Handling(Route):
    async def handle(self, scope: Any, receive: Any, send: Any) -> None:
        await PlainTextResponse("open")(scope, receive, send)


async def bare(scope: Any, receive: Any, send: Any) -> None:
    await PlainTextResponse("open")(scope, receive, send)


def site(middleware: list[Any], *routes: BaseRoute) -> Starlette:
    return Starlette(routes=[Route("/plain", plain), *routes], middleware=middleware)


files = StaticFiles(directory=Path(__file__).parent)


def factory(app: Any) -> Any:
    return KerberosMiddleware(app, kerberos)


def asked(request: Any) -> bool:
    return bool(request.plain_path != "/deep/sites.py")


built = site(around())
built.build_middleware_stack = lambda: built.router  # type: ignore[method-assign] # as instrumentations do

app = Starlette(
    routes=[
        Route("/plain", plain),
        Route("/right", right),
        Route("/trap", trap),
        Route("/partial", functools.partial(right)),
        Route("/endpoint", Endpoint),
        Route("/derived", Derived),
        Route("/redispatching", Redispatching),
        Route("/mixed", Mixed),
        Route("/dispatching", Dispatching),
        Route("/alone", plain, middleware=around()),
        Route("/instance", KerberosMiddleware(bare, kerberos)),
        Handling("/handling", right),
        WebSocketRoute("/talk", Talk),
        WebSocketRoute("/open-talk", OpenTalk),
        WebSocketRoute("/talk-function", talk),
        WebSocketRoute("/talk-alone", talk, middleware=around()),
        Odd(),
        Mount("/files", files),
        Mount("/bare", bare),
        Mount("/guarded-files", KerberosMiddleware(files, kerberos)),
        Mount("/guarded", site([Middleware(CORSMiddleware), *around()], Mount("/deep", files))),
        Mount("/exempt", site(around(exempt=["/plain", "/deep/*"]), Route("/more", plain), Mount("/deep", files))),
        Mount("/asked", site(around(exempt=asked), Route("/right", right), Mount("/deep", files))),
        Mount("/asked-optional", site(around(exempt=asked, optional=True))),
        Mount("/optional", site(around(optional=True), Route("/right", right))),
        Mount("/wrong", site(around(exempt=["plain"]))),
        Mount("/own", site([Middleware(Own, kerberos=kerberos)], Route("/right", right))),
        Mount("/lax", site([Middleware(Lax)])),
        Mount("/factory", site([Middleware(factory)])),
        Mount("/built", built),
        Mount("/mounted", routes=[Route("/plain", plain)], middleware=around()),
        Mount("/router", Router([Route("/plain", plain)], default=bare, middleware=around())),
        Mount("/own-made", Own(files, kerberos)),
        Host("other.example.test", site(around())),
    ]
)

FOUND = {
    ("/plain", "GET"): "open",
    ("/right", "GET"): "protected",
    ("/trap", "GET"): "unknown",
    ("/partial", "GET"): "protected",
    ("/endpoint", "GET"): "protected",
    ("/derived", "GET"): "protected",
    ("/derived", "POST"): "protected",
    ("/redispatching", "GET"): "unknown",
    ("/mixed", "GET"): "protected",
    ("/mixed", "POST"): "open",
    ("/dispatching", "GET"): "unknown",
    ("/alone", "GET"): "protected",
    ("/instance", "any"): "protected",
    ("/handling", "GET"): "unknown",
    ("/talk", "ws"): "protected",
    ("/open-talk", "ws"): "open",
    ("/talk-function", "ws"): "open",
    ("/talk-alone", "ws"): "protected",
    ("/*", "any"): "unknown",
    ("/files/*", "any"): "open",
    ("/bare/*", "any"): "unknown",
    ("/guarded-files/*", "any"): "protected",
    ("/guarded/plain", "GET"): "protected",
    ("/guarded/deep/*", "any"): "protected",
    ("/exempt/plain", "GET"): "exempt",
    ("/exempt/more", "GET"): "protected",
    ("/exempt/deep/*", "any"): "exempt",
    ("/asked/plain", "GET"): "varies",
    ("/asked/right", "GET"): "protected",
    ("/asked/deep/*", "any"): "varies",
    ("/asked-optional/plain", "GET"): "optional",
    ("/optional/plain", "GET"): "optional",
    ("/optional/right", "GET"): "protected",
    ("/wrong/plain", "GET"): "unknown",
    ("/own/plain", "GET"): "unknown",
    ("/own/right", "GET"): "protected",
    ("/lax/plain", "GET"): "unknown",
    ("/factory/plain", "GET"): "unknown",
    ("/built/plain", "GET"): "unknown",
    ("/mounted/plain", "GET"): "protected",
    ("/router/plain", "GET"): "protected",
    ("/router/*", "any"): "protected",
    ("/own-made/*", "any"): "unknown",
    ("other.example.test/plain", "GET"): "protected",
}
