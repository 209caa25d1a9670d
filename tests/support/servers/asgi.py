"""Servers of ASGI, on a thread of this process."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import socket
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import hypercorn.asyncio
import hypercorn.config
import hypercorn.trio
import trio
import uvicorn

from ..guards import ThreadGuard
from .thread import ThreadServer, listening_socket

with warnings.catch_warnings():
    # uvicorn's implementation of this name uses a part of websockets that is on its way out.
    warnings.simplefilter("ignore")
    with contextlib.suppress(ImportError):
        importlib.import_module("uvicorn.protocols.websockets.websockets_impl")


# After which a server closes an idle connection. On a busy machine, a client may think for longer than the five seconds
# that uvicorn and Hypercorn give it.
_IDLE_SECONDS = 60


class Uvicorn(ThreadServer):
    """uvicorn.

    Args:
        app: an ASGI application.
        http: ``h11`` or ``httptools``.
        ws: ``wsproto``, ``websockets`` or ``websockets-sansio``.
        uds: the path of a Unix socket, instead of a port.
        options: further ones of ``uvicorn.Config``.
    """

    def __init__(
        self,
        app: Any,
        *,
        http: str = "h11",
        ws: str = "wsproto",
        uds: Path | None = None,
        threads: ThreadGuard | None = None,
        **options: Any,
    ) -> None:
        super().__init__(threads)
        options.setdefault("timeout_keep_alive", _IDLE_SECONDS)
        config = uvicorn.Config(
            app,
            http=cast("Any", http),
            ws=cast("Any", ws),
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=5,
            loop="asyncio",
            interface="asgi3",
            **options,
        )
        self._server = _ReadyServer(config, self._ready)
        self._socket = listening_socket() if uds is None else socket.socket(socket.AF_UNIX)
        if uds is not None:
            self._socket.bind(str(uds))
        self.address = str(uds) if uds is not None else self._socket.getsockname()

    def _serve(self) -> None:
        async def main() -> None:
            await self._server.serve(sockets=[self._socket])
            self._note_tasks()

        with self._socket:
            asyncio.run(main())

    def _ask_to_stop(self) -> None:
        self._server.should_exit = True


class _ReadyServer(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, ready: threading.Event) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready.set()


class Hypercorn(ThreadServer):
    """Hypercorn, on asyncio or on trio.

    Args:
        app: an ASGI application.
        loop: ``asyncio`` or ``trio``.
        options: further settings of ``hypercorn.Config``.
    """

    def __init__(self, app: Any, *, loop: str = "asyncio", threads: ThreadGuard | None = None, **options: Any) -> None:
        super().__init__(threads)
        self._app = app
        self._loop = loop
        self._stop: Callable[[], None] = lambda: None
        # Hypercorn takes a socket over by its descriptor. This one listens, so that connections wait until it accepts.
        listening = listening_socket()
        listening.listen()
        self.address = listening.getsockname()
        self._config = hypercorn.config.Config()
        self._config.bind = [f"fd://{listening.detach()}"]
        self._config.graceful_timeout = 5.0
        self._config.keep_alive_timeout = _IDLE_SECONDS
        self._config.accesslog = None
        self._config.errorlog = None
        for name, value in options.items():
            setattr(self._config, name, value)

    def _serve(self) -> None:
        if self._loop == "trio":
            trio.run(self._serve_on_trio)
        else:
            asyncio.run(self._serve_on_asyncio())

    async def _serve_on_asyncio(self) -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        self._stop = lambda: cast("None", loop.call_soon_threadsafe(stop.set))
        self._ready.set()

        async def stopped() -> None:
            await stop.wait()

        await cast("Any", hypercorn.asyncio).serve(self._app, self._config, shutdown_trigger=stopped)
        self._note_tasks()

    async def _serve_on_trio(self) -> None:
        stop = trio.Event()
        token = trio.lowlevel.current_trio_token()
        self._stop = lambda: token.run_sync_soon(stop.set)
        self._ready.set()

        async def stopped() -> None:
            await stop.wait()

        await cast("Any", hypercorn.trio).serve(self._app, self._config, shutdown_trigger=stopped)

    def _ask_to_stop(self) -> None:
        self._stop()
