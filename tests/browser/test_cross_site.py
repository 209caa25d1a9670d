"""What pages make a real browser do, which has a real ticket: other sites act in nobody's name, the site's own do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import NamedTuple

import pytest
from _pytest.mark import ParameterSet

from async_kerberos.testing import User

from ..conftest import HOSTNAME
from ..support.waiting import wait_until
from .chromium import Browser, Tab
from .conftest import SCHEMES, TRUSTED, Scene
from .sites import WEBSOCKET, Page, Site

# There is one browser, and one set of sites.
pytestmark = pytest.mark.xdist_group("browser")


class Deed(NamedTuple):
    """What a page does to a site, with the site's origin in place of ``{site}``.

    Attributes:
        page: the page. It says that it is done by its title, where it is not replaced by the site's answer.
        method: what the site is asked for.
    """

    page: Page
    method: str = "POST"


def _scripted(method: str, script: str) -> Deed:
    return Deed(Page(f"<script>const done = () => document.title = 'done';{script}</script>"), method)


_FORM = '<form method="post" action="{site}/act"><input name="amount" value="1"></form>'
_SUBMIT = "<script>document.forms[0].submit()</script>"
_NO_REFERRER = {"Referrer-Policy": "no-referrer"}

FORM = Deed(Page(_FORM + _SUBMIT))
HIDDEN_FORM = Deed(Page(_FORM + _SUBMIT, _NO_REFERRER))
FRAMED_FORM = Deed(Page('<iframe name="frame"></iframe>' + _FORM.replace("<form", '<form target="frame"') + _SUBMIT))
SANDBOXED_FORM = Deed(Page(f"<iframe sandbox='allow-forms allow-scripts' srcdoc='{_FORM}{_SUBMIT}'></iframe>"))
FETCH = _scripted(
    "POST", "fetch('{site}/act', {method: 'POST', credentials: 'include', body: 'amount=1'}).then(done, done)"
)
OPAQUE_FETCH = _scripted(
    "POST", "fetch('{site}/act', {method: 'POST', mode: 'no-cors', credentials: 'include'}).then(done, done)"
)
PUT = _scripted("PUT", "fetch('{site}/act', {method: 'PUT', credentials: 'include'}).then(done, done)")
BEACON = _scripted("POST", "navigator.sendBeacon('{site}/act', 'amount=1')")
SOCKET = _scripted(WEBSOCKET, "new WebSocket('{site}/act'.replace('http', 'ws')).onclose = done")
IMAGE = Deed(Page("<img src='{site}/act' onload='document.title = \"done\"' onerror='document.title = \"done\"'>"), "GET")
FRAME = Deed(Page('<iframe src="{site}/act"></iframe>'), "GET")
LINK = Deed(Page("<a href='{site}/act'></a><script>document.links[0].click()</script>"), "GET")
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
    return pytest.mark.parametrize(("scene", "host", "deed"), sum(cases, []), indirect=["scene"])


def do(browser: Browser, deed: Deed, there: Site, host: str, to: Site) -> None:
    """Open a page, and wait until it has done what it does, or has failed to.

    Args:
        browser: the browser.
        deed: the page.
        there: the site that shows it.
        host: by which of its names.
        to: the site that it is done to.
    """
    with browser.tab() as tab:
        open_page(tab, deed, there, host, to)


def open_page(tab: Tab, deed: Deed, there: Site, host: str, to: Site) -> None:
    """As :func:`do`, in a tab that stays."""
    there.page = deed.page._replace(html=deed.page.html.replace("{site}", to.origin()))
    tab.visit(there.origin(host) + "/page")
    wait_until(lambda: to.settled or tab.evaluate("document.title") == "done", f"the page is done: {deed.page.html}")


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
    scene: Scene, host: str, deed: Deed, browser: Browser, alice: User, caplog: pytest.LogCaptureFixture
) -> None:
    """Where it is allowed, another site's page acts in the user's name, by the user's ticket; by default it is refused."""
    do(browser, deed, scene.others, host, scene.lax)
    assert_ran(scene.lax, deed, alice)
    do(browser, deed, scene.others, host, scene.site)
    assert_refused(scene.site, caplog)


@pytest.mark.parametrize("deed", [pytest.param(deed, id=name) for name, deed in FEW.items()])
def test_page_over_plain_http(
    scenes: dict[tuple[str, str], Scene], deed: Deed, browser: Browser, alice: User, caplog: pytest.LogCaptureFixture
) -> None:
    """A page of the same host that came over plain HTTP, where anybody may have written it, is another site to HTTPS."""
    scene = scenes["asgi", "https"].cleared()
    there = scenes["asgi", "http"].others
    do(browser, deed, there, HOSTNAME, scene.lax)
    assert_ran(scene.lax, deed, alice)
    do(browser, deed, there, HOSTNAME, scene.site)
    assert_refused(scene.site, caplog)


@each(_cases(["asgi"], OTHER_HOSTS, {"fetch-put": PUT}))
def test_preflight(scene: Scene, host: str, deed: Deed, browser: Browser) -> None:
    """What a browser asks about first (CORS) it does not do: it sends no ticket with its question, and is not let in."""
    for site in (scene.lax, scene.site):
        do(browser, deed, scene.others, host, site)
        assert site.ran == []
        assert [(answer.method, answer.status, answer.ticket) for answer in site.answers] == [("OPTIONS", 401, False)]


@each(_cases(["asgi"], EVIL, READS), _cases(["flask", "quart"], EVIL, {"link": LINK}))
def test_safe(scene: Scene, host: str, deed: Deed, browser: Browser, alice: User) -> None:
    """A picture, a frame and a link on another site are let in: GET must change nothing, whoever asks for it."""
    do(browser, deed, scene.others, host, scene.site)
    assert_ran(scene.site, deed, alice)


@each(_cases(ALL_KINDS, OWN, OWN_DEEDS))
def test_own_pages(scene: Scene, host: str, deed: Deed, browser: Browser, alice: User) -> None:
    """What the site's own pages do is done in the user's name."""
    do(browser, deed, scene.site, host, scene.site)
    assert_ran(scene.site, deed, alice)


@each(_cases(ALL_KINDS, {"trusted": TRUSTED}, FEW))
def test_trusted_origin(scene: Scene, host: str, deed: Deed, browser: Browser, alice: User) -> None:
    """What pages of a trusted origin do is done in the user's name, WebSockets included."""
    do(browser, deed, scene.others, host, scene.site)
    assert_ran(scene.site, deed, alice)


@each(_cases(ALL_KINDS, OWN, {"no-referrer": HIDDEN_FORM, "sandboxed": SANDBOXED_FORM}))
def test_own_page_that_hides_its_origin(
    scene: Scene, host: str, deed: Deed, browser: Browser, alice: User, caplog: pytest.LogCaptureFixture
) -> None:
    """An own form that hides its origin is known over HTTPS, by Sec-Fetch-Site, unless it is in a sandbox."""
    do(browser, deed, scene.site, host, scene.site)
    assert {answer.origin for answer in scene.site.answers} == {"null"}
    if scene.site.scheme == "https" and deed is HIDDEN_FORM:
        assert_ran(scene.site, deed, alice)
    else:
        assert_refused(scene.site, caplog)


@pytest.mark.parametrize("scene", [("asgi", scheme) for scheme in SCHEMES], indirect=True, ids=SCHEMES)
def test_address(scene: Scene, browser: Browser, alice: User) -> None:
    """An address that the user types is the user's own doing."""
    with browser.tab() as tab:
        tab.visit(scene.site.origin() + "/act")
    assert scene.site.ran == [("GET", alice.principal)]


@pytest.mark.parametrize("scene", [("asgi", scheme) for scheme in SCHEMES], indirect=True, ids=SCHEMES)
def test_reload(scene: Scene, browser: Browser, alice: User, caplog: pytest.LogCaptureFixture) -> None:
    """A form sent once more by F5 is still that of the page which it stood on."""
    for there, host, site in (
        (scene.others, "evil.test", scene.lax),
        (scene.others, "evil.test", scene.site),
        (scene.site, HOSTNAME, scene.site),
    ):
        site.clear()
        with browser.tab() as tab:
            open_page(tab, FORM, there, host, site)
            wait_until(lambda: tab.evaluate(_SHOWN) is True, "the answer is shown")  # noqa: B023 (called here)
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
