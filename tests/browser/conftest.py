"""One browser with Alice's ticket, and the sites that it goes to, for all tests of this folder."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Generator
from pathlib import Path
from typing import NamedTuple

import pytest

from async_kerberos.testing import User

from ..support import HOSTNAME
from ..support.deployments import closing_all
from ..support.guards import ThreadGuard
from ..support.tls import self_signed
from .chromium import Browser, Tab
from .sites import KINDS, OTHERS, Site, serve

TRUSTED = "app.example.test"

SCHEMES = ("http", "https")


class Scene(NamedTuple):
    """What there is in one test.

    Attributes:
        lax: the site with ``cross_site="allow"``.
        site: the site as it is by default, and with a trusted origin: the others' by the name ``TRUSTED``.
        others: any other site, by any name below ``.test``.
    """

    lax: Site
    site: Site
    others: Site

    def cleared(self) -> Scene:
        """The scene, and nothing done there yet."""
        for site in self:
            site.clear()
        return self


@pytest.fixture(scope="module")
def scenes(
    realm: object, www: object, thread_guard: ThreadGuard
) -> Generator[dict[tuple[str, str], Scene], None, None]:
    """The scene for each kind of site and each scheme."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(closing_all())
        served = self_signed(Path(stack.enter_context(tempfile.TemporaryDirectory())), "site")

        def start(kind: str, scheme: str, **options: object) -> Site:
            return stack.enter_context(serve(kind, scheme, served, thread_guard, **options))

        scenes: dict[tuple[str, str], Scene] = {}
        for scheme in SCHEMES:
            others = start(OTHERS, scheme)
            trusted = [others.origin(TRUSTED)]
            for kind in KINDS.keys() - {OTHERS}:
                lax = start(kind, scheme, hostname=HOSTNAME, cross_site="allow")
                site = start(kind, scheme, hostname=HOSTNAME, trusted_origins=trusted)
                scenes[kind, scheme] = Scene(lax, site, others)
        yield scenes


@pytest.fixture(scope="module")
def tab(scenes: object, alice: User) -> Generator[Tab, None, None]:
    """The tab of a browser that signs in as Alice."""
    # It goes before the servers, which wait for its connections to end. A tab for each test would take twice the time.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, Browser(Path(folder), alice.env) as browser:
        yield browser.tab()


@pytest.fixture
def scene(request: pytest.FixtureRequest, scenes: dict[tuple[str, str], Scene]) -> Scene:
    """The scene that the test names by a kind and a scheme, nothing done there yet."""
    return scenes[request.param].cleared()
