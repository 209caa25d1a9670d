"""What a person sees at a 401 or a 403: the body, and nothing else of the answer."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import cast

from .._never_sent import NeverSent
from .._threads.waits import Waits
from ..errors import ConfigurationError
from ..outcomes import Denied
from ..request import AuthRequest
from ..telemetry.faults import Faults
from ..telemetry.log import log_page_failed
from .built_in import BuiltInPage, without_page
from .guard import Guard

Page = str | bytes | tuple[str | bytes, str]
"""A body, HTML in UTF-8 unless a content type stands beside it."""

MakePage = Callable[[AuthRequest], Page | Awaitable[Page]]
"""Makes the body of an answer to a request."""

_HTML = "text/html; charset=utf-8"

# RFC 9110, section 8.3.1; a line break would begin another header.
_CONTENT_TYPE = re.compile(r"[!-~]+/[!-~][ -~]*")


@dataclass(frozen=True, kw_only=True)
class Pages(NeverSent):
    """What a person sees who is not let in. Status, challenges and the other headers stay as they are.

    Without functions it is the built-in page: how to sign in, in HTML for browsers (by ``Accept``), in English or
    German (by ``Accept-Language``); for programs that ask for JSON, problem details (RFC 9457); for all others, the
    status in words.

    Attributes:
        challenge: makes the body of a 401. It is called with the request, which has no credentials, and returns HTML as
            text or bytes, or a pair of a body and its content type. What it returns is awaited if it can be. A function
            that is not async is called on the event loop, where it may not wait, or on the thread of the request. If it
            raises an error, or returns something else, the client gets the status in words.
        denial: makes the body of a 403, likewise.

    Raises:
        ConfigurationError: one of them is no function.
    """

    challenge: MakePage | None = None
    denial: MakePage | None = None

    def __post_init__(self) -> None:
        for name, make in (("challenge", self.challenge), ("denial", self.denial)):
            if make is not None and not callable(make):
                raise ConfigurationError(name, f"must be a function of the request, not {make!r}")


class _ByPlace(Pages):
    """What the option is where it is not given."""

    def __repr__(self) -> str:
        return "BY_PLACE"


BY_PLACE: Pages = _ByPlace()
"""The built-in page where a whole application is guarded, and elsewhere the status in words."""


class Bodies:
    """The bodies of answers to requests that may not pass.

    Args:
        pages: the option.
        hostnames: the names of the service.
    """

    def __init__(self, pages: Pages | None, hostnames: Sequence[str]) -> None:
        self._pages = pages
        self._is_by_place = pages is BY_PLACE
        self._built_in = BuiltInPage(hostnames)
        self._faults = Faults()

    def at_once(self, denied: Denied, request: AuthRequest, guard: Guard) -> Denied | None:
        """The answer with its body, if nothing has to be waited for; else None: ask :meth:`in_time`."""
        pages = self._pages
        if pages is None or (self._is_by_place and not guard.whole) or denied.status not in (401, 403):
            return denied
        make = pages.challenge if denied.status == 401 else pages.denial
        return self._built_in.at_once(denied, request) if make is None else None

    async def in_time(self, denied: Denied, request: AuthRequest, waits: Waits) -> Denied:
        """The answer with the body that the application makes of it, or with the built-in one."""
        pages = self._pages or BY_PLACE
        make, name = (pages.challenge, "challenge") if denied.status == 401 else (pages.denial, "denial")
        if make is None:
            return await self._built_in.in_time(denied, request, waits)
        denied = replace(denied, asks_handler=False)
        try:
            page = await waits.consult(make, request.without_credentials())
            return with_body(denied, page)
        except Exception as error:
            log_page_failed(self._faults, denied.status, f"pages.{name}", error)
            return denied


def with_body(denied: Denied, page: object) -> Denied:
    """The answer with another body, and all else as it was.

    Args:
        denied: the answer.
        page: what an application has made: a :data:`Page`, if it did right.

    Raises:
        TypeError: it is something else.
        ValueError: the content type cannot stand in a header, or the text not in UTF-8.
    """
    pair = cast("tuple[object, ...]", page) if isinstance(page, tuple) else (page, _HTML)
    if len(pair) != 2:
        raise TypeError(f"a page is a body, or a pair of a body and its content type, not {len(pair)} things")
    body, content_type = pair
    if not isinstance(body, (str, bytes)) or not isinstance(content_type, str):
        kinds = " and ".join(type(value).__name__ for value in (pair if isinstance(page, tuple) else pair[:1]))
        raise TypeError(f"a page is a text or bytes, or a pair of these and a content type, not {kinds}")
    if not _CONTENT_TYPE.fullmatch(content_type):
        raise ValueError(f"{content_type!r} is no content type")
    # The body may be another one for the next request: nobody knows by what it was chosen.
    headers = (*without_page(denied.headers), ("Content-Type", content_type), ("Cache-Control", "no-store"))
    return replace(denied, headers=headers, body=body.encode() if isinstance(body, str) else body)
