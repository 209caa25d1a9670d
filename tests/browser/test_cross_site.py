"""What pages make a real browser do, which has a real ticket: other sites act in nobody's name, the site's own do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain, product
from typing import NamedTuple

import pytest
from _pytest.mark import ParameterSet

from async_kerberos.testing import User

from ..support import HOSTNAME
from ..support.waiting import wait_until
from .chromium import Tab
from .conftest import SCHEMES, TRUSTED, Scene
from .sites import WEBSOCKET, Page, Site

pytestmark = [
    pytest.mark.xdist_group("browser"),  # there is one, and one set of sites
    # Hypercorn's, where a connection ends as it begins.
    pytest.mark.filterwarnings("ignore:coroutine 'TCPServer._idle_timeout' was never awaited:RuntimeWarning"),
]


class Deed(NamedTuple):
    """What a page does to a site, with the site's origin in place of ``{site}``.

    Attributes:
        page: the page.
        method: what the site is asked for.
    """

    page: Page
    method: str = "POST"


def _scripted(method: str, script: str) -> Deed:
    return Deed(Page(f"<script>{script}</script>"), method)


_FORM = '<form method="post" action="{site}/act"><input name="amount" value="1"></form>'
_SUBMIT = "<script>document.forms[0].submit()</script>"
_NO_REFERRER = {"Referrer-Policy": "no-referrer"}

FORM = Deed(Page(_FORM + _SUBMIT))
HIDDEN_FORM = Deed(Page(_FORM + _SUBMIT, _NO_REFERRER))
FRAMED_FORM = Deed(Page('<iframe name="frame"></iframe>' + _FORM.replace("<form", '<form target="frame"') + _SUBMIT))
SANDBOXED_FORM = Deed(Page(f"<iframe sandbox='allow-forms allow-scripts' srcdoc='{_FORM}{_SUBMIT}'></iframe>"))
FETCH = _scripted("POST", "fetch('{site}/act', {method: 'POST', credentials: 'include', body: 'amount=1'})")
OPAQUE_FETCH = _scripted("POST", "fetch('{site}/act', {method: 'POST', credentials: 'include', mode: 'no-cors'})")
PUT = _scripted(
    "PUT", "fetch('{site}/act', {method: 'PUT', credentials: 'include'}).finally(() => document.title = 'done')"
)
BEACON = _scripted("POST", "navigator.sendBeacon('{site}/act', 'amount=1')")
SOCKET = _scripted(WEBSOCKET, "new WebSocket('{site}/act'.replace('http', 'ws'))")
IMAGE = Deed(Page('<img src="{site}/act">'), "GET")
FRAME = Deed(Page('<iframe src="{site}/act"></iframe>'), "GET")
LINK = Deed(Page('<a href="{site}/act"></a><script>document.links[0].click()</script>'), "GET")
# Another site has its own form sent on, with all that it says.
PASSED_ON_FORM = Deed(Page(_FORM.replace("{site}", "/to?{site}") + _SUBMIT))

FEW = {"form": FORM, "fetch": FETCH, "websocket": SOCKET}
ATTACKS = {
    **FEW,
    "form-no-referrer": HIDDEN_FORM,
    "form-in-frame": FRAMED_FORM,
    "form-sandboxed": SANDBOXED_FORM,
    "form-passed-on": PASSED_ON_FORM,
    "fetch-no-cors": OPAQUE_FETCH,
    "beacon": BEACON,
}
READS = {"image": IMAGE, "frame": FRAME, "link": LINK}
OWN_DEEDS = {**FEW, "form-in-frame": FRAMED_FORM, "fetch-put": PUT, "beacon": BEACON}

EVIL = {"evil": "evil.test"}
# A browser takes the last two for the same site as www.example.test: one is the same host on another port.
OTHER_HOSTS = {**EVIL, "sibling": "sibling.example.test", "other-port": HOSTNAME}
OWN = {"own": HOSTNAME}

ALL_KINDS = ("asgi", "flask", "quart")


def _cases(kinds: Sequence[str], hosts: Mapping[str, str], deeds: Mapping[str, Deed]) -> list[ParameterSet]:
    return [
        pytest.param((kind, scheme), host, deed, id=f"{host_name}-{deed_name}-{scheme}-{kind}")
        for kind, scheme, (host_name, host), (deed_name, deed) in product(kinds, SCHEMES, hosts.items(), deeds.items())
        if kind != "flask" or deed.method != WEBSOCKET  # it has none
    ]


def each(*cases: list[ParameterSet]) -> pytest.MarkDecorator:
    """Run a test for each of these; it takes ``scene``, ``host`` and ``deed``."""
    return pytest.mark.parametrize(("scene", "host", "deed"), list(chain(*cases)), indirect=["scene"])


def show(tab: Tab, deed: Deed, there: Site, host: str, to: Site) -> None:
    """Open a page.

    Args:
        tab: where.
        deed: the page.
        there: the site that shows it.
        host: by which of its names.
        to: the site that it is done to.
    """
    there.page = deed.page._replace(html=deed.page.html.replace("{site}", to.origin()))
    tab.visit(there.origin(host) + "/page")


def do(tab: Tab, deed: Deed, there: Site, host: str, to: Site) -> None:
    """As :func:`show`, and wait until the site has let in, or refused, what the page does."""
    show(tab, deed, there, host, to)
    wait_until(lambda: to.settled, f"{to.origin()} has had enough of {deed.page.html}")


def assert_ran(site: Site, deed: Deed, user: User) -> None:
    """The view ran once, in the user's name, whom the browser's ticket names."""
    assert site.ran == [(deed.method, user.principal)], site.answers
    assert site.answers[-1].ticket


def assert_refused(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    """No view ran, the only answer is 403, and the log says why. No challenge drew a ticket out."""
    assert site.ran == []
    assert [(answer.status, answer.ticket) for answer in site.answers] == [(403, False)], site.answers
    assert any("cross-site request" in message for message in caplog.messages)


@each(_cases(["asgi"], OTHER_HOSTS, ATTACKS), _cases(["flask", "quart"], EVIL, FEW))
def test_other_sites(
    scene: Scene, host: str, deed: Deed, tab: Tab, alice: User, caplog: pytest.LogCaptureFixture
) -> None:
    """Another site's page acts by the user's ticket, and in their name, where that is allowed; by default it cannot."""
    do(tab, deed, scene.others, host, scene.lax)
    assert_ran(scene.lax, deed, alice)
    do(tab, deed, scene.others, host, scene.site)
    assert_refused(scene.site, caplog)


@pytest.mark.parametrize("deed", [pytest.param(deed, id=name) for name, deed in FEW.items()])
def test_page_over_plain_http(
    scenes: dict[tuple[str, str], Scene], deed: Deed, tab: Tab, alice: User, caplog: pytest.LogCaptureFixture
) -> None:
    """A page of the same host that came over plain HTTP, so that anybody may have written it, is another site's."""
    scene = scenes["asgi", "https"].cleared()
    there = scenes["asgi", "http"].others
    do(tab, deed, there, HOSTNAME, scene.lax)
    assert_ran(scene.lax, deed, alice)
    do(tab, deed, there, HOSTNAME, scene.site)
    assert_refused(scene.site, caplog)


@each(_cases(["asgi"], OTHER_HOSTS, {"fetch-put": PUT}))
def test_preflight(scene: Scene, host: str, deed: Deed, tab: Tab) -> None:
    """What a browser asks about first (CORS) is not done: it sends no ticket with its question, and is not let in."""
    for site in (scene.lax, scene.site):
        show(tab, deed, scene.others, host, site)
        wait_until(lambda: tab.evaluate("document.title") == "done", "the browser has given up")
        assert site.ran == []
        assert [(answer.method, answer.status, answer.ticket) for answer in site.answers] == [("OPTIONS", 401, False)]


@each(_cases(["asgi"], EVIL, READS), _cases(["flask", "quart"], EVIL, {"link": LINK}))
def test_safe(scene: Scene, host: str, deed: Deed, tab: Tab, alice: User) -> None:
    """A picture, a frame and a link on another site are let in: a GET must change nothing, from any site."""
    do(tab, deed, scene.others, host, scene.site)
    assert_ran(scene.site, deed, alice)


@each(_cases(ALL_KINDS, OWN, OWN_DEEDS))
def test_own_pages(scene: Scene, host: str, deed: Deed, tab: Tab, alice: User) -> None:
    """What the site's own pages do is done in the user's name."""
    do(tab, deed, scene.site, host, scene.site)
    assert_ran(scene.site, deed, alice)


@each(_cases(ALL_KINDS, {"trusted": TRUSTED}, FEW))
def test_trusted_origin(scene: Scene, host: str, deed: Deed, tab: Tab, alice: User) -> None:
    """What pages of a trusted origin do is done in the user's name, WebSockets included."""
    do(tab, deed, scene.others, host, scene.site)
    assert_ran(scene.site, deed, alice)


@each(_cases(ALL_KINDS, OWN, {"no-referrer": HIDDEN_FORM, "sandboxed": SANDBOXED_FORM}))
def test_own_page_that_hides_its_origin(
    scene: Scene, host: str, deed: Deed, tab: Tab, alice: User, caplog: pytest.LogCaptureFixture
) -> None:
    """An own form that hides its origin is known over HTTPS, by Sec-Fetch-Site, unless it is in a sandbox."""
    do(tab, deed, scene.site, host, scene.site)
    assert {answer.origin for answer in scene.site.answers} == {"null"}
    if scene.site.scheme == "https" and deed is HIDDEN_FORM:
        assert_ran(scene.site, deed, alice)
    else:
        assert_refused(scene.site, caplog)


@pytest.mark.parametrize("scene", [("asgi", scheme) for scheme in SCHEMES], indirect=True, ids=SCHEMES)
def test_address(scene: Scene, tab: Tab, alice: User) -> None:
    """An address that the user types is the user's own doing."""
    tab.visit(scene.site.origin() + "/act")
    assert scene.site.ran == [("GET", alice.principal)]


@pytest.mark.parametrize("scene", [("asgi", scheme) for scheme in SCHEMES], indirect=True, ids=SCHEMES)
def test_reload(scene: Scene, tab: Tab, alice: User, caplog: pytest.LogCaptureFixture) -> None:
    """A form sent once more by F5 is still that of the page which it stood on."""
    for there, host, site in (
        (scene.others, "evil.test", scene.lax),
        (scene.others, "evil.test", scene.site),
        (scene.site, HOSTNAME, scene.site),
    ):
        site.clear()
        do(tab, FORM, there, host, site)
        wait_until(lambda: tab.evaluate(_SHOWN) is True, "the answer is shown")
        first = list(site.ran)
        site.answers.clear()
        tab.reload()
        wait_until(lambda: site.settled, "the form is sent once more")  # noqa: B023 (called here)
        assert site.ran == 2 * first
        if there is scene.others and site is scene.site:
            assert_refused(site, caplog)
        else:
            assert site.ran == 2 * [("POST", alice.principal)]


_SHOWN = "location.pathname == '/act' && document.readyState == 'complete'"
