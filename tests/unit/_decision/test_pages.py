"""The bodies of answers to requests that may not pass: the built-in page, and those of an application's functions."""

from __future__ import annotations

import base64
import configparser
import hashlib
import json
import re
import tracemalloc
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import anyio
import pytest

from async_kerberos import ConfigurationError, Denied, Guard, Kerberos, Overloaded, Pages, Reason, WorkerLimits
from async_kerberos._decision import built_in
from async_kerberos._decision.answers import plain_denial
from async_kerberos._decision.built_in import BuiltInPage
from async_kerberos._decision.pages import BY_PLACE, with_body
from async_kerberos._threads.waits import OnLoop, OnThread
from async_kerberos._threads.workers import Workers

from ...support.asking import auth_request, denied

WHOLE = Guard(whole=True)
HTML = {"accept": ["text/html"]}
LANGUAGES = sorted(file.stem for file in Path(built_in.__file__).with_name("page").glob("*.ini"))


def answer(
    language: str = "en", accept: str = "text/html", kerberos: Kerberos | None = None, status: int = 401
) -> Denied:
    """What a request without a ticket gets, or one that another site made a browser send."""
    fields = {"accept": [accept], "accept-language": [language]}
    if status == 403:
        fields |= {"origin": ["https://evil.test"], "host": ["www.example.com"]}
    request = auth_request(fields=fields, method="POST", path="/secret")
    return denied((kerberos or Kerberos(hostname="www.example.com")).authenticate_blocking(request, WHOLE))


class Page(HTMLParser):
    """What is in a page: its tags, which all have to be closed, and its attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_languages() -> None:
    """There are English and German at least, and each has the same texts, as markup and with no other names."""
    assert {"de", "en"} <= set(LANGUAGES)
    found: dict[str, set[tuple[str, str]]] = {}
    for language in LANGUAGES:
        parser = configparser.ConfigParser(interpolation=None)
        parser.read(Path(built_in.__file__).with_name("page") / f"{language}.ini", "utf-8")
        texts = {(section, name): text for section in parser.sections() for name, text in parser[section].items()}
        assert set(re.findall(r"\$\w+", "".join(texts.values()))) <= {"$host"}
        for text in texts.values():
            Page(text)
        for status in ("401", "403"):
            assert len(re.findall(r"[.!?](?:\s|$)", texts[status, "happened"])) == 3
        found[language] = set(texts)
    assert all(names == found["en"] for names in found.values())


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("status", [401, 403])
def test_page(language: str, status: int) -> None:
    """A page has its language, name, commands and browsers; no script, nothing to fetch, and nothing left to fill."""
    outcome = answer(language, status=status)
    text = outcome.body.decode()
    assert outcome.status == status
    assert f'<html lang="{language}">' in text
    assert "$" not in text
    page = Page(text)
    assert page.tags.count("h1") == page.tags.count("main") == page.tags.count("title") == page.tags.count("style") == 1
    assert page.tags.count("details") == page.tags.count("summary") == 4
    assert not {"script", "link", "img", "form", "iframe", "a", "base", "object"} & set(page.tags)
    assert {name for name, _ in page.attributes} == {"lang", "charset", "name", "content", "class"}
    assert not re.search(r"url\(|@import", text)
    for word in ("klist", "kinit", "www.example.com", "Firefox", "Chrome", "Edge", "Safari"):
        assert word in text
    assert len(outcome.body) < 10_000


@pytest.mark.parametrize("status", [401, 403])
def test_headers(status: int) -> None:
    """The policy allows this one style sheet, by its hash, and nothing else; caches keep nothing."""
    outcome = answer(status=status)
    headers = dict(outcome.headers)
    style = re.search("<style>(.*)</style>", outcome.body.decode(), re.DOTALL)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert headers["Content-Security-Policy"] == (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    assert headers["Vary"] == "Accept, Accept-Language"
    assert headers["Cache-Control"] == "no-store"
    assert len(headers) == len(outcome.headers)


def test_nothing_of_the_request() -> None:
    """Whatever came in the request, and whatever the reason is, the page is one and the same."""
    kerberos = Kerberos(hostname="www.example.com", require_tls=True)
    fields = {**HTML, "host": ["<b>evil</b>"], "user-agent": ["x"], "origin": ["https://evil.test"]}
    bodies = {
        denied(kerberos.authenticate_blocking(auth_request(authorization, fields=fields, path=path), WHOLE)).body
        for authorization in ((), ("Negotiate YII=",))
        for path in ("/", "/<script>")
    }
    assert len(bodies) == 1
    assert b"evil" not in bodies.pop()


def test_json() -> None:
    """Problem details (RFC 9457) say the status and what happened, in the language that was asked for."""
    outcome = answer("de", "application/json")
    assert dict(outcome.headers)["Content-Type"] == "application/problem+json"
    problem = json.loads(outcome.body)
    assert (problem["type"], problem["title"], problem["status"]) == ("about:blank", "Unauthorized", 401)
    assert "Kerberos-Ticket" in problem["detail"]
    assert "\n" not in problem["detail"]


@pytest.mark.parametrize("hostname", [None, "*", "192.0.2.7", ["www.example.org", "intranet.example.org"]])
def test_no_name(hostname: Any) -> None:
    """The page shows no name where there is none, or more than one, and none that is an address."""
    text = answer(kerberos=Kerberos(hostname=hostname)).body.decode()
    assert "example.org" not in text
    assert "192.0.2.7" not in text
    assert "such as www.example.com" in text


def test_name_with_markup() -> None:
    """The name is text, whatever is in it."""
    text = answer(kerberos=Kerberos(hostname="<script>&\"$'")).body.decode()
    assert "script" not in Page(text).tags
    assert "&lt;script&gt;&amp;&quot;$&#x27;" in text


def test_made_once() -> None:
    """One and the same answer for all who want it so: nothing of it is made again."""
    kerberos = Kerberos(hostname="www.example.com")
    assert answer(kerberos=kerberos) is answer(kerberos=kerberos)
    assert answer(kerberos=kerberos, accept="*/*") is answer(kerberos=kerberos, accept="image/png")
    assert answer(kerberos=kerberos, status=403).body is answer(kerberos=kerberos, status=403).body


def test_nothing_long_is_kept() -> None:
    """Some servers let fields be as long as they like. What is kept of them does not add up, whatever was sent."""
    kerberos = Kerberos(hostname="www.example.com")
    answer(kerberos=kerberos)
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for number in range(64):
            long = f"de, x{number}" + "x" * 200_000
            answer(long, "text/html", kerberos)
            answer("de", f"text/html, {long}", kerberos)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 1_000_000
    assert b'lang="en"' in answer(long, "text/html", kerberos).body
    assert answer("de", f"text/html, {long}", kerberos).body == b"Unauthorized"


def test_page_that_fails_again_and_again(caplog: pytest.LogCaptureFixture) -> None:
    """Any stranger may have it fail: its error is logged once, and not with each request."""

    def fail(_: Any) -> str:
        raise LookupError("no page here")

    kerberos = Kerberos(hostname="www.example.com", pages=Pages(challenge=fail, denial=fail))
    for _ in range(100):
        assert answer(kerberos=kerberos).body == b"Unauthorized"
        assert answer(kerberos=kerberos, status=403).body == b"Forbidden"
    failed = [record for record in caplog.records if "failed; the built-in body" in record.getMessage()]
    assert len(failed) == 2


def test_files_are_read_by_a_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """The loop never waits for a file; and with no worker for it, the answer is the status in words, this once."""
    request = auth_request(fields=HTML)
    base = plain_denial(401, Reason.NO_CREDENTIALS)
    calls: list[Callable[[], Any]] = []

    class NoWorkers(OnThread):
        async def compute(self, call: Callable[[], Any]) -> Any:
            calls.append(call)
            if len(calls) == 1:
                raise Overloaded("full")
            return call()

    async def ask() -> None:
        page, waits = BuiltInPage([]), NoWorkers()
        assert page.at_once(base, request) is None
        assert await page.in_time(base, request, waits) is base
        assert b"klist" in (await page.in_time(base, request, waits)).body
        at_once = page.at_once(base, request)
        assert at_once is not None
        assert b"klist" in at_once.body
        workers = Workers(WorkerLimits(threads=1))
        assert b"klist" in (await BuiltInPage([]).in_time(base, request, OnLoop(workers))).body
        workers.close()

    anyio.run(ask)


def test_by_place() -> None:
    """The option that is not given is another one than ``Pages()``, which counts everywhere."""
    request = auth_request(fields=HTML)
    for pages, guard, is_page in (
        (BY_PLACE, Guard(), False),
        (BY_PLACE, WHOLE, True),
        (Pages(), Guard(), True),
        (None, WHOLE, False),
    ):
        outcome = denied(Kerberos(pages=pages).authenticate_blocking(request, guard))
        assert (b"klist" in outcome.body) is is_page
        assert outcome.asks_handler is (pages is not None)
    assert Kerberos().pages is BY_PLACE
    assert repr(BY_PLACE) == "BY_PLACE"
    assert Pages() != BY_PLACE


def test_other_statuses() -> None:
    """A page is for 401 and 403 alone."""
    outcome = Kerberos(pages=Pages()).authenticate_blocking(auth_request(["Negotiate"], fields=HTML))
    assert (denied(outcome).status, denied(outcome).body, denied(outcome).asks_handler) == (400, b"Bad Request", False)


@pytest.mark.parametrize("option", ["challenge", "denial"])
def test_no_function(option: str) -> None:
    """What cannot be called is refused when it is given, and so is what is no ``Pages``."""
    with pytest.raises(ConfigurationError, match=rf"^{option}: must be a function of the request, not 'page'"):
        Pages(**{option: "page"})  # type: ignore[arg-type] # a mistake
    with pytest.raises(ConfigurationError, match=r"^pages: must be Pages\(...\), not <function"):
        Kerberos(pages=lambda _: "page")  # type: ignore[arg-type] # a mistake


PLAIN = plain_denial(401, Reason.NO_CREDENTIALS, [("WWW-Authenticate", "Negotiate"), ("Vary", "X")])
TEXT, HTML_TYPE = "text/plain", "text/html; charset=utf-8"


@pytest.mark.parametrize(
    ("page", "body", "content_type"),
    [
        ("gr\xfc\xdfe", "gr\xfc\xdfe".encode(), HTML_TYPE),
        (b"\xff", b"\xff", HTML_TYPE),
        (("text", TEXT), b"text", TEXT),
        ((b"", "a/b; c=d"), b"", "a/b; c=d"),
    ],
)
def test_body(page: Any, body: bytes, content_type: str) -> None:
    """A body comes alone, or with its type; the headers of the body that was there go."""
    dressed = with_body(PLAIN, page)
    assert (dressed.status, dressed.reason, dressed.body) == (PLAIN.status, PLAIN.reason, body)
    assert dressed.headers == (
        ("WWW-Authenticate", "Negotiate"),
        ("Content-Type", content_type),
        ("Cache-Control", "no-store"),
    )


@pytest.mark.parametrize(
    ("page", "error"),
    [
        (None, "not NoneType"),
        (7, "not int"),
        (("text",), "not 1 things"),
        (("text", TEXT, 401), "not 3 things"),
        ((7, TEXT), "not int and str"),
        (("text", 401), "not str and int"),
        (("text", "html"), "'html' is no content type"),
        (("text", "text/html\r\nSet-Cookie: a=b"), "is no content type"),
        ("\udc80", "surrogates not allowed"),
    ],
)
def test_no_body(page: Any, error: str) -> None:
    """Anything else is an error that says what it was; a type cannot smuggle a header in."""
    with pytest.raises((TypeError, ValueError), match=error):
        with_body(PLAIN, page)
