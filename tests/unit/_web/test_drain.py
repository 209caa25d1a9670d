"""The rest of a refused request's body: what is dropped, within which limits, and what the application gets."""

from __future__ import annotations

import contextlib
import io
import socket
import threading
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from async_kerberos import ConfigurationError, Denied, DrainLimits, Kerberos
from async_kerberos._web import drain
from async_kerberos._web.asgi import CarrierMiddleware, authenticate_scope, request_of, state_of, watch_body
from async_kerberos._web.drain import Body, Message, drop_from_socket, drop_pieces, has_streams, watched
from async_kerberos._web.nearest import Protection
from async_kerberos.adapters.asgi import KerberosMiddleware

BACKENDS = ["asyncio", "trio"]

LIMITS = DrainLimits(bytes=1000, seconds=30)


class Server:
    """What sends the messages of a body, and then waits."""

    def __init__(self, *sizes: int, ends: bool = True) -> None:
        self.messages: list[Message] = [
            {"type": "http.request", "body": bytes(size), "more_body": True} for size in sizes
        ]
        if ends:
            self.messages[-1]["more_body"] = False
        self.waits = 0

    async def receive(self) -> Message:
        if not self.messages:
            self.waits += 1
            await anyio.sleep_forever()
        await anyio.lowlevel.checkpoint()
        return self.messages.pop(0)


def run(backend: str, function: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    async def bounded() -> Any:
        with anyio.fail_after(30):
            return await function()

    return anyio.run(bounded, backend=backend)


@pytest.mark.parametrize("backend", BACKENDS)
def test_all_is_dropped(backend: str) -> None:
    """All is read up to the last message, and nothing is waited for after that."""
    server = Server(10, 20, 30)
    run(backend, lambda: Body(server.receive).drop(LIMITS))
    assert (server.messages, server.waits) == ([], 0)


@pytest.mark.parametrize("backend", BACKENDS)
def test_bytes(backend: str) -> None:
    """What is too large is left unread."""
    server = Server(600, 600, 600, 600)
    run(backend, lambda: Body(server.receive).drop(LIMITS))
    assert len(server.messages) == 2
    server = Server(600)
    run(backend, lambda: Body(server.receive).drop(DrainLimits(bytes=0)))
    assert len(server.messages) == 1


@pytest.mark.parametrize("backend", BACKENDS)
def test_seconds(backend: str) -> None:
    """A sender that sends no more is waited for as long as the limit says."""
    server = Server(10, ends=False)
    run(backend, lambda: Body(server.receive).drop(DrainLimits(seconds=0.05)))
    assert server.waits == 1


@pytest.mark.parametrize("backend", BACKENDS)
def test_after_the_application_has_read(backend: str) -> None:
    """A body that the application has read is not waited for again; of one that it began, the rest is dropped."""
    server = Server(10, 20)

    async def read(count: int) -> int:
        body = Body(server.receive)
        for _ in range(count):
            await body.receive()
        await body.drop(LIMITS)
        return server.waits

    assert run(backend, lambda: read(2)) == 0
    server = Server(10, 20, 30)
    assert run(backend, lambda: read(1)) == 0
    assert server.messages == []


@pytest.mark.parametrize("backend", BACKENDS)
def test_client_that_has_gone(backend: str) -> None:
    """A client that closes the connection ends the body."""
    server = Server(10, ends=False)
    server.messages.append({"type": "http.disconnect"})
    run(backend, lambda: Body(server.receive).drop(LIMITS))
    assert (server.messages, server.waits) == ([], 0)


@pytest.mark.parametrize("backend", BACKENDS)
def test_beside_an_application_that_reads(backend: str) -> None:
    """An application that waits for a message, as Quart does, gets that one, and none of the rest."""
    got: list[int] = []

    async def main() -> None:
        deliver, receive = anyio.create_memory_object_stream[Message](10)
        body = Body(receive.receive)

        async def read() -> None:
            while True:
                got.append(len((await body.receive())["body"]))

        async with anyio.create_task_group() as tasks, deliver, receive:
            tasks.start_soon(read)
            await anyio.wait_all_tasks_blocked()
            tasks.start_soon(body.drop, LIMITS)
            await anyio.wait_all_tasks_blocked()
            for size, more in ((10, True), (20, True), (30, False)):
                await deliver.send({"type": "http.request", "body": bytes(size), "more_body": more})
                await anyio.wait_all_tasks_blocked()
            assert deliver.statistics().current_buffer_used == 0
            tasks.cancel_scope.cancel()

    run(backend, main)
    assert got == [10]


@pytest.mark.parametrize("backend", BACKENDS)
def test_application_that_reads_on(backend: str) -> None:
    """An application that reads meanwhile waits, and afterwards hears that the client has gone."""
    got: list[str] = []

    async def main() -> None:
        deliver, receive = anyio.create_memory_object_stream[Message](10)
        body = Body(receive.receive)

        async def read() -> None:
            got.append((await body.receive())["type"])

        async with anyio.create_task_group() as tasks, deliver, receive:
            tasks.start_soon(body.drop, LIMITS)
            await anyio.wait_all_tasks_blocked()
            tasks.start_soon(read)
            await anyio.wait_all_tasks_blocked()
            await deliver.send({"type": "http.request", "body": b"x", "more_body": False})
            await anyio.wait_all_tasks_blocked()
            assert got == []
            await deliver.send({"type": "http.disconnect"})

    run(backend, main)
    assert got == ["http.disconnect"]


async def refuse_by_middleware(scope: Any, receive: Any, send: Any) -> None:
    await KerberosMiddleware(refuse_by_view, drain=DrainLimits(seconds=0.05))(scope, receive, send)


async def refuse_by_view(scope: Any, receive: Any, send: Any) -> None:
    """As a decorated view with a carrier around it refuses."""
    kerberos = Kerberos(drain=DrainLimits(seconds=0.05))

    async def view(scope: Any, receive: Any, send: Any) -> None:
        denied = await authenticate_scope(scope, Protection(kerberos))
        assert isinstance(denied, Denied)
        await send({"type": "http.response.start", "status": denied.status, "headers": []})
        await send({"type": "http.response.body", "body": denied.body})

    await CarrierMiddleware(view, kerberos)(scope, receive, send)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("refuse", [refuse_by_middleware, refuse_by_view])
@pytest.mark.parametrize(("version", "waits"), [("2", True), ("3", True), ("1.1", False)])
def test_body_that_does_not_end(backend: str, refuse: Any, version: str, waits: bool) -> None:
    """Beside other streams the answer is whole within the limits, and its stream ends with the client's own."""
    sent: list[Message] = []
    client_ends = [True]

    async def main() -> None:
        gone = anyio.Event()

        async def receive() -> Message:
            if waits:
                await gone.wait()
            else:
                await anyio.sleep_forever()
            return {"type": "http.request", "body": b"late", "more_body": False}

        async def send(message: Message) -> None:
            sent.append(message)

        headers = [(b"content-length", b"4")]
        scope: Any = {"type": "http", "http_version": version, "method": "POST", "headers": headers}
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(refuse, scope, receive, send)
            while len(sent) < 2:  # noqa: ASYNC110 - a list has no event
                await anyio.sleep(0.01)
            await anyio.wait_all_tasks_blocked()
            client_ends[0] = len(sent) == 3
            gone.set()

    run(backend, main)
    assert sent[0]["status"] == 401
    assert sent[1]["body"] == b"Unauthorized"
    assert [message.get("more_body", False) for message in sent[1:]] == ([True, False] if waits else [False])
    assert not client_ends[0]


@pytest.mark.parametrize("backend", BACKENDS)
def test_application_that_goes_on(backend: str) -> None:
    """Where the application answers a refused request all the same, the body is its own to read."""
    server = Server(10, 20)
    read: list[int] = []

    async def lenient(scope: Any, receive: Any, send: Any) -> None:
        assert isinstance(await authenticate_scope(scope, Protection()), Denied)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while True:
            message = await receive()
            read.append(len(message["body"]))
            if not message["more_body"]:
                break
        await send({"type": "http.response.body", "body": b""})

    async def send(message: Message) -> None:
        assert message.get("status", 200) == 200

    scope: Any = {"type": "http", "method": "POST", "headers": [(b"content-length", b"30")]}
    run(backend, lambda: CarrierMiddleware(lenient, Kerberos())(scope, server.receive, send))
    assert read == [10, 20]


@pytest.mark.parametrize("backend", BACKENDS)
def test_server_fails(backend: str) -> None:
    """What a server raises for a body that is malformed does not take the answer's place."""

    async def receive() -> Message:
        raise ValueError("this is no chunk")

    run(backend, lambda: Body(receive).drop(LIMITS))


@pytest.mark.parametrize(
    ("fields", "version", "method", "expected"),
    [
        ([], "1.1", "POST", False),
        ([(b"content-length", b"0")], "1.1", "POST", False),
        ([(b"content-length", b"1")], "1.1", "GET", True),
        ([(b"Content-Length", b"1")], "1.1", "GET", True),
        ([(b"Transfer-Encoding", b"chunked")], "1.1", "POST", True),
        ([(b"transfer-encoding", b"chunked")], "1.1", "POST", True),
        ([], "2", "POST", True),
        ([], "3", "PUT", True),
        ([], "2", "GET", True),
        ([], "3", "HEAD", True),
    ],
)
def test_announced(fields: Any, version: str, method: str, expected: bool) -> None:
    """HTTP/1 says by two fields whether there is a body; with HTTP/2 and 3 nothing tells before it comes, or not."""
    scope: Any = {"type": "http", "http_version": version, "method": method, "headers": fields}
    state = state_of(scope)
    request_of(scope, state)
    assert (state.announced or has_streams(scope)) is expected


def test_expected() -> None:
    """A client that waits for leave says so, in any case."""
    for value, expected in ((b"100-continue", True), (b"100-Continue", True), (b"nothing", False)):
        for name in (b"expect", b"Expect"):
            scope: Any = {"type": "http", "headers": [(name, value)]}
            state = state_of(scope)
            request_of(scope, state)
            assert state.expects_continue is expected


class Pieces:
    """What a framework gives of a body."""

    def __init__(self, *sizes: int) -> None:
        self.sizes = list(sizes)

    def __aiter__(self) -> Pieces:
        return self

    async def __anext__(self) -> bytes:
        await anyio.lowlevel.checkpoint()
        if not self.sizes:
            raise StopAsyncIteration
        size = self.sizes.pop(0)
        if size < 0:
            raise ValueError("malformed")
        return bytes(size)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    ("sizes", "left"), [((10, 20), []), ((600, 400, 1), [1]), ((10, -1, 5), [5]), ((1001, 1), [1])]
)
def test_pieces(backend: str, sizes: tuple[int, ...], left: list[int]) -> None:
    """What a framework gives is read to its end, to the limit, or to an error, which is nobody's."""
    pieces = Pieces(*sizes)
    run(backend, lambda: drop_pieces(pieces, LIMITS))
    assert pieces.sizes == left


@pytest.mark.parametrize("backend", BACKENDS)
def test_pieces_that_do_not_come(backend: str) -> None:
    """A sender that stops costs no more than the seconds that the limits say."""

    async def pieces() -> AsyncGenerator[bytes, None]:
        yield b"a"
        await anyio.sleep_forever()

    run(backend, lambda: drop_pieces(pieces(), DrainLimits(seconds=0.01)))


@pytest.mark.parametrize(
    ("root", "path", "expected"),
    [
        ("", "/x", "/x"),
        ("/ap", "/app", "/ap/app"),
        ("/app", "/app", "/app"),
        ("/app/", "/app/x", "/app/x"),
        ("/app", "/x", "/app/x"),
    ],
)
def test_path(root: str, path: str, expected: str) -> None:
    """The path has the part under which the application is mounted once, whether or not the server's has it."""
    scope: Any = {"type": "http", "headers": [], "root_path": root, "path": path}
    assert request_of(scope, state_of(scope)).path == expected


@pytest.mark.parametrize("version", ["1.1", "2"])
def test_websocket(version: str) -> None:
    """The handshake of a WebSocket has no body, also where others of its connection may have one."""
    scope: Any = {"type": "websocket", "http_version": version, "headers": [(b"content-length", b"1")]}
    assert isinstance(run("asyncio", lambda: authenticate_scope(scope, Protection(Kerberos()))), Denied)
    assert state_of(scope).drain is None


def served_by(module: str) -> Callable[[], Awaitable[Message]]:
    """The ``receive`` of a server, by its module."""

    async def receive() -> Message:
        raise AssertionError

    receive.__module__ = module
    return receive


def post(**differences: Any) -> Any:
    """The scope of a request with a body."""
    return {"type": "http", "method": "POST", "http_version": "1.1", "headers": [], **differences}


def test_server_that_copes() -> None:
    """Under uvicorn, which reads on by itself, nothing is watched; under all others everything is."""
    assert watched(post(), served_by("uvicorn.protocols.http.h11_impl")) is None
    for module in ("_granian.asgi", "granian", "hypercorn.protocol", "gunicorn.asgi.protocol"):
        assert watched(post(), served_by(module)) is not None


@pytest.mark.parametrize(
    ("differences", "expected"),
    [
        ({"http_version": "1.0"}, True),
        ({"headers": [(b"connection", b"close")]}, True),
        ({"headers": [(b"Connection", b"Upgrade, Close")]}, True),
        ({"headers": [(b"connection", b"keep-alive")]}, False),
        ({"http_version": "1.0", "method": "GET"}, False),
    ],
)
def test_connection_that_ends(differences: Any, expected: bool) -> None:
    """uvicorn does not read on where the connection ends with the request, as nginx's do by default."""
    body = watched(post(**differences), served_by("uvicorn.protocols.http.h11_impl"))
    assert (body is not None) is expected


def test_outermost_decides() -> None:
    """What stands further in does not take a middleware's receive for that of an unknown server."""

    async def wrapping() -> Message:
        raise AssertionError

    scope, receive = post(), served_by("uvicorn.protocols.http.h11_impl")
    assert watch_body(scope, state_of(scope), receive) == receive
    assert watch_body(scope, state_of(scope), wrapping) is wrapping
    assert state_of(scope).body is None


@pytest.mark.parametrize(("option", "value"), [("bytes", -1), ("bytes", "1"), ("seconds", 0), ("seconds", None)])
def test_options(option: str, value: Any) -> None:
    """The limits are numbers that make sense."""
    with pytest.raises(ConfigurationError) as caught:
        DrainLimits(**{option: value})
    assert caught.value.option == f"drain.{option}"
    with pytest.raises(ConfigurationError) as caught:
        Kerberos(drain=value)
    assert caught.value.option == "drain"


class Reader(io.RawIOBase):
    """A body that is read from a socket."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.bytes = 0

    def read(self, size: int = -1) -> bytes:
        piece = self.connection.recv(size)
        self.bytes += len(piece)
        return piece


@pytest.fixture
def pair() -> Any:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def test_from_a_socket(pair: Any) -> None:
    """On gunicorn the rest is read from the socket, up to the limit."""
    ours, theirs = pair
    reader = Reader(ours)
    sender = threading.Thread(target=lambda: (theirs.sendall(bytes(300_000)), theirs.shutdown(socket.SHUT_WR)))
    sender.start()
    drop_from_socket({"gunicorn.socket": ours, "wsgi.input": reader}, DrainLimits())
    sender.join()
    assert reader.bytes == 300_000


def test_length(pair: Any) -> None:
    """No more is read than the body has, also where the server does not end the input there, as werkzeug's."""
    ours, theirs = pair
    theirs.sendall(bytes(300))
    reader = Reader(ours)
    environ: dict[str, Any] = {"werkzeug.socket": ours, "wsgi.input": reader, "CONTENT_LENGTH": "200"}
    drop_from_socket(environ, DrainLimits())
    assert reader.bytes == 200
    assert len(ours.recv(1000)) == 100


@pytest.mark.parametrize("length", ["9" * 5000, "-5", "+5", "x"])
def test_odd_length(pair: Any, length: str) -> None:
    """A length that is none, or that no body has, is no error: what comes is read up to the limit."""
    ours, theirs = pair
    theirs.sendall(bytes(300))
    theirs.shutdown(socket.SHUT_WR)
    reader = Reader(ours)
    drop_from_socket({"werkzeug.socket": ours, "wsgi.input": reader, "CONTENT_LENGTH": length}, DrainLimits())
    assert reader.bytes == 300


def test_connection_that_others_use(pair: Any) -> None:
    """Over HTTP/2, nothing is read from a socket that has other requests' frames too."""
    reader = Reader(pair[0])
    environ = {"gunicorn.socket": pair[0], "wsgi.input": reader, "SERVER_PROTOCOL": "HTTP/2"}
    drop_from_socket(environ, DrainLimits())
    assert reader.bytes == 0


def test_without_a_socket(pair: Any) -> None:
    """Where a server gives no socket nothing is read: to read would block the thread."""
    drop_from_socket({"wsgi.input": Reader(pair[0])}, DrainLimits())


def test_limit_of_a_socket(pair: Any) -> None:
    """More than the limit is left unread."""
    ours, theirs = pair
    theirs.sendall(bytes(100_000))
    reader = Reader(ours)
    drop_from_socket({"gunicorn.socket": ours, "wsgi.input": reader}, DrainLimits(bytes=1))
    assert 0 < reader.bytes <= 64 * 1024


@pytest.mark.parametrize("trickle", [False, True])
def test_slow_sender(pair: Any, trickle: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sender that stops, or sends a byte now and then, does not hold the thread up to the limit."""
    monkeypatch.setattr(drain, "_LOOK_SECONDS", 0.05)
    ours, theirs = pair
    over = threading.Event()

    def send() -> None:
        # Where the reading was ended, so is the sending.
        with contextlib.suppress(BrokenPipeError):
            while trickle and not over.wait(0.01):
                theirs.sendall(b"x")

    sender = threading.Thread(target=send)
    sender.start()
    drop_from_socket({"gunicorn.socket": ours, "wsgi.input": Reader(ours)}, DrainLimits(seconds=600))
    over.set()
    sender.join()
    assert ours.recv(1) in (b"", b"x")


def test_sender_that_keeps_up(pair: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sender that keeps up is read to the end, over as many looks as it takes."""
    # On a busy machine, a thread may have no turn for a tenth of that.
    monkeypatch.setattr(drain, "_LOOK_SECONDS", 1.5)
    monkeypatch.setattr(drain, "_LEAST_BYTES", 1)
    ours, theirs = pair

    class Slow(Reader):
        def read(self, size: int = -1) -> bytes:
            time.sleep(0.12)
            return super().read(min(size, 100))

    theirs.sendall(bytes(3000))
    theirs.shutdown(socket.SHUT_WR)
    reader = Slow(ours)
    drop_from_socket({"gunicorn.socket": ours, "wsgi.input": reader}, DrainLimits())
    assert reader.bytes == 3000


def test_no_thread_to_be_had(pair: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system gives no more threads, nothing is read, and nothing raised."""

    def start(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    reader = Reader(pair[0])
    drop_from_socket({"gunicorn.socket": pair[0], "wsgi.input": reader}, DrainLimits())
    assert reader.bytes == 0


def test_client_resets(pair: Any) -> None:
    """A client that resets the connection is no error."""

    class Broken(Reader):
        def read(self, size: int = -1) -> bytes:
            raise ConnectionResetError

    drop_from_socket({"gunicorn.socket": pair[0], "wsgi.input": Broken(pair[0])}, DrainLimits())
