"""The clients that make the load."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from contextlib import closing

import pytest

from benchmarks import load
from benchmarks.scene import request


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.close_connection = self.path == "/closed"
        if self.close_connection:
            return
        self.send_response({"/forbidden": 403, "/challenged": 401}.get(self.path, 200))
        reply = {"/": "Negotiate oYG", "/challenged": "Negotiate", "/other": "Negotiate YII"}.get(self.path)
        if reply:
            self.send_header("WWW-Authenticate", reply)
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"hello")

    def log_message(self, format: str, *args: object) -> None:
        with _lock:
            _seen.append(self.headers["Authorization"])


_lock = threading.Lock()
_seen: list[str | None] = []


@pytest.fixture
def port() -> Iterator[int]:
    """A server that answers as it is asked to."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    _seen.clear()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.parametrize("connections", [1, 3, 50])
def test_each_request_once(port: int, connections: int) -> None:
    """Each request is sent once, whether there are more of them or of connections, and again over the same ones."""
    with closing(load.Clients(port, connections)) as opened:
        for begin in (0, 20):
            requests = [request(f"Negotiate {number}") for number in range(begin, begin + 20)]
            assert opened.send(requests, load.SIGNED_IN) > 0
    assert sorted(_seen, key=str) == sorted((f"Negotiate {number}" for number in range(40)), key=str)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/forbidden", load.OPEN),
        ("/forbidden", load.CHALLENGED),
        ("/challenged", load.SIGNED_IN),
        ("/open", load.SIGNED_IN),
        ("/other", load.SIGNED_IN),
        ("/", load.CHALLENGED),
        ("/closed", load.OPEN),
    ],
)
def test_wrong_answer(port: int, path: str, expected: load.Answer) -> None:
    """An answer that is not the expected one ends the measurement."""
    with closing(load.Clients(port, 1)) as opened, pytest.raises(load.WrongAnswerError):
        opened.send([request(path=path)], expected)


@pytest.mark.parametrize(("path", "expected"), [("/open", load.OPEN), ("/challenged", load.CHALLENGED)])
def test_right_answer(port: int, path: str, expected: load.Answer) -> None:
    """One that is, does not."""
    with closing(load.Clients(port, 2)) as opened:
        opened.send([request(path=path)] * 5, expected)


def test_fetch(port: int) -> None:
    """The body of one answer."""
    assert load.fetch(port, request()) == b"hello"
