"""The example for browsers, in a real one that has a real ticket: page, upload and WebSocket, on each server."""

from __future__ import annotations

import contextlib
import hashlib
import json
import runpy
import tempfile
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest

from async_kerberos.testing import User

from ..support import HOSTNAME, ROOT
from ..support.deployments import closing_all
from ..support.guards import ThreadGuard
from ..support.servers import Hypercorn, Server, Uvicorn
from ..support.tls import self_signed
from ..support.waiting import wait_until
from .chromium import Browser, Tab

pytestmark = [
    pytest.mark.xdist_group("browser"),
    # Hypercorn's, where a connection ends as it begins.
    pytest.mark.filterwarnings("ignore:coroutine 'TCPServer._idle_timeout' was never awaited:RuntimeWarning"),
    # uvicorn's use of a part of websockets that is on its way out.
    pytest.mark.filterwarnings("ignore:remove second argument of ws_handler:DeprecationWarning"),
]

SIZE = 3_000_000
# Each begins with a handshake that is denied. Servers that close after a denial and do not say so break about a third.
HANDSHAKES = 25

SERVERS: dict[str, tuple[Callable[..., Server], str, dict[str, Any]]] = {
    "uvicorn-websockets": (Uvicorn, "ssl_", {"http": "httptools", "ws": "websockets", "lifespan": "off"}),
    "uvicorn-sansio": (Uvicorn, "ssl_", {"http": "httptools", "ws": "websockets-sansio", "lifespan": "off"}),
    "uvicorn-wsproto": (Uvicorn, "ssl_", {"http": "h11", "ws": "wsproto", "lifespan": "off"}),
    "hypercorn": (Hypercorn, "", {}),
}


PLACES = [(server, scheme) for server in SERVERS for scheme in ("http", "https")]


@pytest.fixture(scope="module")
def origins(
    www: object, thread_guard: ThreadGuard, tmp_path_factory: pytest.TempPathFactory
) -> Generator[dict[tuple[str, str], str], None, None]:
    """Where each server serves the example, over TLS and without."""
    served = self_signed(tmp_path_factory.mktemp("served"), "site")
    origins: dict[tuple[str, str], str] = {}
    with contextlib.ExitStack() as stack:
        stack.enter_context(closing_all())
        stack.enter_context(pytest.MonkeyPatch.context()).setenv("KERBEROS_HOSTNAME", HOSTNAME)
        for name, scheme in PLACES:
            start, prefix, options = SERVERS[name]
            if scheme == "https":
                files = {f"{prefix}certfile": str(served.certfile), f"{prefix}keyfile": str(served.keyfile)}
                options = {**options, **files}
            app = runpy.run_path(str(ROOT / "examples" / "browser_app.py"), run_name="example")["app"]
            server = stack.enter_context(start(app, threads=thread_guard, **options))
            assert not isinstance(server.address, str)
            origins[name, scheme] = f"{scheme}://{HOSTNAME}:{server.address[1]}"
        yield origins


@pytest.fixture(scope="module")
def tab(origins: object, alice: User) -> Generator[Tab, None, None]:
    """The tab of a browser that signs in as Alice."""
    # It goes before the servers, which wait for its connections to end.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, Browser(Path(folder), alice.env) as browser:
        yield browser.tab()


@pytest.fixture(params=PLACES, ids="-".join)
def origin(request: pytest.FixtureRequest, origins: dict[tuple[str, str], str]) -> str:
    """Where the server serves the example that the test names."""
    return origins[request.param]


def text(tab: Tab) -> str:
    """What the page shows, once it is there."""
    return str(tab.evaluate("document.readyState == 'complete' && document.body.innerText"))


def show(tab: Tab, origin: str, user: User) -> None:
    tab.visit(origin + "/")
    wait_until(lambda: f"Hello, {user.principal}" in text(tab), "the page greets")


def test_page_and_echo(tab: Tab, origin: str, alice: User) -> None:
    """The page knows the user; what its form says comes back over the WebSocket, several times."""
    for number in range(5):
        show(tab, origin, alice)
        wait_until(lambda: tab.evaluate("socket.readyState") == 1, "the WebSocket is open")
        tab.evaluate(f"text.value = 'to and fro {number}'; talk.requestSubmit()")
        said = f"Hello, {alice.principal}\nto and fro {number}\n"
        wait_until(lambda: tab.evaluate("heard.textContent") == said, "the echo is heard")  # noqa: B023 (called here)


def test_upload(tab: Tab, origin: str, alice: User) -> None:
    """The form uploads 3 MB, several times: whole, and in the user's name."""
    for number in range(5):
        show(tab, origin, alice)
        tab.evaluate(
            f"{{ const files = new DataTransfer();"
            f"  files.items.add(new File([new Uint8Array({SIZE}).fill({number})], 'file'));"
            f"  document.forms[0].file.files = files.files;"
            f"  document.forms[0].requestSubmit() }}"
        )
        sent = f"{alice.principal} sent {hashlib.sha256(bytes([number]) * SIZE).hexdigest()}"
        wait_until(lambda: text(tab) == sent, "the upload has arrived")  # noqa: B023 (called here)


HANDSHAKE = """
var done = []
function open_next() {
    const socket = new WebSocket(location.origin.replace("http", "ws") + "/echo")
    const end = what => { done.push(what); socket.onclose = null; socket.close(); if (done.length < %d) open_next() }
    socket.onmessage = message => end(message.data)
    socket.onclose = () => end("failed")
}
open_next()
"""


def test_handshakes(tab: Tab, origin: str, alice: User) -> None:
    """Of many handshakes, each of which is denied before it is made with a ticket, none fails."""
    show(tab, origin, alice)
    tab.evaluate(HANDSHAKE % HANDSHAKES)
    wait_until(lambda: tab.evaluate("done.length") == HANDSHAKES, "all handshakes are over")
    assert json.loads(tab.evaluate("JSON.stringify(done)")) == [f"Hello, {alice.principal}"] * HANDSHAKES
