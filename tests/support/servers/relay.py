"""A reverse proxy that ends TLS, or a man in the middle."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Callable
from typing import cast

from ..guards import ThreadGuard
from ..http import Address
from .thread import Head, ThreadServer, listening_socket


class Relay(ThreadServer):
    """Passes connections on to a server: a reverse proxy that ends TLS, or a man in the middle.

    Args:
        upstream: the server's address.
        certificate: the context of its own side, to speak TLS with clients; None for plain HTTP.
        trust: the context that it checks the server's certificate by, to speak TLS with it; None for plain HTTP.
        rewrite: what it makes of the head of a request, given the client's host; None to leave requests as they are.
            They must not have bodies.
        source: the address that it calls the server from.

    Attributes:
        connections: how many connections of clients it has had so far.
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
        self.connections = 0
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
            self.connections += 1
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
            # When one side hangs up, the other is told.
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
