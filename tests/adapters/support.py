"""Requests made in process."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import anyio
import httpx

from ..support import HOSTNAME
from ..support.initiator import Initiator, reply_token

HOST = HOSTNAME
SECOND = "adapters.example.test"


class Answer:
    """An answer of any framework.

    Attributes:
        status: the status code.
        text: the body.
        challenges: the values of ``WWW-Authenticate``.
    """

    def __init__(self, status: int, text: str, challenges: list[str]) -> None:
        self.status = status
        self.text = text
        self.challenges = challenges


async def _call(app: Any, method: str, path: str, headers: Mapping[str, str]) -> httpx.Response:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
        return await client.request(method, path, headers=headers)


def ask(
    app: Any,
    path: str,
    authorization: str | None = None,
    *,
    method: str = "GET",
    backend: str = "asyncio",
    fields: Mapping[str, str] | None = None,
) -> Answer:
    """Make a request of an ASGI application, or of a Flask one."""
    headers = {**(fields or {}), **({} if authorization is None else {"Authorization": authorization})}
    if hasattr(app, "test_client") and not hasattr(app, "asgi_app"):
        with app.test_client().open(path, method=method, headers=headers) as response:
            return Answer(response.status_code, response.text, response.headers.getlist("WWW-Authenticate"))
    answer = anyio.run(_call, app, method, path, headers, backend=backend)
    return Answer(answer.status_code, answer.text, answer.headers.get_list("www-authenticate"))


def ask_for_headers(app: Any, authorization: str, fields: Mapping[str, str]) -> tuple[int, httpx.Headers]:
    """Make a request of an ASGI application with a ticket: the status and the headers of the response."""
    answer = anyio.run(_call, app, "GET", "/", {**fields, "Authorization": authorization})
    return answer.status_code, answer.headers


def check(app: Any, path: str, user: str, *, host: str = HOST, method: str = "GET", backend: str = "asyncio") -> None:
    """Nobody gets in without a ticket; with one the user does, and the reply comes once and verifies."""
    without = ask(app, path, method=method, backend=backend)
    assert (without.status, without.challenges) == (401, ["Negotiate"])
    initiator = Initiator(f"HTTP@{host}")
    answer = ask(app, path, initiator.header, method=method, backend=backend)
    assert (answer.status, answer.text) == (200, user)
    initiator.verify(reply_token(answer.challenges))
    assert len(answer.challenges) == 1


async def converse(app: Any, authorization: str | None, path: str = "/", goes: bool = True) -> list[Any]:
    """What an ASGI application sends on a WebSocket that says hello, and goes or waits for the application to end."""
    sent: list[Any] = []
    incoming = [{"type": "websocket.connect"}, {"type": "websocket.receive", "text": "hello"}]

    async def receive() -> Any:
        if not incoming and not goes:
            await anyio.sleep_forever()
        return incoming.pop(0) if incoming else {"type": "websocket.disconnect", "code": 1000}

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [] if authorization is None else [(b"authorization", authorization.encode())]
    scope: dict[str, Any] = {
        "type": "websocket",
        "path": path,
        "headers": headers,
        "query_string": b"",
        "scheme": "ws",
        "subprotocols": [],
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "extensions": {"websocket.http.response": {}} if path != "/" else {},
    }
    await app(scope, receive, send)
    return sent
