"""HTTP/3: requests one after another on one connection."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aioquic.asyncio.client
from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.h3.connection import H3_ALPN, H3Connection
from aioquic.h3.events import DataReceived, HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import ConnectionTerminated, QuicEvent

from . import HOSTNAME
from .http import SECONDS, Response


@dataclass(frozen=True)
class Request:
    """One request."""

    method: str = "GET"
    authorization: str | None = None
    body: bytes = b""


def ask(address: tuple[str, int], root: Path, path: str, requests: Sequence[Request]) -> list[Response]:
    """Send requests on a new connection, and read the answers.

    Args:
        address: the server's, of UDP.
        root: what the client trusts, in PEM.
        path: the requests' path.
        requests: the requests, each sent when the one before it is answered.

    Raises:
        ConnectionError: the server ended the connection, or did not answer.
    """
    configuration = QuicConfiguration(is_client=True, alpn_protocols=H3_ALPN, server_name=HOSTNAME)
    configuration.load_verify_locations(str(root))

    async def main() -> list[Response]:
        connect: Any = getattr(aioquic.asyncio.client, "connect")  # noqa: B009 - its types are not whole
        async with connect(*address, configuration=configuration, create_protocol=_Client) as client:
            assert isinstance(client, _Client)
            return [await asyncio.wait_for(client.ask(path, request), SECONDS) for request in requests]

    try:
        return asyncio.run(asyncio.wait_for(main(), SECONDS))
    except asyncio.TimeoutError as error:
        raise ConnectionError("the server does not answer") from error


class _Client(QuicConnectionProtocol):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._http = H3Connection(self._quic)
        self._fields: list[tuple[str, str]] = []
        self._body = b""
        self._answer: asyncio.Future[Response] | None = None

    async def ask(self, path: str, request: Request) -> Response:
        self._fields, self._body = [], b""
        self._answer = asyncio.get_running_loop().create_future()
        stream = self._quic.get_next_available_stream_id()
        head = {":method": request.method, ":scheme": "https", ":authority": HOSTNAME, ":path": path}
        head |= {} if request.authorization is None else {"authorization": request.authorization}
        encoded = [(name.encode(), value.encode()) for name, value in head.items()]
        self._http.send_headers(stream, encoded, end_stream=not request.body)
        if request.body:
            self._http.send_data(stream, request.body, end_stream=True)
        self.transmit()
        return await self._answer

    def quic_event_received(self, event: QuicEvent) -> None:
        if isinstance(event, ConnectionTerminated) and self._answer is not None and not self._answer.done():
            self._answer.set_exception(ConnectionError(f"the server ended the connection: {event.reason_phrase}"))
        for came in self._http.handle_event(event):
            if isinstance(came, HeadersReceived):
                self._fields += [(name.decode(), value.decode("latin-1")) for name, value in came.headers]
            elif isinstance(came, DataReceived):
                self._body += came.data
            if isinstance(came, (HeadersReceived, DataReceived)) and came.stream_ended:
                status, *fields = self._fields
                assert self._answer is not None
                self._answer.set_result(Response(int(status[1]), tuple(fields), self._body))
