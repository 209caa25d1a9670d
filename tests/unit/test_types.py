"""The types of decorated views: mypy and pyright check what stands here, and the test that it is true at run time."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from flask import Response as FlaskResponse
from flask.views import MethodView
from quart import Response as QuartResponse
from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint, WebSocketEndpoint
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket
from typing_extensions import assert_type

from async_kerberos import Kerberos
from async_kerberos.adapters import asgi
from async_kerberos.adapters import flask as for_flask
from async_kerberos.adapters import quart as for_quart
from async_kerberos.adapters import starlette as for_starlette

KERBEROS = Kerberos(hostname="www.example.test")


@for_flask.requires_authentication
def flask_view(user: str, number: int) -> str:
    return f"{user} {number}"


@for_flask.requires_authentication()
async def flask_async_view(user: str, number: int) -> str:
    return f"{user} {number}"


class FlaskMethods(MethodView):
    @for_flask.requires_authentication(kerberos=KERBEROS)
    def get(self, user: str, number: int) -> str:
        return f"{user} {number}"

    @for_flask.requires_authentication
    async def post(self, user: str, number: int) -> str:
        return f"{user} {number}"


@for_quart.requires_authentication
async def quart_view(user: str, number: int) -> str:
    return f"{user} {number}"


@for_quart.requires_authentication()
def quart_sync_view(user: str, number: int) -> str:
    return f"{user} {number}"


@for_starlette.requires_authentication
async def starlette_view(user: str, request: Request) -> Response:
    return PlainTextResponse(user)


@for_starlette.requires_authentication()
def starlette_sync_view(user: str, request: Request) -> PlainTextResponse:
    return PlainTextResponse(user)


@for_starlette.requires_authentication(kerberos=KERBEROS)
async def starlette_websocket(user: str, websocket: WebSocket) -> None:
    await websocket.close()


class StarletteMethods(HTTPEndpoint):
    @for_starlette.requires_authentication
    async def get(self, user: str, request: Request) -> Response:
        return PlainTextResponse(user)


@for_starlette.requires_authentication
class StarletteEndpoint(WebSocketEndpoint):
    """An endpoint."""

    encoding = "text"


@for_flask.requires_authentication(optional=True)
def flask_open_view(user: str | None, number: int) -> str:
    return f"{user} {number}"


@for_flask.requires_authentication(optional=True)(realms=["EXAMPLE.TEST"])
async def flask_open_async_view(user: str | None) -> str:
    return f"{user}"


@for_quart.requires_authentication(optional=True)
async def quart_open_view(user: str | None, number: int) -> str:
    return f"{user} {number}"


@for_starlette.requires_authentication(kerberos=KERBEROS, optional=True)
async def starlette_open_view(user: str | None, request: Request) -> Response:
    return PlainTextResponse(f"{user}")


class OpenMethods(HTTPEndpoint):
    @for_starlette.requires_authentication(optional=True)
    async def get(self, user: str | None, request: Request) -> Response:
        return PlainTextResponse(f"{user}")


@for_starlette.requires_authentication(optional=True)
class OpenEndpoint(HTTPEndpoint):
    """An endpoint that is open."""


def of_users(user: str) -> str:
    return user


async def of_users_async(user: str) -> str:
    return user


async def of_users_and_requests(user: str, request: Request) -> Response:
    return PlainTextResponse(user)


def with_a_name(user: str, name: str | None) -> str:
    return f"{user} {name}"


async def asgi_app(scope: Any, receive: Any, send: Any) -> None: ...


async def types_as_the_checkers_see_them(methods: FlaskMethods, endpoint: StarletteMethods) -> None:
    assert_type(flask_view(number=1), str | FlaskResponse)
    assert_type(flask_async_view(1), str | FlaskResponse)
    assert_type(methods.get(1), str | FlaskResponse)
    assert_type(methods.post(number=1), str | FlaskResponse)
    assert_type(await quart_view(1), str | QuartResponse)
    assert_type(quart_sync_view(1), str | QuartResponse)
    starlette_function: Callable[[Request], Coroutine[Any, Any, Response]] = starlette_view
    sync_function: Callable[[Request], PlainTextResponse] = starlette_sync_view
    websocket_function: Callable[[WebSocket], Coroutine[Any, Any, None]] = starlette_websocket
    method: Callable[[Request], Coroutine[Any, Any, Response]] = endpoint.get
    assert_type(StarletteEndpoint, type[StarletteEndpoint])
    del starlette_function, sync_function, websocket_function, method
    assert_type(flask_open_view(1), str | FlaskResponse)
    assert_type(flask_open_async_view(), str | FlaskResponse)
    assert_type(await quart_open_view(number=1), str | QuartResponse)
    open_function: Callable[[Request], Coroutine[Any, Any, Response]] = starlette_open_view
    assert_type(OpenEndpoint, type[OpenEndpoint])
    del open_function
    # The last one given counts; without one, the decorator keeps what it has.
    for_flask.requires_authentication(optional=True)(optional=False)(of_users)
    for_flask.requires_authentication(realms=["EXAMPLE.TEST"])(of_users)
    # A view that takes more may be read as a method, which takes the user second. A checker cannot tell.
    for_flask.requires_authentication(optional=True)(with_a_name)
    # What the checkers must refuse; an ignore that is not needed is an error in turn.
    flask_view("alice", 1)  # type: ignore[call-arg, arg-type] # pyright: ignore[reportCallIssue]
    await quart_view(number="1")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    for_flask.init_kerberos(None)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    # A view that cannot be called for nobody.
    for_flask.requires_authentication(optional=True)(of_users)  # type: ignore[arg-type] # pyright: ignore[reportCallIssue, reportArgumentType]
    for_flask.requires_authentication(optional=True)(of_users_async)  # type: ignore[arg-type] # pyright: ignore[reportCallIssue, reportArgumentType]
    for_quart.requires_authentication(optional=True)(of_users_async)  # type: ignore[arg-type] # pyright: ignore[reportCallIssue, reportArgumentType]
    for_starlette.requires_authentication(optional=True)(of_users_and_requests)  # type: ignore[arg-type] # pyright: ignore[reportCallIssue, reportArgumentType]
    asgi.KerberosMiddleware(asgi_app, keytap="x")  # type: ignore[call-arg] # pyright: ignore[reportCallIssue]


def test_run_time_agrees() -> None:
    """Names, signatures and coroutine-ness are the view's, less the user; an async Flask view becomes a sync one."""
    for view in (flask_view, flask_async_view, quart_view, quart_sync_view, flask_open_view, quart_open_view):
        assert list(inspect.signature(view).parameters) == ["number"]
    for method in (FlaskMethods.get, FlaskMethods.post):
        assert list(inspect.signature(method).parameters) == ["self", "number"]
    for function in (starlette_view, starlette_sync_view, starlette_open_view):
        assert list(inspect.signature(function).parameters) == ["request"]
    for endpoint_method in (StarletteMethods.get, OpenMethods.get):
        assert list(inspect.signature(endpoint_method).parameters) == ["self", "request"]
    assert flask_async_view.__name__ == "flask_async_view"
    asynchronous = (quart_view, starlette_view, starlette_websocket, StarletteMethods.get)
    assert all(inspect.iscoroutinefunction(view) for view in asynchronous)
    synchronous = (flask_view, flask_async_view, FlaskMethods.post, quart_sync_view, starlette_sync_view)
    assert not any(inspect.iscoroutinefunction(view) for view in synchronous)
    assert (StarletteEndpoint.__name__, StarletteEndpoint.__doc__) == ("StarletteEndpoint", "An endpoint.")


def test_routes_take_them() -> None:
    """Starlette's routing takes decorated functions and classes as what they are."""
    app = Starlette(
        routes=[
            Route("/function", starlette_view),
            Route("/class", StarletteMethods),
            WebSocketRoute("/websocket", starlette_websocket),
            WebSocketRoute("/endpoint", StarletteEndpoint),
        ]
    )
    assert len(app.routes) == 4
    with pytest.raises(TypeError, match="neither an HTTPEndpoint nor a WebSocketEndpoint"):
        for_starlette.requires_authentication(Route)
