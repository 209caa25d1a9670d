"""A refused request that has a body, on every server, directly and through nginx: the challenge arrives."""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from pathlib import Path

import pytest

from ..support.debs import unpacked
from ..support.guards import ThreadGuard
from ..support.http import Connection
from ..support.initiator import fresh
from ..support.servers import Server
from .refused import PROXIES, ROUNDS, SIZES, behind_nginx, refused
from .sites import SITES, Site


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(site, id=site.name, marks=pytest.mark.xdist_group(site.name))
        for site in SITES.values()
        if not site.breaks
    ],
)
def site(request: pytest.FixtureRequest) -> Site:
    """Which."""
    chosen: Site = request.param
    return chosen


@pytest.fixture(scope="module")
def server(
    site: Site, www: object, thread_guard: ThreadGuard, tmp_path_factory: pytest.TempPathFactory
) -> Generator[Server, None, None]:
    """It, running."""
    with site.run(tmp_path_factory.mktemp("server"), thread_guard) as running:
        yield running


@pytest.fixture(scope="session")
def nginx() -> Path:
    """The program."""
    return unpacked("nginx") / "usr" / "sbin" / "nginx"


def test_direct(server: Server) -> None:
    """The challenge arrives, however large the body is, and however it is sent."""
    for size in SIZES.values():
        for chunked in (False, True):
            assert [refused(server.address, size, chunked=chunked) for _ in range(ROUNDS)] == [""] * ROUNDS


@pytest.mark.parametrize("proxy", PROXIES)
def test_behind_nginx(server: Server, nginx: Path, proxy: str) -> None:
    """So it does through nginx, which makes a 502 of a connection that breaks."""
    with behind_nginx(nginx, PROXIES[proxy], server.address) as address:
        for size in SIZES.values():
            for chunked in (False, True):
                assert [refused(address, size, chunked=chunked) for _ in range(ROUNDS)] == [""] * ROUNDS


def test_slow_senders(site: Site, server: Server, user: str) -> None:
    """Clients that send nothing after their heads hold nobody up, and are answered where the server lets us."""
    with contextlib.ExitStack() as stack:
        waiting = [stack.enter_context(Connection(server.address)) for _ in range(4)]
        for connection in waiting:
            connection.send_head("/echo", method="POST", fields=[("X-Variant", "impatient")], length=1_000_000)
        with Connection(server.address) as other:
            assert other.request("/hello", fresh()).text == user
        for connection in [] if site.reads_first else waiting:
            assert connection.read(whole=False).status == 401
    with Connection(server.address) as other:
        assert other.request("/hello", fresh()).text == user
