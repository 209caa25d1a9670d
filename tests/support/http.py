"""A raw HTTP/1.1 client: one socket, every header field as it came, and nothing done unasked."""

from __future__ import annotations

import base64
import errno
import os
import random
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import TracebackType

import h11

Address = tuple[str, int] | str
"""Host and port, or the path of a Unix socket."""

# A hang guard: no test waits that long for anything.
SECONDS = 30.0

_CHUNK_BYTES = 64 * 1024

Fields = Iterable[tuple[str, str]]


@dataclass(frozen=True)
class Response:
    """What the server answered.

    Attributes:
        status: the status code.
        fields: all header fields in order, the names in small letters.
        body: the body.
    """

    status: int
    fields: tuple[tuple[str, str], ...]
    body: bytes = b""

    def values(self, name: str) -> list[str]:
        """The values of all fields of this name."""
        return [value for field, value in self.fields if field == name.lower()]

    @property
    def challenges(self) -> list[str]:
        """The values of ``WWW-Authenticate``."""
        return self.values("www-authenticate")

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()

    @property
    def message(self) -> str:
        """What the body of a denial says; FastAPI says it in JSON."""
        return self.text.removeprefix('{"detail":"').removesuffix('"}')


# Below those that the system gives out by itself, and those of realms, which may be waiting for their KDC.
_CHOSEN_PORTS = range(10_000, 20_000)


def _from_a_chosen_port(address: tuple[str, int]) -> socket.socket:
    while True:
        source = "127.0.0.1", random.choice(_CHOSEN_PORTS)
        try:
            return socket.create_connection(address, timeout=SECONDS, source_address=source)
        except OSError as error:
            if error.errno not in (errno.EADDRINUSE, errno.EADDRNOTAVAIL):  # somebody has the port
                raise


class Connection:
    """One connection, kept open until it is closed or the server closes it.

    Args:
        address: the server's.
        new_port: whether the client's port is one that no other connection has had, if it has any. The system gives out
            ports again, and an exchange of a test before may still wait for its second leg from such a port.
    """

    def __init__(self, address: Address, *, new_port: bool = False) -> None:
        if isinstance(address, str):
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.settimeout(SECONDS)
            self.socket.connect(address)
        else:
            self.socket = (
                _from_a_chosen_port(address) if new_port else socket.create_connection(address, timeout=SECONDS)
            )
        self._protocol = h11.Connection(h11.CLIENT)
        self.continued = False

    def __enter__(self) -> Connection:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self.socket.close()

    @property
    def port(self) -> int:
        """The client's port."""
        port: int = self.socket.getsockname()[1]
        return port

    @property
    def trailing(self) -> bytes:
        """What came after the answer to an upgrade."""
        return self._protocol.trailing_data[0]

    def request(
        self,
        path: str,
        authorization: str | None = None,
        *,
        method: str = "GET",
        fields: Fields = (),
        body: bytes = b"",
        chunked: bool = False,
    ) -> Response:
        """Send one request and read the answer to it: all of the body first, as many clients do."""
        if self._protocol.our_state is h11.DONE:
            self._protocol.start_next_cycle()
        if chunked:
            fields = [*fields, ("Transfer-Encoding", "chunked")]
        length = len(body) if body and not chunked else None
        self.send_head(path, authorization, method=method, fields=fields, length=length)
        # In chunks of no more than clients make: uWSGI takes none of more than 1 MB.
        for start in range(0, len(body), _CHUNK_BYTES if chunked else len(body) or 1):
            self._send(h11.Data(body[start : start + _CHUNK_BYTES] if chunked else body))
        self._send(h11.EndOfMessage())
        return self.read()

    def send_head(
        self,
        path: str,
        authorization: str | None = None,
        *,
        method: str = "GET",
        fields: Fields = (),
        length: int | None = None,
        raw: bytes = b"",
    ) -> None:
        """Send the head of a request, and nothing of its body.

        Args:
            path: the path.
            authorization: the value of ``Authorization``.
            method: the method.
            fields: further fields.
            length: that of the body, where there is one.
            raw: further lines of the head, each with its end, sent as they are, even if they break the rules.
        """
        headers = [("Host", "www.example.test"), *fields]
        if authorization is not None:
            headers.append(("Authorization", authorization))
        if length is not None:
            headers.append(("Content-Length", str(length)))
        self._send(h11.Request(method=method, target=path, headers=headers), raw)

    def read(self, *, whole: bool = True) -> Response:
        """Read an answer to its end; that to an upgrade, as far as the head goes.

        Args:
            whole: whether it must have come to its end. A server that closes the connection before it has read all of
                a request resets it, and what it had sent last is lost.
        """
        response: Response | None = None
        body = b""
        while True:
            try:
                event = self._protocol.next_event()
                if event is h11.NEED_DATA:
                    self._hurry()
                    self._protocol.receive_data(self.socket.recv(65536))
                    continue
            except (ConnectionError, h11.RemoteProtocolError):
                if whole or response is None:
                    raise
                return Response(response.status, response.fields, body)
            if isinstance(event, (h11.Response, h11.InformationalResponse)):
                if event.status_code == 100:
                    self.continued = True
                    continue
                fields = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in event.headers)
                response = Response(event.status_code, fields)
                if event.status_code == 101:
                    return response
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                assert response is not None
                return Response(response.status, response.fields, body)
            else:
                raise AssertionError(f"the server closed the connection instead of answering: {event!r}")

    def _hurry(self) -> None:
        # A server that sends a head and a body apart waits for the acknowledgement of the first, if Nagle has his way.
        if hasattr(socket, "TCP_QUICKACK") and self.socket.family == socket.AF_INET:
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)

    def _send(self, event: h11.Event, raw: bytes = b"") -> None:
        data = self._protocol.send(event)
        if data and raw:
            data = data.removesuffix(b"\r\n") + raw + b"\r\n"
        if data:
            self.socket.sendall(data)


def get(
    address: Address,
    path: str,
    authorization: str | None = None,
    *,
    method: str = "GET",
    fields: Fields = (),
    body: bytes = b"",
) -> Response:
    """One request on a separate connection."""
    with Connection(address) as connection:
        return connection.request(path, authorization, method=method, fields=fields, body=body)


def handshake() -> dict[str, str]:
    """The fields that make a request the handshake of a WebSocket (RFC 6455, section 4.1)."""
    return {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode("ascii"),
        "Sec-WebSocket-Version": "13",
    }


class WebSocketClient:
    """The handshake of a WebSocket, and as much of the protocol (RFC 6455) as it takes to read one text."""

    def __init__(
        self, address: Address, path: str, authorization: str | None = None, *, fields: Mapping[str, str] | None = None
    ) -> None:
        self._connection = Connection(address)
        headers = {**handshake(), **(fields or {})}
        try:
            self.response = self._connection.request(path, authorization, fields=list(headers.items()))
        except BaseException:
            self._connection.close()
            raise
        self._buffer = b"" if self.response.status != 101 else self._connection.trailing

    def __enter__(self) -> WebSocketClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._connection.close()

    def receive_text(self) -> str:
        """The next message, a text."""
        first, length = self._take(2)
        assert first == 0x81, f"a whole text frame expected, not {first:#x}"
        if length == 126:
            length = int.from_bytes(self._take(2), "big")
        return self._take(length).decode()

    def receive_close(self) -> int:
        """The code of the closing frame that comes next."""
        first, length = self._take(2)
        assert first == 0x88, f"a closing frame expected, not {first:#x}"
        return int.from_bytes(self._take(length)[:2], "big")

    def send_text(self, text: str) -> None:
        """Send a short text."""
        payload = text.encode()
        # RFC 6455, section 5.3: a client masks what it sends; by zeros, it stays what it was.
        self._connection.socket.sendall(bytes([0x81, 0x80 | len(payload)]) + bytes(4) + payload)

    def _take(self, count: int) -> bytes:
        while len(self._buffer) < count:
            more = self._connection.socket.recv(65536)
            assert more, "the server closed the connection"
            self._buffer += more
        taken, self._buffer = self._buffer[:count], self._buffer[count:]
        return taken
