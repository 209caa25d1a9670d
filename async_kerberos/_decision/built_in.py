"""The built-in page: for people HTML, for programs JSON, and for the rest the status in words.

It says nothing of the request or of the reason, so there are few of them. Each is made once.
"""

from __future__ import annotations

import base64
import configparser
import functools
import hashlib
import html
import ipaddress
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path
from string import Template
from typing import NamedTuple

from .._protocol.negotiation import Kind, is_long, kind_of, language_of
from .._threads.waits import Waits
from ..errors import WorkersError
from ..outcomes import Denied, Headers
from ..reasons import Reason
from ..request import AuthRequest

_FOLDER = Path(__file__).with_name("page")
_ENGLISH = "en"

# In place of the site's name, where that is not known.
_ANY_NAME = "www.example.com"

# RFC 9110, section 12.5.5; and a browser must not show it again once it can sign in.
_FOR_CACHES: Headers = (("Vary", "Accept, Accept-Language"), ("Cache-Control", "no-store"))

PAGE_FIELDS = frozenset(
    {"Content-Type", "Content-Language", "Content-Security-Policy", *(name for name, _ in _FOR_CACHES)}
)
"""The names of the headers that belong to a body: who changes that, leaves these out."""


class _Texts(NamedTuple):
    """What the files say.

    Attributes:
        layout: the page, with names of texts.
        policy: its ``Content-Security-Policy``.
        texts: the texts by language, section and name.
    """

    layout: Template
    policy: str
    texts: Mapping[str, Mapping[str, Mapping[str, str]]]


@functools.cache
def _read_texts() -> _Texts:
    layout = (_FOLDER / "page.html").read_text("utf-8")
    style = re.search("<style>(.*?)</style>", layout, re.DOTALL)
    digest = hashlib.sha256(style[1].encode() if style else b"").digest()
    policy = (
        f"default-src 'none'; style-src 'sha256-{base64.b64encode(digest).decode()}'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    texts: dict[str, Mapping[str, Mapping[str, str]]] = {}
    for file in sorted(_FOLDER.glob("*.ini")):
        parser = configparser.ConfigParser(interpolation=None)
        parser.read(file, "utf-8")
        texts[file.stem] = {section: dict(parser[section]) for section in parser.sections()}
    return _Texts(Template(layout), policy, texts)


_ANYTHING = ("*/*",)

# Browsers of one release send the same. What is kept has to be short, whatever a client has sent.
_kind_of = functools.lru_cache(maxsize=128)(kind_of)


@functools.lru_cache(maxsize=128)
def _language_of(accept_language: tuple[str, ...]) -> str:
    return language_of(accept_language, _read_texts().texts, _ENGLISH)


class BuiltInPage:
    """The page of one service.

    Args:
        hostnames: the names of the service. If there is one, the page says it.
    """

    def __init__(self, hostnames: Sequence[str]) -> None:
        self._host = hostnames[0] if len(hostnames) == 1 and _is_name(hostnames[0]) else ""
        self._texts_are_read = False
        self._made: dict[tuple[int, Kind, str], tuple[Headers, bytes]] = {}
        self._challenges: dict[str, Denied] = {}

    def at_once(self, denied: Denied, request: AuthRequest) -> Denied | None:
        """The answer with the page that the client would rather have; None as long as the files are not read."""
        accept = request.values("accept")
        kind: Kind = "text" if not accept or accept == _ANYTHING or is_long(accept) else _kind_of(accept)
        if kind != "text" and not self._texts_are_read:
            return None
        languages = () if kind == "text" else request.values("accept-language")
        language = "" if kind == "text" else _language_of(() if is_long(languages) else languages)
        if denied.reason is not Reason.NO_CREDENTIALS:
            return self._with_page(denied, kind, language)
        # Half of all requests get one and the same answer, here as well.
        known = self._challenges.get(kind + language)
        if known is None:
            known = self._challenges[kind + language] = self._with_page(denied, kind, language)
        return known

    async def in_time(self, denied: Denied, request: AuthRequest, waits: Waits) -> Denied:
        """The same, once the files are read, which a worker does."""
        try:
            await waits.compute(_read_texts)
        except WorkersError:
            return denied  # with the status in words; they will have time again
        self._texts_are_read = True
        return self.at_once(denied, request) or denied

    def _with_page(self, denied: Denied, kind: Kind, language: str) -> Denied:
        if kind == "text":
            return replace(denied, headers=(*denied.headers, *_FOR_CACHES))
        key = denied.status, kind, language
        made = self._made.get(key)
        if made is None:
            make = self._html if kind == "html" else self._json
            made = self._made[key] = make(denied.status, language)
        headers, body = made
        return replace(denied, headers=(*without_page(denied.headers), *headers), body=body)

    def _html(self, status: int, language: str) -> tuple[Headers, bytes]:
        layout, policy, texts = _read_texts()
        host = html.escape(self._host or _ANY_NAME)
        said = {**texts[language]["page"], **texts[language][str(status)]}
        said = {name: Template(text).substitute(host=host) for name, text in said.items()}
        said["which_name"] = said["this_name" if self._host else "any_name"]
        phrase = HTTPStatus(status).phrase
        page = layout.substitute(said, language=language, status=status, phrase=phrase, host=host)
        headers = (
            ("Content-Type", "text/html; charset=utf-8"),
            ("Content-Language", language),
            ("Content-Security-Policy", policy),
        )
        return (*headers, *_FOR_CACHES), page.encode()

    def _json(self, status: int, language: str) -> tuple[Headers, bytes]:
        """Problem details (RFC 9457)."""
        detail = _read_texts().texts[language][str(status)]["happened"].replace("\n", " ")
        problem = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail}
        headers = (("Content-Type", "application/problem+json"), ("Content-Language", language))
        return (*headers, *_FOR_CACHES), json.dumps(problem, ensure_ascii=False).encode()


def without_page(headers: Headers) -> Headers:
    """Headers without those that belong to a body."""
    return tuple(field for field in headers if field[0] not in PAGE_FIELDS)


def _is_name(hostname: str) -> bool:
    if hostname == "*":
        return False
    try:
        ipaddress.ip_address(hostname)
    except ValueError:
        return True
    return False
