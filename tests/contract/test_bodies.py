"""A refused request that has a body: the answer arrives, and the connection is whole."""

from __future__ import annotations

import contextlib

import pytest

from ..support.deployments import ALL, Running, on
from ..support.initiator import fresh, negotiate

SIZES = {"64 kB": 64_000, "1 MB": 1_000_000, "8 MB": 8_000_000}

UNREAD = [deployment for deployment in ALL if deployment.adapter.early]


@on(ALL)
@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
def test_challenge_arrives(deployed: Running, size: int, chunked: bool) -> None:
    """A client that sends all of its body before it reads is asked for a ticket."""
    for _ in range(3):
        with deployed.connect() as connection:
            fields = [("X-Variant", "")]
            response = connection.request("/echo", method="POST", fields=fields, body=bytes(size), chunked=chunked)
            assert (response.status, response.challenges) == (401, ["Negotiate"])


@on(ALL)
def test_refusal_arrives(deployed: Running, user: str) -> None:
    """So does the answer to a token that is refused, and the next request, on whatever connection, is served."""
    with deployed.connect() as connection:
        response = connection.request("/echo", negotiate(b"\x60garbage"), method="POST", body=bytes(1_000_000))
        assert (response.status, response.challenges) == (403, [])
    assert deployed.get("/echo", fresh(), method="POST", body=b"x" * 1_000_000).body == b"x" * 1_000_000


@on([deployment for deployment in ALL if deployment.keeps_alive and not deployment.early and deployment.adapter.early])
def test_connection_goes_on(deployed: Running, user: str) -> None:
    """Where the body was dropped before the answer, the same connection takes the ticket."""
    with deployed.connect() as connection:
        assert connection.request("/echo", method="POST", body=bytes(300_000)).status == 401
        assert connection.request("/echo", fresh(), method="POST", body=bytes(300_000)).status == 200


@on(UNREAD)
def test_slow_senders(deployed: Running, user: str) -> None:
    """Clients that send nothing after their heads are answered all the same, and hold nobody up."""
    with contextlib.ExitStack() as stack:
        waiting = [stack.enter_context(deployed.connect()) for _ in range(8)]
        for connection in waiting:
            connection.send_head("/echo", method="POST", fields=[("X-Variant", "impatient")], length=1_000_000)
        assert deployed.get("/hello", fresh()).text == user
        for connection in waiting:
            assert connection.read().status == 401
        assert deployed.get("/hello", fresh()).text == user


@on([deployment for deployment in ALL if deployment.server.startswith("uvicorn") and deployment.adapter.early])
def test_continue_is_refused(deployed: Running) -> None:
    """A client that waits for leave to send its body, and gets none, is told that the connection ends."""
    for path, method in (("/echo", "POST"), ("/hello", "GET")):
        with deployed.connect() as connection:
            connection.send_head(path, method=method, fields=[("Expect", "100-continue")], length=1_000_000)
            response = connection.read()
        assert (response.status, response.values("connection")) == (401, ["close"])
