"""What measures, within a site, how late its event loop is."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

from starlette.responses import PlainTextResponse

from . import PROBE_PATH

_SECONDS = 0.001


class Probed:
    """An application, and beside it a task that sleeps for a millisecond again and again.

    The first request to ``PROBE_PATH`` starts the task. The second one ends it, and its answer says by how many seconds
    each sleep was too long.
    """

    def __init__(self, app: Any) -> None:
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
            await asyncio.sleep(_SECONDS)
            self._late.append(time.perf_counter() - begun - _SECONDS)
