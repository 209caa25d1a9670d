"""A refused request that has a body, over HTTP/2 and HTTP/3, which Hypercorn speaks: nothing breaks for anybody."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from ..support.http2 import Http2Connection
from ..support.http3 import Request, ask
from ..support.initiator import Initiator, fresh, reply_token
from ..support.servers.programs import HypercornProgram
from ..support.tls import Served, self_signed
from . import sites
from .refused import ROUNDS, SIZES


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Served:
    """The server's certificate."""
    return self_signed(tmp_path_factory.mktemp("tls"), "served")


@pytest.fixture(scope="module", params=["asyncio", "trio"])
def hypercorn(
    request: pytest.FixtureRequest, www: object, served: Served, tmp_path_factory: pytest.TempPathFactory
) -> Generator[HypercornProgram, None, None]:
    """The plain ASGI application on Hypercorn."""
    folder, files = tmp_path_factory.mktemp("hypercorn"), {"certfile": served.certfile, "keyfile": served.keyfile}
    with HypercornProgram(f"{sites.__name__}:asgi", folder, loop=request.param, **files) as server:
        assert isinstance(server, HypercornProgram)
        yield server


def test_http_2(hypercorn: HypercornProgram, served: Served, user: str) -> None:
    """The connection goes on, and takes the ticket, however large the body of the refused request was."""
    with Http2Connection(hypercorn.address, served.trust) as connection:
        for size in [*SIZES.values()] * ROUNDS:
            response = connection.request("/echo", method="POST", body=bytes(size))
            assert (response.status, response.challenges) == (401, ["Negotiate"])
        initiator = Initiator()
        response = connection.request("/echo", initiator.header, method="POST", body=b"x" * 300_000)
        assert (response.status, response.body) == (200, b"x" * 300_000)
        initiator.verify(reply_token(response.challenges))


def test_http_2_slow_senders(hypercorn: HypercornProgram, served: Served, user: str) -> None:
    """Streams whose bodies do not come hold up no other stream, and no other connection."""
    with Http2Connection(hypercorn.address, served.trust) as connection:
        for _ in range(8):
            connection.begin("/echo", method="POST", fields=[("x-variant", "impatient")])
        assert connection.request("/hello", fresh()).text == user
        with Http2Connection(hypercorn.address, served.trust) as another:
            assert another.request("/hello", fresh()).text == user


def test_http_2_late_bodies(hypercorn: HypercornProgram, served: Served, user: str) -> None:
    """A body that comes when its request has long been refused, and one that comes with a GET, end no connection."""
    with Http2Connection(hypercorn.address, served.trust) as connection:
        stream = connection.begin("/echo", method="POST", fields=[("x-variant", "impatient")])
        assert connection.read_head(stream) == 401
        connection.end(stream, bytes(1000))
        assert connection.request("/hello", fresh()).text == user
        assert connection.request("/hello", body=bytes(1000)).status == 401
        assert connection.request("/hello", fresh()).text == user


def test_http_3(hypercorn: HypercornProgram, served: Served, user: str) -> None:
    """The connection goes on, and takes the ticket; other clients are served as well."""
    for size in [*SIZES.values()] * ROUNDS:
        refused, taken = ask(
            hypercorn.quic,
            served.root,
            "/echo",
            [Request("POST", body=bytes(size)), Request("POST", fresh(), b"x" * 1000)],
        )
        (with_get,) = ask(hypercorn.quic, served.root, "/hello", [Request("GET", body=bytes(3000))])
        assert with_get.status == 401
        assert (refused.status, refused.challenges) == (401, ["Negotiate"])
        assert (taken.status, taken.body) == (200, b"x" * 1000)
    (response,) = ask(hypercorn.quic, served.root, "/hello", [Request("GET", fresh())])
    assert response.text == user
