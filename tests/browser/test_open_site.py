"""A site where nobody has to sign in, and one of whose ways in is Kerberos, in a real browser that has a ticket."""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from async_kerberos.testing import User

from ..support import HOSTNAME
from ..support.deployments import closing_all
from ..support.guards import ThreadGuard
from ..support.servers import Hypercorn, Server, Uvicorn
from ..support.tls import self_signed
from ..support.waiting import wait_until
from .chromium import Browser, Tab
from .open_site import BEARER, ROBOT, OpenSite, open_site

pytestmark = [
    pytest.mark.xdist_group("browser"),
    # Hypercorn's, where a connection ends as it begins.
    pytest.mark.filterwarnings("ignore:coroutine 'TCPServer._idle_timeout' was never awaited:RuntimeWarning"),
]

PLACES = {"uvicorn-http": "http", "uvicorn-https": "https", "hypercorn-http": "http", "hypercorn-https": "https"}


SHOWN = "location.pathname == '/' && document.readyState == 'complete' && document.querySelector('p')?.innerText"


def _serve(name: str, site: OpenSite, folder: Path, threads: ThreadGuard) -> Server:
    served = self_signed(folder, "site")
    files: Any = {"certfile": str(served.certfile), "keyfile": str(served.keyfile)} if name.endswith("https") else {}
    if name.startswith("uvicorn"):
        return Uvicorn(site.app, threads=threads, **{f"ssl_{key}": value for key, value in files.items()})
    return Hypercorn(site.app, threads=threads, **files)


class Place:
    """The site on one server, and a tab at it.

    Attributes:
        site: the site.
        origin: where it is.
        tab: the tab, of a browser that has been nowhere yet.
    """

    def __init__(self, site: OpenSite, origin: str, tab: Tab) -> None:
        self.site, self.origin, self.tab = site, origin, tab

    def shows(self, text: str) -> None:
        """Wait until the home page shows a text."""
        shown = (
            "location.pathname == '/' && document.readyState == 'complete' && document.querySelector('p')?.innerText"
        )
        wait_until(lambda: self.tab.evaluate(shown) == text, f"the page says {text!r}")

    def fetched(self, options: str) -> list[object]:
        """Status and text of what a script of the page fetches."""
        script = (
            "var done = null;"
            f"fetch('/data', {options}).then(async answer => {{ done = [answer.status, await answer.text()] }})"
        )
        self.tab.evaluate(script)
        wait_until(lambda: self.tab.evaluate("done !== null"), "the answer is there")
        answer: list[object] = json.loads(self.tab.evaluate("JSON.stringify(done)"))
        return answer


@pytest.fixture(params=PLACES)
def place(
    request: pytest.FixtureRequest, www: object, alice: User, thread_guard: ThreadGuard, tmp_path: Path
) -> Generator[Place, None, None]:
    """The site on a server, in a new browser, which knows no cookie of it."""
    site = open_site()
    with contextlib.ExitStack() as stack:
        stack.enter_context(closing_all())
        server = stack.enter_context(_serve(request.param, site, tmp_path, thread_guard))
        assert not isinstance(server.address, str)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True)))
        tab = stack.enter_context(Browser(folder, alice.env)).tab()
        yield Place(site, f"{PLACES[request.param]}://{HOSTNAME}:{server.address[1]}", tab)


def test_sign_in_route(place: Place, alice: User) -> None:
    """A browser is nobody until it goes to the route that asks for a ticket; what that keeps, the other pages know."""
    for _ in range(3):
        place.tab.visit(place.origin + "/")
        place.shows("Hello, None")
    assert place.site.tickets == []
    place.tab.evaluate("document.links[0].click()")
    place.shows(f"Hello, {alice.principal}")
    # Not even now does it bring a ticket where it is not asked for one: hence the session.
    for _ in range(3):
        place.tab.visit(place.origin + "/")
        place.shows(f"Hello, {alice.principal}")
    assert place.site.tickets == ["/sign-in"]


def test_one_of_several_ways_in(place: Place, alice: User) -> None:
    """A bearer token gets in, and is no ticket; without one the browser is asked for a ticket, and brings it."""
    place.tab.visit(place.origin + "/")
    place.shows("Hello, None")
    token = f"{{headers: {{Authorization: 'Bearer {BEARER}'}}}}"
    assert place.fetched(token) == [200, ROBOT]
    assert place.site.tickets == []
    status, text = place.fetched("{headers: {Authorization: 'Bearer wrong'}}")
    assert (status, ROBOT in str(text)) == (401, False)
    assert place.site.tickets == []
    assert place.fetched("{}") == [200, alice.principal]
    assert place.fetched("{method: 'POST'}") == [200, alice.principal]
    assert set(place.site.tickets) == {"/data"}
    assert place.fetched(token) == [200, ROBOT]
