"""The load: HTTP clients that keep a number of connections busy, and look at every answer.

It shares the machine with the server that is measured, so it does as little as it can.
"""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass

_LENGTH = b"\r\ncontent-length: "


class WrongAnswerError(Exception):
    """A server did not give the expected answer, so the measurement would be of something else."""


@dataclass(frozen=True)
class Answer:
    """What every answer of a server has to be.

    Attributes:
        status: the beginning of its status line.
        challenge: the beginning of its ``WWW-Authenticate``, in small letters; empty if there need be none.
    """

    status: bytes
    challenge: bytes = b""

    def is_in(self, head: bytes) -> bool:
        """Whether the head of a response, in small letters, is such an answer's."""
        return head.startswith(self.status) and self.challenge in head


SIGNED_IN = Answer(b"http/1.1 200 ", b"\r\nwww-authenticate: negotiate o")  # a NegTokenResp, 0xA1, in base64
OPEN = Answer(b"http/1.1 200 ")
CHALLENGED = Answer(b"http/1.1 401 ", b"\r\nwww-authenticate: negotiate\r\n")


class Clients:
    """Connections to a server, which stay open until they are closed.

    Args:
        port: the server's, on this machine.
        connections: how many.
    """

    def __init__(self, port: int, connections: int) -> None:
        self._sockets = {
            sock.fileno(): sock
            for sock in (socket.create_connection(("127.0.0.1", port), timeout=60) for _ in range(connections))
        }
        self._poller = select.epoll()
        for sock in self._sockets.values():
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._poller.register(sock, select.EPOLLIN)

    def close(self) -> None:
        """Close the connections."""
        self._poller.close()
        for sock in self._sockets.values():
            sock.close()

    def send(self, requests: Sequence[bytes], expected: Answer) -> float:
        """Send each request once, so that there is always one under way on every connection.

        Args:
            requests: complete requests without a body.
            expected: what every answer has to be.

        Returns:
            How many seconds it took.

        Raises:
            WrongAnswerError: a response is not the one that is expected.
        """
        pending = iter(requests)
        received = dict.fromkeys(self._sockets, b"")
        begun = time.perf_counter()
        busy = 0
        for sock, request in zip(self._sockets.values(), pending):  # noqa: B905 - there may be fewer requests
            sock.sendall(request)
            busy += 1
        while busy:
            for descriptor, _ in self._poller.poll():
                sock = self._sockets[descriptor]
                answer = received[descriptor] = received[descriptor] + _read(sock)
                if _body(answer, expected) is None:
                    continue
                received[descriptor] = b""
                following = next(pending, None)
                if following is None:
                    busy -= 1
                else:
                    sock.sendall(following)
        return time.perf_counter() - begun


def fetch(port: int, request: bytes) -> bytes:
    """Send one request, and return the body of the answer."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as sock:
        sock.sendall(request)
        answer = b""
        while (body := _body(answer, OPEN)) is None:
            answer += _read(sock)
    return body


def _read(sock: socket.socket) -> bytes:
    data = sock.recv(1 << 20)
    if not data:
        raise WrongAnswerError("the server closed the connection")
    return data


def _body(answer: bytes, expected: Answer) -> bytes | None:
    """The body of a response, once all of it has come."""
    end = answer.find(b"\r\n\r\n")
    if end < 0:
        return None
    head = answer[: end + 2].lower()
    at = head.find(_LENGTH) + len(_LENGTH)
    if at < len(_LENGTH) or not expected.is_in(head):
        raise WrongAnswerError(repr(answer))
    length = int(head[at : head.index(b"\r", at)])
    body = answer[end + 4 :]
    return body if len(body) >= length else None
