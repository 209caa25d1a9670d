"""The built-in page in a real browser: it shows, in both colour schemes, wide and narrow, and can be read."""

from __future__ import annotations

import struct
import tempfile
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from .chromium import Browser, Tab
from .screenshots import ALL, FOLDER, SCHEMES, WIDTHS, Shown, look, site

SHOWN = [
    Shown(scheme, width, language, opened=True) for scheme in SCHEMES for width in WIDTHS for language in ("en", "de")
]

# Web Content Accessibility Guidelines 2.2, "relative luminance" and "contrast ratio".
LEAST_CONTRAST = """
(() => {
    const numbers = color => color.match(/[\\d.]+/g).map(Number)
    const luminance = color => {
        const linear = share => share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4
        const [r, g, b] = numbers(color).map(part => linear(part / 255))
        return 0.2126 * r + 0.7152 * g + 0.0722 * b
    }
    const ground = element => {
        for (; element; element = element.parentElement) {
            const color = getComputedStyle(element).backgroundColor
            if (numbers(color)[3] !== 0) return color
        }
        return "rgb(255, 255, 255)"
    }
    const said = [...document.querySelectorAll("main *")].filter(element => element.innerText)
    return Math.min(...said.map(element => {
        const [low, high] = [getComputedStyle(element).color, ground(element)].map(luminance).sort((a, b) => a - b)
        return (high + 0.05) / (low + 0.05)
    }))
})()
"""


@pytest.fixture(scope="module")
def browser() -> Generator[Browser, None, None]:
    """A browser without a ticket."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, Browser(Path(folder), {}) as browser:
        yield browser


@pytest.fixture(scope="module")
def url() -> Generator[str, None, None]:
    """A site that lets nobody in."""
    with site() as url:
        yield url


def value(tab: Tab, element: str, name: str) -> Any:
    return tab.evaluate(f"getComputedStyle(document.querySelector('{element}')).getPropertyValue('{name}')")


@pytest.mark.parametrize("shown", SHOWN, ids=lambda shown: shown.name)
def test_page(browser: Browser, url: str, shown: Shown) -> None:
    """Its policy lets its style through; nothing is cut off, nor too pale; headings are in order."""
    tab = look(browser, url, shown)
    assert tab.evaluate("document.documentElement.lang") == shown.language
    assert value(tab, "main", "max-width") == "736px"  # of the style sheet
    light = value(tab, "main", "background-color") == "rgb(255, 255, 255)"
    assert light is (shown.scheme == "light")
    assert tab.evaluate("document.documentElement.scrollWidth") <= WIDTHS[shown.width]
    assert tab.evaluate(LEAST_CONTRAST) >= 4.5  # level AA
    levels = tab.evaluate("[...document.querySelectorAll('h1, h2, h3')].map(heading => heading.tagName).join()")
    assert levels.startswith("H1,H2,H2,H3")
    assert "www.example.com" in tab.evaluate("document.body.innerText")


def test_policy(browser: Browser, url: str) -> None:
    """No script of the page's, no style and no picture gets past its policy."""
    tab = look(browser, url, Shown("light", "wide"))
    tab.evaluate("document.body.insertAdjacentHTML('beforeend', '<style>main { max-width: 1px }</style>')")
    assert value(tab, "main", "max-width") == "736px"
    tab.evaluate(
        "const made = document.createElement('script'); made.text = 'window.ran = true'; document.body.append(made)"
    )
    assert tab.evaluate("window.ran === undefined") is True


@pytest.mark.parametrize("shown", ALL, ids=lambda shown: shown.name)
def test_pictures(shown: Shown) -> None:
    """The pictures in docs/pages are there, and small."""
    data = (FOLDER / f"{shown.name}.png").read_bytes()
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    assert len(data) < 150_000
    width, height = struct.unpack(">II", data[16:24])
    assert width <= WIDTHS[shown.width]
    assert height > 400
