"""The WSGI plumbing that needs no ticket: how a denial is sent."""

from __future__ import annotations

import pytest

from async_kerberos import Reason
from async_kerberos._decision.answers import plain_denial
from async_kerberos._web.wsgi import send_denial


@pytest.mark.parametrize(("method", "body"), [("GET", [b"Forbidden"]), ("HEAD", [])])
def test_denial(method: str, body: list[bytes]) -> None:
    """A denial has its status, its headers and its body; to HEAD, the headers alone (RFC 9110, section 9.3.2)."""
    started: list[tuple[str, list[tuple[str, str]]]] = []

    def start_response(status: str, headers: list[tuple[str, str]]) -> None:
        started.append((status, headers))

    denied = plain_denial(403, Reason.NOT_AUTHORISED)
    assert list(send_denial({"REQUEST_METHOD": method}, start_response, denied)) == body
    assert started == [("403 Forbidden", [*denied.headers, ("Content-Length", "9")])]
