"""One HTTP/2 connection over TLS: requests one after another, each body sent as fast as the server lets it."""

from __future__ import annotations

import socket
import ssl
from types import TracebackType
from typing import Any, cast

import h2.connection
import h2.events

from . import HOSTNAME
from .http import Address, Connection, Response


class Http2Connection:
    """One connection, kept until it is closed.

    Args:
        address: the server's.
        trust: the context of the client's side.
    """

    def __init__(self, address: Address, trust: ssl.SSLContext) -> None:
        trust.set_alpn_protocols(["h2"])
        plain = Connection(address).socket
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = trust.wrap_socket(plain, server_hostname=HOSTNAME)
        assert self._socket.selected_alpn_protocol() == "h2"
        self._protocol = h2.connection.H2Connection()
        self._protocol.initiate_connection()
        self._flush()

    def __enter__(self) -> Http2Connection:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._socket.close()

    def request(
        self, path: str, authorization: str | None = None, *, method: str = "GET", body: bytes = b""
    ) -> Response:
        """Send one request and read the answer to it; the body is sent though the answer came before its end."""
        stream = self.begin(path, authorization, method=method, ended=not body)
        answer = _Answer()
        left = memoryview(body)
        while left or not answer.ended:
            room = min(self._protocol.local_flow_control_window(stream), self._protocol.max_outbound_frame_size)
            if left and room and not answer.reset:
                piece, left = left[:room], left[room:]
                self._protocol.send_data(stream, bytes(piece), end_stream=not left)
                self._flush()
            elif answer.reset and answer.ended:
                break
            else:
                self._read(stream, answer)
        return Response(answer.status, tuple(answer.fields), answer.body)

    def begin(
        self, path: str, authorization: str | None = None, *, method: str, fields: Any = (), ended: bool = False
    ) -> int:
        """Send the head of a request."""
        stream = self._protocol.get_next_available_stream_id()
        head = [(":method", method), (":path", path), (":scheme", "https"), (":authority", HOSTNAME), *fields]
        head += [] if authorization is None else [("authorization", authorization)]
        self._protocol.send_headers(stream, head, end_stream=ended)
        self._flush()
        return stream

    def read_head(self, stream: int) -> int:
        """The status of the answer, which need not have ended."""
        answer = _Answer()
        while not answer.status:
            self._read(stream, answer)
        return answer.status

    def end(self, stream: int, body: bytes) -> None:
        """Send a body after the fact; its stream must have room for it."""
        self._protocol.send_data(stream, body, end_stream=True)
        self._flush()

    def _read(self, stream: int, answer: _Answer) -> None:
        received = self._socket.recv(65536)
        if not received:
            raise ConnectionError("the server closed the connection instead of answering")
        for event in cast("list[Any]", self._protocol.receive_data(received)):
            if isinstance(event, h2.events.ConnectionTerminated):
                raise ConnectionError(f"the server ended the connection: {event.error_code}")
            if isinstance(event, h2.events.DataReceived):
                self._protocol.acknowledge_received_data(event.flow_controlled_length or 0, event.stream_id)
            if getattr(event, "stream_id", None) == stream:
                answer.take(event)
        self._flush()

    def _flush(self) -> None:
        self._socket.sendall(self._protocol.data_to_send())


class _Answer:
    def __init__(self) -> None:
        self.status = 0
        self.fields: list[tuple[str, str]] = []
        self.body = b""
        self.ended = self.reset = False

    def take(self, event: Any) -> None:
        if isinstance(event, h2.events.ResponseReceived):
            for name, value in cast("list[Any]", event.headers):
                name, value = name.decode(), value.decode("latin-1")
                if name == ":status":
                    self.status = int(value)
                else:
                    self.fields.append((name, value))
        elif isinstance(event, h2.events.DataReceived):
            self.body += event.data
        elif isinstance(event, h2.events.StreamEnded):
            self.ended = True
        elif isinstance(event, h2.events.StreamReset):
            assert self.ended, f"the server reset the stream instead of answering: {event.error_code}"
            self.reset = True
