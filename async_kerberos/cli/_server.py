"""The example applications, and the servers that the demo runs them on."""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import runpy
import socket
import threading
import time
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import KerberosError

# The demo runs the same files that readers copy from, so the code that they see is the code that runs. These files are
# no modules of the package. In a checkout (also an editable installation) they are in the top-level folder `examples`;
# the wheel has a copy of that folder beside this file.
_HERE = Path(__file__).parent
_EXAMPLE_FOLDERS = (_HERE / "examples", _HERE.parents[1] / "examples")

_START_SECONDS = 20.0
_STOP_SECONDS = 5.0


class DemoError(KerberosError):
    """The demo cannot go on; the text says why."""


@dataclass(frozen=True)
class Example:
    """One of the example applications.

    Attributes:
        title: the framework's name.
        file: the file's name.
        server: the name of the server that the demo runs it on.
        modules: modules that this example needs, named as the distributions that contain them.
    """

    title: str
    file: str
    server: str
    modules: tuple[str, ...]

    @property
    def path(self) -> Path:
        """Where the file is.

        Raises:
            DemoError: the file is missing.
        """
        for folder in _EXAMPLE_FOLDERS:
            if (folder / self.file).is_file():
                return folder / self.file
        raise DemoError(f"this installation has no examples: {self.file} is not in {_EXAMPLE_FOLDERS[0]}")

    def load(self) -> Any:
        """Run the file and return its application. This writes no bytecode.

        Raises:
            DemoError: the file is missing.
        """
        return runpy.run_path(str(self.path), run_name="async_kerberos_example")["app"]


EXAMPLES = {
    # The example has an async view, for which Flask needs asgiref.
    "flask": Example("Flask", "flask_app.py", "werkzeug", ("flask", "asgiref")),
    "quart": Example("Quart", "quart_app.py", "uvicorn", ("quart", "uvicorn")),
    "starlette": Example("Starlette", "starlette_app.py", "uvicorn", ("starlette", "uvicorn")),
    "fastapi": Example("FastAPI", "fastapi_app.py", "uvicorn", ("fastapi", "uvicorn")),
    "asgi": Example("ASGI", "asgi_app.py", "uvicorn", ("uvicorn",)),
    "wsgi": Example("WSGI", "wsgi_app.py", "werkzeug", ("werkzeug",)),
}


def missing_modules(example: Example) -> list[str]:
    """The modules that the demo of an example needs and that are not installed."""
    return [name for name in (*example.modules, "k5test") if importlib.util.find_spec(name) is None]


def listen(port: int) -> socket.socket:
    """Open the socket to serve on. The demo does this first, so that a taken port ends it before it starts anything.

    Args:
        port: a port of 127.0.0.1; 0 for any.

    Raises:
        DemoError: the port is taken, or not allowed.
    """
    listener = socket.socket()
    try:
        # Otherwise, the port stays taken for a minute after a demo ends. A port in use is refused all the same.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen()
    except OSError as error:
        listener.close()
        raise DemoError(
            f"cannot serve on port {port} of 127.0.0.1: {error.strerror}. Choose another one with --port, or any free "
            "one with --port 0"
        ) from error
    return listener


@contextlib.contextmanager
def serving(example: Example, app: Any, listener: socket.socket) -> Generator[threading.Thread, None, None]:
    """Run the application on its server, on a thread of this process, so that no process can outlive the demo.

    Yields:
        The thread, which ends when the server does.

    Raises:
        DemoError: the server did not start; its log says why.
    """
    with (_werkzeug if example.server == "werkzeug" else _uvicorn)(app, listener) as thread:
        yield thread


@contextlib.contextmanager
def _uvicorn(app: Any, listener: socket.socket) -> Generator[threading.Thread, None, None]:
    import uvicorn

    # Otherwise, uvicorn would wait until clients close their WebSockets.
    config = uvicorn.Config(app, log_config=None, log_level=None, timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="demo server", daemon=True)
    try:
        thread.start()
        deadline = time.monotonic() + _START_SECONDS
        while not server.started:
            if not thread.is_alive() or time.monotonic() > deadline:
                raise DemoError("the server did not start; its log is above")
            time.sleep(0.01)
        yield thread
    finally:
        server.should_exit = True
        thread.join(_STOP_SECONDS)


@contextlib.contextmanager
def _werkzeug(app: Any, listener: socket.socket) -> Generator[threading.Thread, None, None]:
    from werkzeug.serving import WSGIRequestHandler, make_server

    class Handler(WSGIRequestHandler):
        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            # In uvicorn's format. Werkzeug's own line always contains colours.
            status = int(code) if isinstance(code, int) else code
            logging.getLogger("werkzeug").info('%s - "%s" %s', self.address_string(), self.requestline, status)

    host, port = listener.getsockname()
    server = make_server(host, port, app, threaded=True, request_handler=Handler, fd=listener.fileno())
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), name="demo server", daemon=True)
    thread.start()
    try:
        yield thread
    finally:
        server.shutdown()
        thread.join(_STOP_SECONDS)
