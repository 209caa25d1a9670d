"""Clients of other languages and libraries, in processes of their own, against each adapter."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from async_kerberos.testing import User

from ..support import HOSTNAME
from ..support.deployments import Running, chosen, on
from ..support.guards import ThreadGuard
from ..support.servers import Relay
from ..support.tls import self_signed
from .others import CLIENTS, POST, WEBSOCKETS, Client, environment

FRAMEWORKS = chosen(
    {
        "flask-sync": "gunicorn",
        "quart-async": "hypercorn-asyncio",
        "starlette-async": "uvicorn-httptools",
        "fastapi-async": "uvicorn-h11",
        "asgi": "uvicorn-httptools",
        "wsgi": "gunicorn",
    }
)
BODY = " ".join(map(str, range(4_100)))[:20_000]

# A hang guard.
SECONDS = 60.0


def by(clients: Sequence[Client]) -> pytest.MarkDecorator:
    """Run a test with each of these clients; it takes ``client``."""
    return pytest.mark.parametrize("client", clients, ids=str)


def visit(deployed: Running, user: User, client: Client, threads: ThreadGuard, folder: Path) -> None:
    """Run the client, and compare what it prints with what the user should see."""
    body = folder / "body"
    body.write_text(BODY)
    home = folder / "home"
    home.mkdir()
    certificate = self_signed(folder, "site").context if client.tls else None
    relay = Relay(deployed.address, certificate=certificate, threads=threads)
    with relay:
        url = f"{'https' if client.tls else 'http'}://{HOSTNAME}:{relay.address[1]}"
        done = subprocess.run(
            [*client.command(), url, body, *client.requests],
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            env=environment(home, url, client),
            timeout=SECONDS,
            check=False,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    proof = "proved" if client.proves else "-"
    shown = client.shows or user.principal
    status = 101 if client.requests == WEBSOCKETS else 200
    expected = [f"{status} {proof} {BODY if request == POST else shown}" for request in client.requests]
    assert done.stdout.splitlines() == expected, done.stderr
    assert relay.connections <= client.connections


@on(FRAMEWORKS)
@by([client for client in CLIENTS if not client.any_path and client.requests != WEBSOCKETS])
def test_http(deployed: Running, signed_in: User, client: Client, thread_guard: ThreadGuard, tmp_path: Path) -> None:
    """The client signs in as its user with each request, on as few connections as it can, and has its proof."""
    visit(deployed, signed_in, client, thread_guard, tmp_path)


@on([deployment for deployment in FRAMEWORKS if deployment.adapter.websockets])
@by([client for client in CLIENTS if client.requests == WEBSOCKETS])
def test_websocket(
    deployed: Running, signed_in: User, client: Client, thread_guard: ThreadGuard, tmp_path: Path
) -> None:
    """The client signs in with the handshake of a WebSocket."""
    visit(deployed, signed_in, client, thread_guard, tmp_path)


@on([deployment for deployment in FRAMEWORKS if deployment.adapter.name in ("asgi", "wsgi")])
@by([client for client in CLIENTS if client.any_path])
def test_any_path(
    deployed: Running, signed_in: User, client: Client, thread_guard: ThreadGuard, tmp_path: Path
) -> None:
    """The client signs in at whatever path it asks for."""
    visit(deployed, signed_in, client, thread_guard, tmp_path)
