"""Real servers: in this process, on a thread of their own, or (gunicorn) in a process of their own."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import traceback
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, cast

import hypercorn.asyncio
import hypercorn.config
import hypercorn.trio
import trio
import uvicorn
import werkzeug.serving

from .guards import ThreadGuard
from .http import Address
from .waiting import wait_until

with warnings.catch_warnings():
    # uvicorn's implementation of this name uses a part of websockets that is on its way out.
    warnings.simplefilter("ignore")
    with contextlib.suppress(ImportError):
        importlib.import_module("uvicorn.protocols.websockets.websockets_impl")

# Hang guards: a server starts and stops within a second.
_SECONDS = 60.0

ROOT = Path(__file__).parents[2]

Head = list[tuple[str, str]]
"""The header fields of a request, in order."""


class Server(ABC):
    """A server that answers from entering until leaving.

    Attributes:
        address: where it answers.
        log: the file with what it logs, where it does not log in this process.
    """

    address: Address
    log: Path | None = None

    @abstractmethod
    def start(self) -> None:
        """Start, and return when requests are answered."""

    @abstractmethod
    def stop(self) -> None:
        """Stop, and return when nothing of it is left."""

    def __enter__(self) -> Server:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()


class _ThreadServer(Server):
    """A server on a thread of its own. It fails at the stop if it failed in between, or left asyncio tasks behind."""

    def __init__(self, threads: ThreadGuard | None = None) -> None:
        self._threads = threads
        self._ready = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name=type(self).__name__)
        self.tasks_left: list[str] = []

    def start(self) -> None:
        """Start."""
        if self._threads is not None:
            self._threads.adopt(self._thread)
        self._thread.start()
        if not self._ready.wait(_SECONDS) or self._failure is not None:
            raise RuntimeError("the server does not start") from self._failure

    def stop(self) -> None:
        """Stop."""
        self._ask_to_stop()
        self._thread.join(_SECONDS)
        if self._thread.is_alive():
            frames = sys._current_frames()  # pyright: ignore[reportPrivateUsage] (what it is documented for)
            frame = frames.get(self._thread.ident or 0)
            stack = "".join(traceback.format_stack(frame))
            raise RuntimeError(f"the server does not stop; it is here:\n{stack}")
        if self._failure is not None:
            raise RuntimeError("the server failed") from self._failure
        if self.tasks_left:
            raise RuntimeError(f"the server's loop has tasks left: {self.tasks_left}")

    def cpu_seconds(self) -> float:
        """The processor time that the server's thread has taken so far."""
        assert self._thread.ident is not None
        return time.clock_gettime(time.pthread_getcpuclockid(self._thread.ident))

    def _run(self) -> None:
        try:
            self._serve()
        except BaseException as error:
            self._failure = error
        finally:
            self._ready.set()

    def _note_tasks(self) -> None:
        self.tasks_left = [
            repr(task)
            for task in asyncio.all_tasks() - {asyncio.current_task()}
            if "async_kerberos" in repr(task) and not task.done()
        ]

    @abstractmethod
    def _serve(self) -> None: ...

    @abstractmethod
    def _ask_to_stop(self) -> None: ...


def listening_socket() -> socket.socket:
    """A socket on a free port of 127.0.0.1."""
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind(("127.0.0.1", 0))
    return listening


class Uvicorn(_ThreadServer):
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


class Hypercorn(_ThreadServer):
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


class Werkzeug(_ThreadServer):
    """werkzeug's development server, a thread for each connection.

    Args:
        app: a WSGI application.
        ssl_context: the files of a certificate and its key, to serve over TLS.
    """

    def __init__(
        self, app: Any, *, threads: ThreadGuard | None = None, ssl_context: tuple[str, str] | None = None
    ) -> None:
        super().__init__(threads)
        self._server = werkzeug.serving.make_server(
            "127.0.0.1", 0, app, threaded=True, request_handler=_QuietRequestHandler, ssl_context=ssl_context
        )
        # Leaving, it waits for the threads of its connections.
        cast("Any", self._server).daemon_threads = False
        cast("Any", self._server).block_on_close = True
        self.address = ("127.0.0.1", self._server.server_port)

    def _serve(self) -> None:
        self._ready.set()
        self._server.serve_forever(poll_interval=0.02)

    def _ask_to_stop(self) -> None:
        self._server.shutdown()


class Relay(_ThreadServer):
    """Passes connections on to a server: a reverse proxy that ends TLS, or a man in the middle.

    Args:
        upstream: the server's address.
        certificate: the context of its own side, to speak TLS with clients; None for plain HTTP.
        trust: the context that it checks the server's certificate by, to speak TLS with it; None for plain HTTP.
        rewrite: what it makes of the head of a request, given the client's host; None to leave requests as they are.
            They must not have bodies.
        source: the address that it calls the server from.
    """

    def __init__(
        self,
        upstream: Address,
        *,
        certificate: ssl.SSLContext | None = None,
        trust: ssl.SSLContext | None = None,
        rewrite: Callable[[Head, str], Head] | None = None,
        source: str = "127.0.0.1",
        threads: ThreadGuard | None = None,
    ) -> None:
        super().__init__(threads)
        assert not isinstance(upstream, str)
        self._upstream = upstream
        self._certificate = certificate
        self._trust = trust
        self._rewrite = rewrite
        self._source = source
        self._socket = listening_socket()
        self.address = self._socket.getsockname()
        self._stop: Callable[[], None] = lambda: None

    def _serve(self) -> None:
        asyncio.run(self._serve_on_asyncio())

    async def _serve_on_asyncio(self) -> None:
        loop = asyncio.get_running_loop()
        stop = asyncio.Event()
        self._stop = lambda: cast("None", loop.call_soon_threadsafe(stop.set))
        open_connections: set[asyncio.Task[None]] = set()

        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.ensure_future(self._relay(reader, writer))
            open_connections.add(task)
            task.add_done_callback(open_connections.discard)

        server = await asyncio.start_server(accept, sock=self._socket, ssl=self._certificate)
        self._ready.set()
        await stop.wait()
        server.close()
        for task in open_connections:
            task.cancel()
        failures = await asyncio.gather(*open_connections, return_exceptions=True)
        for failure in failures:
            if isinstance(failure, Exception) and not isinstance(failure, OSError):
                raise failure

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        client: str = writer.get_extra_info("peername")[0]
        host, port = self._upstream
        server_reader, server_writer = await asyncio.open_connection(
            host, port, ssl=self._trust, local_addr=(self._source, 0)
        )
        try:
            there = self._pass_requests(reader, server_writer, client)
            back = _pass_bytes(server_reader, writer)
            pumps = [asyncio.ensure_future(pump) for pump in (there, back)]
            # Whoever hangs up, the other side is told.
            _, pending = await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            for pump in pending:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
        finally:
            for end in (server_writer, writer):
                end.transport.abort()

    async def _pass_requests(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, client: str) -> None:
        if self._rewrite is None:
            await _pass_bytes(reader, writer)
            return
        with contextlib.suppress(asyncio.IncompleteReadError):
            while True:
                first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")[:-2]
                head = [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines)]
                head = self._rewrite(head, client)
                text = "\r\n".join([first, *(f"{name}: {value}" for name, value in head), "", ""])
                writer.write(text.encode("latin-1"))
                await writer.drain()

    def _ask_to_stop(self) -> None:
        self._stop()


async def _pass_bytes(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()


class _QuietRequestHandler(werkzeug.serving.WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log(self, type: str, message: str, *args: Any) -> None:
        """Log nothing."""


class Gunicorn(Server):
    """gunicorn with the worker ``gthread``, in a process of its own.

    Args:
        factory: ``module:function`` of what makes the application, without arguments.
        folder: for its log.
        env: variables for the process, added to this one's.
        options: further settings of gunicorn's: texts, as on its command line.
    """

    def __init__(self, factory: str, folder: Path, *, env: Mapping[str, str] | None = None, **options: str) -> None:
        self._factory = factory
        self._options = options
        self._env = dict(env or {})
        self.log = folder / f"gunicorn-{os.getpid()}-{id(self)}.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._socket = listening_socket()
        self.address = self._socket.getsockname()

    def start(self) -> None:
        """Start."""
        assert self.log is not None
        read, write = os.pipe()
        # Appended, so that an installed package is found before this source tree.
        code = (
            f"import sys; sys.path.append({str(ROOT)!r}); "
            # The program sets some settings; these become the defaults of others.
            f"import gunicorn.config; given = {self._options!r}; "
            "[setattr(known, 'default', given[known.name])"
            " for known in gunicorn.config.KNOWN_SETTINGS if known.name in given]; "
            f"from tests.support.gunicorn_main import main; main({self._factory!r}, {self._socket.fileno()}, {write})"
        )
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-W", "error", "-c", code],
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **self._env},
                pass_fds=(self._socket.fileno(), write),
                start_new_session=True,
            )
        os.close(write)
        # The worker writes one byte when it is ready; the end of the pipe without it is the end of the process.
        with os.fdopen(read, "rb") as pipe:
            ready = pipe.read(1)
        if ready != b"1":
            self.stop()
            raise RuntimeError(f"gunicorn does not start: {self.log.read_text()}")

    def stop(self) -> None:
        """Stop."""
        self._socket.close()
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(_SECONDS)
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self._process.pid, signal.SIGKILL)


class Uwsgi(Server):
    """uWSGI, in a process of its own.

    Args:
        factory: ``module:function`` of what makes the application, without arguments.
        folder: for its log.
        door: ``http-socket``, where its workers speak HTTP, or ``http``, where its router does and passes requests on.
        env: variables for the process, added to this one's.
    """

    def __init__(self, factory: str, folder: Path, *, door: str, env: Mapping[str, str] | None = None) -> None:
        self._factory = factory
        self._door = door
        self._env = dict(env or {})
        self.log = folder / f"uwsgi-{os.getpid()}-{id(self)}.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._socket = listening_socket()
        self._socket.listen()
        self.address = self._socket.getsockname()

    def start(self) -> None:
        """Start."""
        assert self.log is not None
        options = [
            f"--{self._door}=fd://{self._socket.fileno()}",
            f"--module={self._factory}()",
            f"--pythonpath={ROOT}",
        ]
        # An application may start threads: it is made in the worker.
        options += ["--master", "--lazy-apps", "--need-app", "--threads=4"]
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-c", "import pyuwsgi; pyuwsgi.run()", *options],
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **self._env},
                pass_fds=[self._socket.fileno()],
                start_new_session=True,
            )
        process, path = self._process, self.log
        wait_until(lambda: process.poll() is not None or b"WSGI app 0 " in path.read_bytes(), "uWSGI starts")
        if process.poll() is not None:
            raise RuntimeError(f"uWSGI does not start: {path.read_text()}")

    def stop(self) -> None:
        """Stop."""
        self._socket.close()
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)  # SIGTERM would make it start anew
            try:
                self._process.wait(_SECONDS)
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self._process.pid, signal.SIGKILL)
