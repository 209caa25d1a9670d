"""The rest of a refused request's body: read and dropped.

A client that uploads something meets a 401 first, and sends the body with it. Many servers end a connection on which a
body was left unread, and what the client then sees is a broken connection and no challenge. (RFC 9112, section 9.6.)
"""

from __future__ import annotations

import contextlib
import functools
import socket
import threading
from collections.abc import AsyncIterable, Awaitable, Callable, MutableMapping
from typing import Any

from .._threads.loops import Event, within
from ..options import DrainLimits
from . import uwsgi
from .nearest import Scope

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]

# The server that reads on by itself where it keeps the connection, by the module of its ``receive``.
_COPING = "uvicorn."

# A sender that does not send so many bytes within so many seconds may not hold a server's thread.
_LEAST_BYTES = 50_000
_LOOK_SECONDS = 1.0
_READ_BYTES = 16 * 1024


def watched(scope: Scope, receive: Receive) -> Body | None:
    """The body that comes by ``receive``, to be dropped if the request is refused; None where the server copes."""
    module: str = getattr(receive, "__module__", None) or ""  # also of a method
    return None if module.startswith(_COPING) and not _closes(scope) else Body(receive)


def _closes(scope: Scope) -> bool:
    """Whether the connection ends with a request that may have a body, as each of nginx's does by default."""
    if scope.get("method") in ("GET", "HEAD"):
        return False
    headers: list[tuple[bytes, bytes]] = scope["headers"]
    connection = [value.lower() for name, value in headers if name.lower() == b"connection"]
    return scope.get("http_version") == "1.0" or any(b"close" in value for value in connection)


def has_streams(scope: Scope) -> bool:
    """Whether the connection has other requests beside this one, whose end is not its end: HTTP/2 and 3."""
    return scope.get("http_version", "1.1") in ("2", "3")


class Body:
    """The body of one ASGI request, as the application receives it.

    Args:
        receive: the server's.

    Attributes:
        is_open: whether more of it was left than the limits allow to be dropped.
    """

    __slots__ = ("_came", "_dropped", "_ended", "_receive", "_waiting", "is_open")

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self.is_open = False
        self._ended = False
        # How many calls of the application wait for a message. Quart always has one.
        self._waiting = 0
        self._came: Event | None = None
        self._dropped: Event | None = None

    async def receive(self) -> Message:
        """The next message, for the application."""
        if self._dropped is not None:
            await self._dropped.wait()
        self._waiting += 1
        try:
            message = await self._receive()
        finally:
            self._waiting -= 1
            if self._came is not None:
                self._came.set()
        self._note(message)
        return message

    async def drop(self, limits: DrainLimits) -> None:
        """Read the rest, within limits, and drop it. Meanwhile the application gets nothing."""
        dropped = self._dropped = Event()
        try:
            # Some servers raise an error for a malformed body. The answer is sent all the same.
            with contextlib.suppress(Exception):
                await within(limits.seconds, functools.partial(self._drop, limits.bytes))
        finally:
            self.is_open = not self._ended
            self._dropped = None
            dropped.set()

    async def end(self) -> None:
        """Return when the rest has come, however long that takes; it is dropped."""
        with contextlib.suppress(Exception):
            while not self._ended:
                self._note(await self._receive())
        self.is_open = False

    async def _drop(self, left: int) -> None:
        while self._waiting and not self._ended:
            self._came = Event()
            await self._came.wait()
        while left > 0 and not self._ended:
            message = await self._receive()
            left -= len(message.get("body", b""))
            self._note(message)

    def _note(self, message: Message) -> None:
        if message["type"] != "http.request" or not message.get("more_body", False):
            self._ended = True


async def drop_pieces(pieces: AsyncIterable[bytes], limits: DrainLimits) -> None:
    """Read the rest of a body as a framework gives it, within limits, and drop it.

    Args:
        pieces: the framework's iterator. An error of its ends the reading: a body that was read before, say.
        limits: how much of it, and for how long.
    """

    async def drop() -> None:
        left = limits.bytes
        async for piece in pieces:
            left -= len(piece)
            if left <= 0:
                return

    with contextlib.suppress(Exception):
        await within(limits.seconds, drop)


def drop_from_socket(environ: dict[str, Any], limits: DrainLimits) -> None:
    """Read the rest of a WSGI request's body, within limits, and drop it: only where the server gives its socket.

    To read blocks the thread. So another thread watches, and ends the reading of a sender that is slow.

    Args:
        environ: the environment of a request that was answered.
        limits: how much of it, and for how long.
    """
    # With HTTP/2, others use the connection as well.
    if environ.get("SERVER_PROTOCOL", "HTTP/1.1") not in ("HTTP/1.0", "HTTP/1.1"):
        return
    given: socket.socket | None = environ.get("gunicorn.socket") or environ.get("werkzeug.socket")
    if given is not None:
        _drop_from(given, environ["wsgi.input"].read, environ, limits)
        return
    duplicate = uwsgi.connection_of(environ)
    if duplicate is not None:
        with duplicate:
            chunked = "HTTP_TRANSFER_ENCODING" in environ
            _drop_from(duplicate, uwsgi.read_chunk if chunked else environ["wsgi.input"].read, environ, limits)


def _drop_from(
    connection: socket.socket, read: Callable[[int], bytes], environ: dict[str, Any], limits: DrainLimits
) -> None:
    # Not all servers end the input where the body ends. A chunked one has an end, and no length.
    length = environ.get("CONTENT_LENGTH", "")
    most = (
        min(limits.bytes, int(length)) if length.isascii() and length.isdigit() and len(length) < 20 else limits.bytes
    )
    progress = _Progress(connection, limits.seconds)
    # A client that has gone, a body that is malformed, or no thread to be had.
    with contextlib.suppress(Exception), progress:
        while progress.bytes < most:
            piece = read(min(_READ_BYTES, most - progress.bytes))
            if not piece:
                return
            progress.bytes += len(piece)


class _Progress:
    """Watches how many bytes come, and ends the reading where too few do."""

    def __init__(self, connection: socket.socket, seconds: float) -> None:
        self.bytes = 0
        self._connection = connection
        self._left = seconds
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="async-kerberos-drain", daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        before = 0
        while not self._over.wait(min(_LOOK_SECONDS, self._left)):
            self._left -= _LOOK_SECONDS
            if self._left <= 0 or self.bytes - before < _LEAST_BYTES:
                with contextlib.suppress(OSError):
                    self._connection.shutdown(socket.SHUT_RD)  # the reading thread gets the end of the stream
                return
            before = self.bytes
