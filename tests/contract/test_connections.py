"""Requests whose connection does not tell the client: an exchange of two legs ends in 403, one of one leg works."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from ..support import HOSTNAME
from ..support.apps import asgi_app
from ..support.deployments import ONE_SERVER, Running, closing_all, on
from ..support.http import Connection
from ..support.initiator import TWO_LEGS, Initiator, fresh, reply_token
from ..support.servers import Uvicorn

pytestmark = pytest.mark.usefixtures("services")


def test_http_2(hypercorn: Running, user: str, caplog: pytest.LogCaptureFixture) -> None:
    """The streams of an HTTP/2 connection are not one exchange."""
    assert not isinstance(hypercorn.address, str)
    host, port = hypercorn.address
    with httpx.Client(http1=False, http2=True, base_url=f"http://{host}:{port}", trust_env=False) as client:
        initiator = Initiator()
        response = client.get("/hello", headers={"Authorization": initiator.header})
        assert (response.http_version, response.status_code, response.text) == ("HTTP/2", 200, user)
        initiator.verify(reply_token(response.headers.get_list("www-authenticate")))
        response = client.get("/hello", headers={"Authorization": Initiator(flags=TWO_LEGS).header})
        assert (response.status_code, "www-authenticate" in response.headers) == (403, False)
    assert "half-open context lost" in caplog.text


def test_unix_socket(user: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """On a Unix socket nothing tells one client from another."""
    with closing_all():
        app = asgi_app.build({"hostname": HOSTNAME})
        with Uvicorn(app, uds=tmp_path / "socket") as server, Connection(server.address) as connection:
            initiator = Initiator()
            response = connection.request("/hello", initiator.header)
            assert (response.status, response.text) == (200, user)
            initiator.verify(reply_token(response.challenges))
            response = connection.request("/hello", Initiator(flags=TWO_LEGS).header)
            assert (response.status, response.challenges) == (403, [])
    assert "half-open context lost" in caplog.text


@on(ONE_SERVER)
@pytest.mark.parametrize("name", ["x-forwarded-for", "Forwarded"])
def test_behind_a_proxy(deployed: Running, user: str, name: str) -> None:
    """Whatever tells of a proxy, the connection may be shared: no later leg is known by it, on any adapter."""
    authorization = Initiator(flags=TWO_LEGS).header
    response = deployed.get("/hello", authorization)
    assert response.status == (401 if deployed.adapter.two_legs else 403)
    for value in ("for=192.0.2.7", "unknown", ""):
        response = deployed.get("/hello", Initiator(flags=TWO_LEGS).header, fields=[(name, value)])
        assert (response.status, response.challenges) == (403, [])
        response = deployed.get("/hello", fresh(), fields=[(name, value)])
        assert (response.status, response.text) == (200, user)


@pytest.mark.parametrize(
    ("told", "status"),
    [
        ({}, 401),
        ({"http_version": "1.0"}, 401),
        ({"http_version": "2"}, 403),
        ({"http_version": "3"}, 403),
        ({"client": ("192.0.2.7", 0)}, 403),
        ({"client": ("192.0.2.7", None)}, 403),
        ({"client": ("", 40_000)}, 403),
        ({"client": None}, 403),
    ],
)
def test_scope_without_a_connection(user: str, told: dict[str, Any], status: int) -> None:
    """An ASGI server that tells no port, no address or a version with streams tells of no connection."""
    app = asgi_app.build({"hostname": HOSTNAME})

    async def telling(scope: Any, receive: Any, send: Any) -> None:
        await app({**scope, "client": ("192.0.2.7", 40_000), **told}, receive, send)

    async def main() -> int:
        transport = httpx.ASGITransport(telling)
        async with httpx.AsyncClient(transport=transport, base_url="http://www.example.test") as asking:
            headers = {"Authorization": Initiator(flags=TWO_LEGS).header}
            return (await asking.get("/hello", headers=headers)).status_code

    with closing_all():
        assert asyncio.run(main()) == status


def test_proxy(user: str, caplog: pytest.LogCaptureFixture) -> None:
    """Behind a proxy that tells the client's address, the connection is the proxy's."""
    fields = [("X-Forwarded-For", "192.0.2.7")]
    with closing_all():
        app = asgi_app.build({"hostname": HOSTNAME})
        with Uvicorn(app, proxy_headers=True) as server, Connection(server.address) as connection:
            response = connection.request("/hello", Initiator().header, fields=fields)
            assert (response.status, response.text) == (200, user)
            response = connection.request("/hello", Initiator(flags=TWO_LEGS).header, fields=fields)
            assert (response.status, response.challenges) == (403, [])
    assert "half-open context lost" in caplog.text
    assert "192.0.2.7" in caplog.text
