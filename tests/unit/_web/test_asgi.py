"""The ASGI plumbing that needs no ticket: which scopes reach the application, how a denial is sent."""

from __future__ import annotations

import contextvars
import inspect
from collections.abc import Generator
from typing import Any, cast

import pytest
from asgiref.compatibility import guarantee_single_callable  # pyright: ignore[reportUnknownVariableType] (no types)

from async_kerberos import ConfigurationError, Identity, Kerberos, KerberosError, UnsupportedScopeError
from async_kerberos._web.asgi import CarrierMiddleware, Message, Receive, Send, state_of
from async_kerberos._web.nearest import Scope
from async_kerberos.adapters.asgi import KerberosMiddleware

from ...support.asking import found

pytestmark = pytest.mark.anyio


class App:
    """An application that notes which scopes it was called with."""

    def __init__(self) -> None:
        self.scopes: list[Scope] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scopes.append(scope)


async def call(app: Any, scope: Scope) -> list[Message]:
    sent: list[Message] = []

    async def receive() -> Message:
        raise AssertionError("the body was read")

    async def send(message: Message) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return sent


async def test_http(anyio_backend: str) -> None:
    """A request without credentials gets a 401 before its body is read, and does not reach the application."""
    app = App()
    start, body = await call(KerberosMiddleware(app), {"type": "http", "headers": []})
    assert app.scopes == []
    assert start["status"] == 401
    assert (b"www-authenticate", b"Negotiate") in start["headers"]
    assert body["body"] == b"Unauthorized"
    assert dict(start["headers"])[b"content-length"] == b"12"


@pytest.mark.parametrize("extensions", [None, {}, {"websocket.http.response": {}}])
async def test_websocket(anyio_backend: str, extensions: Any) -> None:
    """A handshake without credentials gets a 401 where the server can send one, and is closed where it cannot."""
    app = App()
    scope: Scope = {"type": "websocket", "headers": [], "extensions": extensions}
    messages = await call(KerberosMiddleware(app), scope)
    assert app.scopes == []
    if extensions:
        assert [message["type"] for message in messages] == [
            "websocket.http.response.start",
            "websocket.http.response.body",
        ]
        assert messages[0]["status"] == 401
    else:
        assert messages == [{"type": "websocket.close", "code": 1008, "reason": ""}]


@pytest.mark.parametrize(("version", "closes"), [("1.1", True), ("2", False)])
async def test_denied_websocket_closes(anyio_backend: str, version: str, closes: bool) -> None:
    """A denial of a handshake says that the connection ends, where there is a field for it."""
    scope: Scope = {"type": "websocket", "headers": [], "http_version": version}
    scope["extensions"] = {"websocket.http.response": {}}
    start, _ = await call(KerberosMiddleware(App()), scope)
    assert ((b"connection", b"close") in start["headers"]) is closes


async def test_lifespan(anyio_backend: str) -> None:
    """Lifespan events reach the application."""
    app = App()
    await call(KerberosMiddleware(app), {"type": "lifespan"})
    assert [scope["type"] for scope in app.scopes] == ["lifespan"]


async def test_unknown_scope(anyio_backend: str) -> None:
    """A scope of a type that is not known never reaches the application."""
    app = App()
    with pytest.raises(UnsupportedScopeError) as caught:
        await call(KerberosMiddleware(app), {"type": "webtransport", "headers": []})
    assert caught.value.scope_type == "webtransport"
    assert isinstance(caught.value, KerberosError)
    assert app.scopes == []


@pytest.mark.parametrize("middleware", [KerberosMiddleware, CarrierMiddleware])
async def test_looks_like_asgi(anyio_backend: str, middleware: Any) -> None:
    """Servers, and middlewares around it as those that trace requests, see that it is an application of ASGI 3."""
    app = App()
    wrapped = cast("Any", guarantee_single_callable)(middleware(app, kerberos=Kerberos(hostname="www.example.test")))
    assert inspect.iscoroutinefunction(middleware.__call__)
    await call(wrapped, {"type": "lifespan"})
    assert app.scopes == [{"type": "lifespan"}]


def test_options() -> None:
    """A middleware takes a ``Kerberos``, or its options, and not both."""
    app = App()
    kerberos = Kerberos(hostname="a.example")
    assert KerberosMiddleware(app, kerberos).kerberos is kerberos
    own = KerberosMiddleware(app, hostname="b.example", cross_site="allow").kerberos
    assert own is not None
    assert (own.hostname, own.cross_site) == ("b.example", "allow")
    assert KerberosMiddleware(app).kerberos is None
    assert KerberosMiddleware(app, cross_site="allow").kerberos is None
    assert KerberosMiddleware(app, kerberos, cross_site="allow").kerberos is kerberos
    with pytest.raises(ConfigurationError, match="hostname"):
        KerberosMiddleware(app, kerberos, hostname="b.example")
    with pytest.raises(ConfigurationError, match="failure_status"):
        KerberosMiddleware(app, failure_status=404)


@pytest.mark.parametrize("client", [None, (None, 0), ("", 0), ("192.0.2.7", None)])
async def test_peer_that_is_hardly_known(client: object) -> None:
    """Whatever little a server knows of the client, the request is answered: uvicorn 0.30 may know no host."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.disconnect"}

    scope: Scope = {"type": "http", "headers": [], "client": client}
    await KerberosMiddleware(App())(scope, receive, send)
    assert sent[0]["status"] == 401


def test_closed_in_another_context() -> None:
    """A request that is torn down with its loop, in another context than it ran in, ends quietly."""
    kerberos = Kerberos(hostname="www.example.test")
    authorization = ("Negotiate YII=",)
    scope: Scope = {
        "type": "http",
        "headers": [(b"authorization", authorization[0].encode())],
        "client": None,
    }
    state_of(scope).checked = found(Identity("alice@EXAMPLE.TEST"), (), kerberos, authorization).checked
    seen: list[object] = []

    class Waiting:
        def __await__(self) -> Generator[None, None, None]:
            yield

    async def wait(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope["kerberos"])
        await Waiting()

    async def nothing(*message: object) -> Any:
        raise AssertionError(message)

    request = KerberosMiddleware(wait, kerberos=kerberos)(scope, nothing, nothing)
    contextvars.copy_context().run(request.send, None)
    request.close()
    assert seen == [Identity("alice@EXAMPLE.TEST")]
    assert state_of(scope).over
