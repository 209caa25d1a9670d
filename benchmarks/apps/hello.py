"""The application that all ASGI sites share, and what is measured from within them."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

HOSTNAME = "www.example.test"
HELLO = "hello"
PROBE_PATH = "/probe"
_PROBE_SECONDS = 0.001


async def hello(request: Request) -> PlainTextResponse:
    """The same bytes for everybody."""
    return PlainTextResponse(HELLO)


def starlette() -> Starlette:
    """The application without any protection."""
    return Starlette(routes=[Route("/", hello)])


class Probed:
    """Measures how late the event loop is, in an application around which it stands.

    The first request to ``PROBE_PATH`` begins; the next one answers with what came of it: by how many seconds each
    sleep of a millisecond was longer.
    """

    def __init__(self, app: Callable[..., Awaitable[None]]) -> None:
        self._app = app
        self._task: asyncio.Task[None] | None = None
        self._late: list[float] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Handle one ASGI scope."""
        if scope["type"] != "http" or scope["path"] != PROBE_PATH:
            await self._app(scope, receive, send)
            return
        late: list[float] = []
        if self._task is None:
            self._task = asyncio.create_task(self._probe())
        else:
            self._task.cancel()
            self._task = None
            late, self._late = self._late, []
        await PlainTextResponse(json.dumps(late))(scope, receive, send)

    async def _probe(self) -> None:
        while True:
            begun = time.perf_counter()
            await asyncio.sleep(_PROBE_SECONDS)
            self._late.append(time.perf_counter() - begun - _PROBE_SECONDS)
