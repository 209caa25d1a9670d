"""The README's authenticator for JupyterHub, in a real hub."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Generator
from pathlib import Path

import pytest

from async_kerberos.testing import Realm, Service, User

from ..support import ROOT
from ..support.http import Response, get
from ..support.initiator import Initiator, reply_token
from ..support.servers import free_port
from .conftest import HOST
from .test_readme import blocks

SECONDS = 60.0

# The hub alone: the proxy, a program for Node, would pass requests on to it, and to notebooks, which none starts here.
HUB_ALONE = """
from jupyterhub.proxy import Proxy


class NoProxy(Proxy):
    should_start = False

    async def add_route(self, routespec, target, data):
        pass

    async def delete_route(self, routespec):
        pass

    async def get_all_routes(self):
        return {}


c.JupyterHub.proxy_class = NoProxy
c.JupyterHub.hub_bind_url = "http://127.0.0.1:PORT"
c.JupyterHub.redirect_to_server = False
c.JupyterHub.log_level = "WARN"  # below, it logs the session's id by itself
"""


@pytest.fixture
def hub(realm: Realm, site: Service, tmp_path: Path) -> Generator[tuple[str, int], None, None]:
    """A hub whose configuration is the README's, but for the realm's name."""
    (source,) = [block for block in blocks("python") if "jupyterhub" in block]
    assert source.count('"EXAMPLE.COM"') == 1
    address = ("127.0.0.1", free_port())
    config = tmp_path / "jupyterhub_config.py"
    config.write_text(source.replace("EXAMPLE.COM", realm.name) + HUB_ALONE.replace("PORT", str(address[1])))
    env = {**os.environ, **site.env, "PYTHONPATH": str(ROOT)}
    log = tmp_path / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "jupyterhub", "--config", config.name],
            cwd=tmp_path,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        deadline = time.monotonic() + SECONDS
        while True:
            with contextlib.suppress(ConnectionRefusedError):
                socket.create_connection(address).close()
                break
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        yield address
    finally:
        process.kill()
        process.wait()
    assert "Traceback" not in log.read_text()


def cookies(*responses: Response) -> list[tuple[str, str]]:
    """The field with what these have set."""
    pairs = dict(
        value.partition(";")[0].split("=", 1) for response in responses for value in response.values("set-cookie")
    )
    return [("Cookie", "; ".join(f"{name}={value}" for name, value in pairs.items()))]


def test_jupyterhub(hub: tuple[str, int], alice: User) -> None:
    """Without a ticket nobody gets in; with one its user does, by name, and the cookie counts from then on."""
    assert get(hub, "/hub/home").status == 302
    for header in (None, "Basic YWxpY2U6YWxpY2U="):
        denied = get(hub, "/hub/login", header)
        assert (denied.status, denied.challenges, denied.text) == (401, ["Negotiate"], "Unauthorized")
        assert len(denied.values("content-type")) == 1
        assert get(hub, "/hub/home", fields=cookies(denied)).status == 302
    initiator = Initiator(f"HTTP@{HOST}", ccache=alice.ccache)
    header = initiator.header
    signed_in = get(hub, "/hub/login", header)
    assert (signed_in.status, signed_in.values("location")) == (302, ["/hub/home"])
    initiator.verify(reply_token(signed_in.challenges))
    home = get(hub, "/hub/home", fields=cookies(signed_in))
    assert home.status == 200
    assert "alice" in home.text
    assert get(hub, "/hub/login", header).status == 403  # a replay
