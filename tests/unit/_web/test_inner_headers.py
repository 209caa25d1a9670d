"""The option ``user_header``: which names it takes, what goes and what stays, who sees which header."""

from __future__ import annotations

from typing import Any

import pytest

from async_kerberos import ConfigurationError
from async_kerberos._web.asgi import Message, Receive, Send, state_of
from async_kerberos._web.inner_headers import InnerHeadersMiddleware
from async_kerberos._web.nearest import Scope
from async_kerberos.adapters.asgi import KerberosMiddleware

BOB = b"bob@EXAMPLE.COM"


async def nobody(scope: Scope, receive: Receive, send: Send) -> None:
    raise AssertionError("the application was called")


@pytest.mark.parametrize(
    "name",
    [
        *["", " ", "Remote User", "Remote-User ", "Remote-User:", "Remote-Us\xe9r", "Remote\nUser", b"Remote-User", 1],
        *[
            "Authorization",
            "AUTHORIZATION",
            "Host",
            "Cookie",
            "Connection",
            "Transfer-Encoding",
            "Content-Length",
            "TE",
        ],
        *["Content_Length", "Upgrade", "Forwarded", "X-Forwarded-For", "X_Forwarded_Proto", "Sec-WebSocket-Key"],
        *["REMOTE_USER", "Remote_User"],
        *["Origin", "Sec-Fetch-Site", "Expect", "Trailer", "Accept", "Accept-Encoding", "Proxy-Authorization"],
    ],
)
def test_wrong_name(name: Any) -> None:
    """A name that no header can have, or that has another meaning, is refused where it is given."""
    with pytest.raises(ConfigurationError, match=r"^user_header: .*'Remote-User'") as caught:
        KerberosMiddleware(nobody, user_header=name)
    assert caught.value.option == "user_header"


async def pass_through(name: str, fields: list[tuple[bytes, bytes]], principal: str, type: str = "http") -> Any:
    """The header fields that the application gets."""
    seen: list[Any] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope["headers"])

    async def send(message: Message) -> None:
        seen.append(message)

    given = list(fields)
    scope: Scope = {"type": type, "headers": given}
    state_of(scope).username = principal
    await InnerHeadersMiddleware(app, name)(scope, cannot_receive, send)
    # What the client sent is still what those further out see.
    assert scope["headers"] is given
    assert given == fields
    return seen[0]


async def cannot_receive() -> Message:
    raise AssertionError("the body was read")


@pytest.mark.anyio
@pytest.mark.parametrize(
    "spelling",
    [
        *[
            b"remote-user",
            b"Remote-User",
            b"REMOTE-USER",
            b"remote_user",
            b"Remote_User",
            b"rEMOTE-uSER",
            b"remote.user",
        ],
        *[b"remote-user ", b" remote-user", b"remote-user\t", b"remote-user\x00", b"remote user", b"remote\xa0user"],
    ],
)
@pytest.mark.parametrize("type", ["http", "websocket"])
async def test_spelling(spelling: bytes, type: str) -> None:
    """Every spelling of the header is struck out, however often it comes; the user's own name stands there once."""
    others = [
        (b"remote-user-agent", b"x"),
        (b"x-remote-user", b"x"),
        (b"authorization", b"Negotiate"),
        (b"cookie", b""),
    ]
    fields = [(spelling, BOB), *others, (spelling, BOB), (b"remote-user", BOB)]
    for name in ("Remote-User", "remote-user", "REMOTE.USER"):
        assert await pass_through(name, fields, "alice@EXAMPLE.COM", type) == [
            *others,
            (name.lower().encode(), b"alice@EXAMPLE.COM"),
        ]


@pytest.mark.anyio
async def test_letter_that_becomes_two() -> None:
    """A name that upper-casing makes another name of, as Django does it, is struck out."""
    fields = [(b"x-se\xdfion-user", BOB)]
    assert fields[0][0].decode("latin-1").upper() == "X-SESSION-USER"
    assert await pass_through("X-Session-User", fields, "alice") == [(b"x-session-user", b"alice")]


@pytest.mark.anyio
@pytest.mark.parametrize("principal", ["\u0142ukasz@EXAMPLE.COM", "m\xfcller@EXAMPLE.COM", "m\xc3\xbcller@EXAMPLE.COM"])
async def test_utf_8(principal: str) -> None:
    """A name is written in UTF-8, so that no two names become the same bytes."""
    assert await pass_through("Remote-User", [], principal) == [(b"remote-user", principal.encode())]


@pytest.mark.anyio
@pytest.mark.parametrize(
    "principal", [" alice", "alice ", "al\rice", "al\nice", "al\0ice", "al\x85ice", "al\x7fice", "\u3000a"]
)
async def test_no_value(principal: str, caplog: pytest.LogCaptureFixture) -> None:
    """A name that somebody would strip, or take for the end of the header, is refused, and the log says why."""
    start = await pass_through("Remote-User", [], principal)
    assert start["status"] == 403
    said = f"Kerberos: 403 for a client: not authorised (no header can have the name {principal!a}: rename the user)"
    assert said in caplog.text


@pytest.mark.anyio
async def test_lifespan() -> None:
    """The lifespan has no user, and passes as it came."""
    scopes: list[Scope] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scopes.append(scope)

    async def send(message: Message) -> None: ...

    lifespan: Scope = {"type": "lifespan", "state": {}}
    await KerberosMiddleware(app, user_header="Remote-User")(lifespan, cannot_receive, send)
    assert scopes[0] is lifespan


@pytest.mark.anyio
async def test_notes() -> None:
    """What the application notes in its scope reaches the middlewares around it, with each message and at the end.

    What they have noted in the meantime stays.
    """
    scope: Scope = {"type": "http", "headers": [], "outer": 1, "both": 1}
    seen: list[Any] = []

    async def app(inner: Scope, receive: Receive, send: Send) -> None:
        inner["route"] = "/items/{id}"
        inner["both"] = 2
        inner["headers"] = []
        await send({"type": "http.response.start", "status": 200})
        assert inner["outer"] == 1
        inner["endpoint"] = nobody
        raise RuntimeError

    async def send(message: Message) -> None:
        seen.append((scope["route"], scope["both"], message["status"]))
        scope["outer"] = 2

    headers = scope["headers"]
    with pytest.raises(RuntimeError):
        await InnerHeadersMiddleware(app, "Remote-User")(scope, cannot_receive, send)
    assert seen == [("/items/{id}", 2, 200)]
    assert (scope["endpoint"], scope["outer"]) == (nobody, 2)
    assert scope["headers"] is headers
