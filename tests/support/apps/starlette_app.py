"""The contract's application on Starlette: decorated functions, methods and classes, and the middleware."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from typing import Any

from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint, WebSocketEndpoint
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from async_kerberos import Kerberos
from async_kerberos.adapters.starlette import KerberosMiddleware, init_kerberos, requires_authentication
from async_kerberos.kerberos import default_kerberos

from . import MAYBE, OWN_CHALLENGE, OWN_HEADERS, Options, TeapotError, facts, given, pieces, who_it_is

Action = Callable[[str, Request], Response]


def _places(user: str, connection: HTTPConnection) -> dict[str, str]:
    identity = connection.scope["kerberos"]
    return {
        "user": user,
        "scope": identity.principal,
        **facts(identity),
        "request.user": connection.user.display_name if connection.user.is_authenticated else "",
        "request.user.identity": connection.user.identity,
        "auth": user if connection.auth.scopes == ["authenticated"] else str(connection.auth.scopes),
    }


def hello(user: str, request: Request) -> Response:
    return PlainTextResponse(user)


def who(user: str, request: Request) -> Response:
    return JSONResponse(_places(user, request))


def stream(user: str, request: Request) -> Response:
    async def produce() -> AsyncIterator[bytes]:
        for piece in pieces(user):
            yield piece

    return StreamingResponse(produce(), media_type="text/plain")


def redirected(user: str, request: Request) -> Response:
    return RedirectResponse("/hello", 302)


def missing(user: str, request: Request) -> Response:
    raise HTTPException(404)


def teapot(user: str, request: Request) -> Response:
    raise TeapotError


def both(user: str, request: Request) -> Response:
    return PlainTextResponse(user, headers=OWN_HEADERS)


def again(user: str, request: Request) -> Response:
    return PlainTextResponse("again", 401, headers={"WWW-Authenticate": OWN_CHALLENGE})


def raised_again(user: str, request: Request) -> Response:
    raise HTTPException(401, headers={"WWW-Authenticate": OWN_CHALLENGE})


def _maybe(user: str | None, connection: HTTPConnection) -> str:
    starlettes = connection.user.identity if connection.user.is_authenticated else None
    scopes = connection.auth.scopes
    return who_it_is(user, connection.scope["kerberos"], starlettes, user if "authenticated" in scopes else None)


def maybe(user: str | None, request: Request) -> Response:
    return PlainTextResponse(_maybe(user, request))


async def ws_maybe(user: str | None, websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.send_text(_maybe(user, websocket))
    await websocket.close()


optional = requires_authentication(optional=True)


async def echo(user: str, request: Request) -> Response:
    return Response(await request.body())


async def ws(user: str, websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.send_text(user)
    await websocket.close()


async def ws_own(user: str, websocket: WebSocket) -> None:
    await websocket.accept(headers=[(b"www-authenticate", OWN_CHALLENGE.encode()), (b"x-own", b"yes")])
    await websocket.send_text(user)
    await websocket.close()


async def ws_who(user: str, websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.send_text(json.dumps(_places(user, websocket)))
    await websocket.close()


SOCKETS = {"/ws": ws, "/ws-own": ws_own, "/ws-who": ws_who}

ACTIONS: dict[str, Action] = {
    "/hello": hello,
    "/who": who,
    "/stream": stream,
    "/redirect": redirected,
    "/missing": missing,
    "/teapot": teapot,
    "/both": both,
    "/again": again,
    "/raised-again": raised_again,
}

METHODS = ["GET", "POST", "OPTIONS"]


def _answer_teapot(request: Request, error: Exception) -> Response:
    return PlainTextResponse("teapot", 418)


def _application(routes: list[Any], **parameters: Any) -> Starlette:
    return Starlette(routes=routes, exception_handlers={TeapotError: _answer_teapot}, **parameters)


def _configured(routes: list[Any], options: Options | None) -> Starlette:
    app = _application(routes)
    if options is not None:
        init_kerberos(app, **options)
    return app


def _as_async(action: Action) -> Callable[[str, Request], Any]:
    async def view(user: str, request: Request) -> Response:
        return action(user, request)

    return view


def _websocket_functions() -> list[Any]:
    return [WebSocketRoute(path, requires_authentication(view)) for path, view in SOCKETS.items()]


def functions(options: Options | None, *, asynchronous: bool) -> Any:
    """Decorated functions, async or sync."""
    routes: list[Any] = []
    for path, action in ACTIONS.items():
        view: Callable[..., Any]
        view = requires_authentication(_as_async(action)) if asynchronous else requires_authentication(action)
        routes.append(Route(path, view, methods=METHODS))
    routes.append(Route("/echo", requires_authentication(echo), methods=["POST"]))

    async def maybe_async(user: str | None, request: Request) -> Response:
        return maybe(user, request)

    guarded: Callable[..., Any] = optional(maybe_async) if asynchronous else optional(maybe)
    routes += [Route("/maybe", guarded, methods=METHODS), WebSocketRoute("/ws-maybe", optional(ws_maybe))]
    return _configured([*routes, *_websocket_functions()], options)


class EchoMethods(HTTPEndpoint):
    """The endpoint ``/echo``, its method decorated."""

    @requires_authentication
    async def post(self, user: str, request: Request) -> Response:
        return await echo(user, request)


class MaybeMethods(HTTPEndpoint):
    """The endpoint ``/maybe``, its methods decorated."""

    @optional
    async def get(self, user: str | None, request: Request) -> Response:
        return maybe(user, request)

    @optional
    def post(self, user: str | None, request: Request) -> Response:
        return maybe(user, request)


class MaybeSocketMethods(WebSocketEndpoint):
    """The endpoint ``/ws-maybe``, its method decorated."""

    @optional
    async def on_connect(self, user: str | None, websocket: WebSocket) -> None:
        await ws_maybe(user, websocket)


@optional
class MaybeClass(HTTPEndpoint):
    """The endpoint ``/maybe``, decorated."""

    def get(self, user: str | None, request: Request) -> Response:
        return maybe(user, request)

    async def post(self, user: str | None, request: Request) -> Response:
        return maybe(user, request)


@optional
class MaybeSocketClass(WebSocketEndpoint):
    """The endpoint ``/ws-maybe``, decorated."""

    async def on_connect(  # type: ignore[override] # the decorator calls it
        self,
        user: str | None,  # pyright: ignore[reportIncompatibleMethodOverride]
        websocket: WebSocket,
    ) -> None:
        await ws_maybe(user, websocket)


def _methods(action: Action) -> type[HTTPEndpoint]:
    class Endpoint(HTTPEndpoint):
        @requires_authentication
        async def get(self, user: str, request: Request) -> Response:
            return action(user, request)

        # Starlette takes a sync method to its pool of threads.
        @requires_authentication
        def post(self, user: str, request: Request) -> Response:
            return action(user, request)

        @requires_authentication
        async def options(self, user: str, request: Request) -> Response:
            return action(user, request)

    return Endpoint


def _socket_methods(view: Callable[[str, WebSocket], Any]) -> type[WebSocketEndpoint]:
    class Endpoint(WebSocketEndpoint):
        @requires_authentication
        async def on_connect(self, user: str, websocket: WebSocket) -> None:
            await view(user, websocket)

    return Endpoint


def methods(options: Options | None) -> Any:
    """Decorated methods of endpoint classes."""
    routes: list[Any] = [Route(path, _methods(action)) for path, action in ACTIONS.items()]
    routes += [Route("/echo", EchoMethods), Route("/maybe", MaybeMethods)]
    routes.append(WebSocketRoute("/ws-maybe", MaybeSocketMethods))
    routes.extend(WebSocketRoute(path, _socket_methods(view)) for path, view in SOCKETS.items())
    return _configured(routes, options)


def _class(action: Callable[[str, Request], Any], *, asynchronous: bool) -> type[HTTPEndpoint]:
    if asynchronous:

        @requires_authentication
        class Asynchronous(HTTPEndpoint):
            async def get(self, user: str, request: Request) -> Response:
                response: Response = await action(user, request)
                return response

            post = get
            options = get

        return Asynchronous

    @requires_authentication
    class Synchronous(HTTPEndpoint):
        def get(self, user: str, request: Request) -> Response:
            response: Response = action(user, request)
            return response

        # This one does not ask for the user, and is still protected.
        async def options(self, request: Request) -> Response:
            response: Response = action(request.user.display_name, request)
            return response

        post = get

    return Synchronous


def _socket_class(view: Callable[[str, WebSocket], Any]) -> type[WebSocketEndpoint]:
    @requires_authentication
    class Endpoint(WebSocketEndpoint):
        async def on_connect(  # type: ignore[override] # the decorator calls it
            self,
            user: str,  # pyright: ignore[reportIncompatibleMethodOverride]
            websocket: WebSocket,
        ) -> None:
            await view(user, websocket)

    return Endpoint


def classes(options: Options | None) -> Any:
    """Decorated endpoint classes."""
    routes: list[Any] = [Route(path, _class(action, asynchronous=False)) for path, action in ACTIONS.items()]
    routes += [Route("/echo", _class(echo, asynchronous=True)), Route("/maybe", MaybeClass)]
    routes.append(WebSocketRoute("/ws-maybe", MaybeSocketClass))
    routes.extend(WebSocketRoute(path, _socket_class(view)) for path, view in SOCKETS.items())
    return _configured(routes, options)


def middleware(options: Options | None) -> Any:
    """Undecorated functions below the middleware."""

    def with_user(action: Callable[[str, Any], Any]) -> Callable[..., Any]:
        async def view(request: Request) -> Response:
            response = action(request.user.display_name, request)
            if not isinstance(response, Response):
                response = await response
            assert isinstance(response, Response)
            return response

        return view

    def with_websocket(view: Callable[[str, WebSocket], Any]) -> Callable[..., Any]:
        async def endpoint(websocket: WebSocket) -> None:
            await view(websocket.user.display_name, websocket)

        return endpoint

    routes: list[Any] = [Route(path, with_user(action), methods=METHODS) for path, action in ACTIONS.items()]
    routes.append(Route("/echo", with_user(echo), methods=["POST"]))
    routes.extend(WebSocketRoute(path, with_websocket(view)) for path, view in SOCKETS.items())

    async def maybe_view(request: Request) -> Response:
        return PlainTextResponse(_maybe(_of_scope(request), request))

    async def maybe_socket(websocket: WebSocket) -> None:
        await ws_maybe(_of_scope(websocket), websocket)

    routes += [Route("/maybe", maybe_view, methods=METHODS), WebSocketRoute("/ws-maybe", maybe_socket)]
    kerberos = Kerberos(**given(options)) if options else None
    (kerberos or default_kerberos()).log_setup_once()  # not beside the first request, whose calls a test counts
    return _application(routes, middleware=[Middleware(_Guards, kerberos)])


def _of_scope(connection: HTTPConnection) -> str | None:
    identity = connection.scope["kerberos"]
    return None if identity is None else str(identity)


class _Guards:
    """Two middlewares, of which one stands around those places where nobody has to sign in."""

    def __init__(self, app: Any, kerberos: Kerberos | None) -> None:
        self._guarded = KerberosMiddleware(app, kerberos)
        self._optional = KerberosMiddleware(app, kerberos, optional=True)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await (self._optional if scope.get("path") in MAYBE else self._guarded)(scope, receive, send)
