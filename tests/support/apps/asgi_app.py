"""The contract's application on ASGI alone, below the middleware."""

from __future__ import annotations

import json
from typing import Any

from async_kerberos.adapters.asgi import KerberosMiddleware
from async_kerberos.kerberos import default_kerberos

from . import MAYBE, OWN_CHALLENGE, OWN_HEADERS, Options, facts, given, pieces, who_it_is

Fields = list[tuple[bytes, bytes]]

_OWN: Fields = [(b"www-authenticate", OWN_CHALLENGE.encode())]
# What a framework would raise or have handled is here what it is in the end: a status.
_ANSWERS: dict[str, tuple[int, Fields]] = {
    "/redirect": (302, [(b"location", b"/hello")]),
    "/missing": (404, []),
    "/teapot": (418, []),
    "/both": (200, [(name.lower().encode(), value.encode()) for name, value in OWN_HEADERS.items()]),
    "/again": (401, _OWN),
    "/raised-again": (401, _OWN),
}


async def application(scope: Any, receive: Any, send: Any) -> None:
    """The application, unprotected."""
    if scope["type"] == "lifespan":
        await _live(receive, send)
    elif scope["type"] == "websocket":
        await _talk(scope, receive, send)
    else:
        await _answer(scope, receive, send)


async def _live(receive: Any, send: Any) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


def _places(scope: Any) -> str:
    identity = scope["kerberos"]
    return json.dumps({"scope": identity.principal, **facts(identity)})


async def _answer(scope: Any, receive: Any, send: Any) -> None:
    user = who_it_is(scope["kerberos"])
    path: str = scope["path"]
    status, fields = _ANSWERS.get(path, (200, []))
    body = [user.encode()]
    if path == "/who":
        body = [_places(scope).encode()]
    elif path == "/stream":
        body = pieces(user)
    elif path == "/echo":
        body.clear()
        more = True
        while more:
            message = await receive()
            body.append(message.get("body", b""))
            more = message.get("more_body", False)
    if path != "/stream":
        fields = [*fields, (b"content-length", str(len(b"".join(body))).encode())]
    await send({"type": "http.response.start", "status": status, "headers": fields})
    if scope["method"] != "HEAD":
        for piece in body:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def _talk(scope: Any, receive: Any, send: Any) -> None:
    assert (await receive())["type"] == "websocket.connect"
    own: Fields = [*_OWN, (b"x-own", b"yes")] if scope["path"] == "/ws-own" else []
    await send({"type": "websocket.accept", "headers": own})
    text = _places(scope) if scope["path"] == "/ws-who" else who_it_is(scope["kerberos"])
    await send({"type": "websocket.send", "text": text})
    await send({"type": "websocket.close", "code": 1000})


def build(options: Options | None) -> Any:
    """The application below the middleware."""
    app = KerberosMiddleware(application, **given(options))
    (app.kerberos or default_kerberos()).log_setup_once()  # not beside the first request, whose calls a test counts
    optional = KerberosMiddleware(application, app.kerberos, optional=True)

    async def dispatch(scope: Any, receive: Any, send: Any) -> None:
        await (optional if scope.get("path") in MAYBE else app)(scope, receive, send)

    return dispatch
