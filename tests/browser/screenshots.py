"""Pictures of the built-in page in a real browser, into docs/pages: ``make screenshots``."""

from __future__ import annotations

import base64
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

from async_kerberos.adapters.asgi import KerberosMiddleware

from ..support import ROOT
from ..support.servers import Uvicorn
from ..support.waiting import wait_until
from .chromium import Browser, Tab

FOLDER = ROOT / "docs" / "pages"

SCHEMES = ("light", "dark")
WIDTHS = {"wide": 900, "narrow": 380}


class Shown(NamedTuple):
    """One way to look at the page."""

    scheme: str
    width: str
    language: str = "en"
    opened: bool = False

    @property
    def name(self) -> str:
        """The name of its picture, without suffix."""
        parts = (self.language, self.scheme, self.width, "opened" if self.opened else "")
        return "-".join(filter(None, parts))


ALL = [Shown(scheme, width) for scheme, width in product(SCHEMES, WIDTHS)] + [
    Shown("light", "wide", opened=True),
    Shown("light", "narrow", language="de"),
]


@contextmanager
def site() -> Generator[str, None, None]:
    """The address of a site that lets nobody in."""

    async def application(scope: Any, receive: Any, send: Any) -> None:
        """Nobody gets here but the server, with its lifespan."""
        while scope["type"] == "lifespan":
            message = await receive()
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                return

    middleware = KerberosMiddleware(application, hostname="www.example.com")
    with Uvicorn(middleware) as server:
        yield f"http://www.example.test:{server.address[1]}/"


def look(browser: Browser, url: str, shown: Shown) -> Tab:
    """Go to the page in a new tab, which becomes as high as the page."""
    tab = browser.tab()
    tab.order("Network.enable")
    tab.order("Network.setExtraHTTPHeaders", {"headers": {"Accept-Language": shown.language}})
    tab.order("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": shown.scheme}]})
    _size(tab, WIDTHS[shown.width], 800)
    tab.visit(url)
    there = "document.readyState + document.querySelectorAll('main').length"
    wait_until(lambda: bool(tab.evaluate(there) == "complete1"), "the page is there")
    if shown.opened:
        tab.evaluate("document.querySelectorAll('details').forEach(details => { details.open = true })")
    _size(tab, WIDTHS[shown.width], tab.evaluate("document.documentElement.scrollHeight"))
    return tab


def picture(tab: Tab, shown: Shown) -> bytes:
    """A picture of the whole page, or of how to set up one browser, as PNG."""
    seen = "details:nth-of-type(2)" if shown.opened else "html"
    box = tab.evaluate(f"document.querySelector('{seen}').getBoundingClientRect().toJSON()")
    clip = {"scale": 1, **{side: box[side] for side in ("x", "y", "width", "height")}}
    return base64.b64decode(tab.order("Page.captureScreenshot", {"clip": clip})["data"])


def _size(tab: Tab, width: int, height: int) -> None:
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    tab.order("Emulation.setDeviceMetricsOverride", metrics)


def main() -> None:
    """Take all pictures."""
    FOLDER.mkdir(exist_ok=True)
    folders = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
    with folders as folder, site() as url, Browser(Path(folder), {}) as browser:
        for shown in ALL:
            file = FOLDER / f"{shown.name}.png"
            file.write_bytes(picture(look(browser, url, shown), shown))
            print(file.relative_to(ROOT), file.stat().st_size)


if __name__ == "__main__":
    main()
