"""Servers of WSGI: on threads of this process, or in separate processes."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import werkzeug.serving

from .. import ROOT
from ..guards import ThreadGuard
from ..waiting import wait_until
from .thread import SECONDS, Server, ThreadServer, listening_socket


class Werkzeug(ThreadServer):
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


class _QuietRequestHandler(werkzeug.serving.WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log(self, type: str, message: str, *args: Any) -> None:
        """Log nothing."""


class Gunicorn(Server):
    """gunicorn with the worker ``gthread``, unless an option names another, in a separate process.

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
            "from tests.support.gunicorn_main import main; "
            f"main({self._factory!r}, {self._socket.fileno()}, {write}, {self._options!r})"
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
                self._process.wait(SECONDS)
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self._process.pid, signal.SIGKILL)


class Uwsgi(Server):
    """uWSGI, in a separate process.

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
                self._process.wait(SECONDS)
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self._process.pid, signal.SIGKILL)
