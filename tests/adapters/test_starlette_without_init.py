"""Starlette without ``init_kerberos``: the decorated view itself sends the reply."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, cast

import anyio
import pytest
from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint, WebSocketEndpoint
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.websockets import WebSocket

from async_kerberos import Kerberos
from async_kerberos.adapters.starlette import init_kerberos, requires_authentication

from ..support.http import WebSocketClient
from ..support.initiator import Initiator, fresh, reply_token
from ..support.servers import Uvicorn
from .starlette_views import without_init
from .support import HOST, ask, ask_for_headers, converse


def test_without_init(user: str) -> None:
    """Without ``init_kerberos`` the reply comes on what a view returns, streams or raises as an HTTP error."""
    shared = PlainTextResponse("shared")
    shared_error = HTTPException(404)

    async def plain(user: str, request: Request) -> Response:
        return shared

    def sync(user: str, request: Request) -> Response:
        return shared

    async def stream(user: str, request: Request) -> Response:
        async def parts() -> AsyncIterator[str]:
            yield user

        return StreamingResponse(parts())

    async def missing(user: str, request: Request) -> Response:
        raise shared_error

    def missing_sync(user: str, request: Request) -> Response:
        raise HTTPException(status_code=404, headers={"WWW-Authenticate": "Other"})

    async def again(user: str, request: Request) -> Response:
        return PlainTextResponse("", 401)

    async def raise_again(user: str, request: Request) -> Response:
        raise HTTPException(401)

    app = without_init(
        ("/plain", plain),
        ("/sync", sync),
        ("/stream", stream),
        ("/missing", missing),
        ("/missing-sync", missing_sync),
        ("/again", again),
        ("/raise-again", raise_again),
    )
    for path, status in (("/plain", 200), ("/sync", 200), ("/stream", 200), ("/missing", 404)):
        for _ in range(2):  # what is returned or raised may be one object for all requests
            initiator = Initiator()
            answer = ask(app, path, initiator.header)
            assert answer.status == status
            assert len(answer.challenges) == 1
            initiator.verify(reply_token(answer.challenges))
    assert "www-authenticate" not in shared.headers
    assert not shared_error.headers
    assert ask(app, "/plain").challenges == ["Negotiate"]
    own, reply = ask(app, "/missing-sync", fresh()).challenges
    assert own == "Other"
    assert reply.startswith("Negotiate ")
    for path in ("/again", "/raise-again"):
        answer = ask(app, path, fresh())
        assert (answer.status, answer.challenges) == (401, [])


def test_what_varies(user: str) -> None:
    """What a view returns or raises has one field ``Vary``, with its own names and those that caches need."""

    async def returns(user: str, request: Request) -> Response:
        return PlainTextResponse("", headers={"Vary": "Accept"})

    async def raises(user: str, request: Request) -> Response:
        raise HTTPException(404, headers={"Vary": "Accept"})

    for view in (returns, raises):
        _, headers = ask_for_headers(without_init(("/", view)), fresh(), {})
        assert headers.get_list("vary") == ["Accept, Cookie, Authorization"]


def test_class_without_init(user: str) -> None:
    """A decorated class proves the server on what it raises too, and its own ``__await__`` is no way round."""
    decorate = requires_authentication(kerberos=Kerberos(hostname=HOST))

    @decorate
    class Resource(HTTPEndpoint):
        async def get(self, user: str, request: Request) -> Response:
            raise HTTPException(404)

        async def put(self, user: str, request: Request) -> Response:
            raise HTTPException(401)

        def __await__(self) -> Any:
            return PlainTextResponse("open")(self.scope, self.receive, self.send).__await__()

    app = Starlette(routes=[Route("/", Resource)])
    assert ask(app, "/").status == 401
    for method, status in (("GET", 404), ("POST", 405)):
        initiator = Initiator()
        answer = ask(app, "/", initiator.header, method=method)
        assert answer.status == status
        initiator.verify(reply_token(answer.challenges))
    assert ask(app, "/", fresh(), method="PUT").challenges == []


@pytest.mark.parametrize("way", ["called", "inherited"])
def test_dispatch_of_a_class(user: str, way: str) -> None:
    """The ``dispatch`` of a decorated class is guarded, also where it is called directly or inherited."""
    decorate = requires_authentication(kerberos=Kerberos(hostname=HOST))

    @decorate
    class Resource(HTTPEndpoint):
        async def get(self, user: str, request: Request) -> Response:
            return PlainTextResponse(user)

    @decorate
    class Socket(WebSocketEndpoint):
        async def on_connect(  # type: ignore[override] # the decorator calls it
            self, user: str, websocket: WebSocket
        ) -> None:
            await websocket.accept()
            await websocket.send_text(user)
            await websocket.close()

    class Inheriting(Resource):
        def __await__(self) -> Any:
            return self.dispatch().__await__()

    class InheritingSocket(Socket):
        def __await__(self) -> Any:
            return self.dispatch().__await__()

    async def resource(scope: Any, receive: Any, send: Any) -> None:
        await Resource(scope, receive, send).dispatch()

    async def socket(scope: Any, receive: Any, send: Any) -> None:
        await Socket(scope, receive, send).dispatch()

    guarded, guarded_socket = (resource, socket) if way == "called" else (Inheriting, InheritingSocket)
    app = Starlette(routes=[Mount("/http", app=cast("Any", guarded)), Mount("/ws", app=cast("Any", guarded_socket))])
    assert ask(app, "/http/").status == 401
    assert ask(app, "/http/", fresh()).text == user
    with Uvicorn(app) as server:
        with WebSocketClient(server.address, "/ws/") as denied:
            assert denied.response.status == 401
        with WebSocketClient(server.address, "/ws/", fresh()) as accepted:
            assert accepted.receive_text() == user


def test_cause_is_kept(user: str) -> None:
    """An HTTP error comes to the application's handler with the cause that the view gave it."""
    causes: list[BaseException | None] = []

    async def handle(request: Request, error: Exception) -> Response:
        causes.append(error.__cause__)
        return PlainTextResponse("", 404)

    async def missing(user: str, request: Request) -> Response:
        try:
            raise LookupError
        except LookupError as error:
            raise HTTPException(404) from error

    def missing_sync(user: str, request: Request) -> Response:
        raise HTTPException(404) from LookupError()

    for kerberos in (None, Kerberos(hostname=HOST)):
        decorate = requires_authentication(kerberos=kerberos)
        routes = [Route("/async", decorate(missing)), Route("/sync", decorate(missing_sync))]
        app = Starlette(routes=routes, exception_handlers={HTTPException: handle})
        if kerberos is None:
            init_kerberos(app, hostname=HOST)
        for path in ("/async", "/sync"):
            assert ask(app, path, fresh()).status == 404
    assert [type(cause) for cause in causes] == [LookupError] * 4


def test_websocket_without_init(user: str) -> None:
    """Without ``init_kerberos`` a WebSocket's function, and each handler of an endpoint, sees to itself."""
    decorate = requires_authentication(kerberos=Kerberos(hostname=HOST))

    async def talk(user: str, websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_text(user)
        await websocket.close()

    class Endpoint(WebSocketEndpoint):
        encoding = "text"

        @decorate
        async def on_receive(self, user: str, websocket: WebSocket, data: Any) -> None:
            await websocket.send_text(f"{user} {data}")

    function = Starlette(routes=[WebSocketRoute("/", decorate(talk))])
    endpoint = Starlette(routes=[WebSocketRoute("/", Endpoint)])
    initiator = Initiator()
    accept, text, _ = anyio.run(converse, function, initiator.header)
    (reply,) = [value.decode() for name, value in accept["headers"] if name == b"www-authenticate"]
    initiator.verify(reply_token([reply]))
    assert text["text"] == user
    assert anyio.run(converse, endpoint, fresh())[1]["text"] == f"{user} hello"
    # Once a connection is accepted, closing it is the only answer there is.
    closed = {"type": "websocket.close", "code": 1008, "reason": ""}
    assert anyio.run(converse, endpoint, None)[1:] == [closed]
    assert anyio.run(converse, function, None) == [closed]
