"""Requests that another site made a browser send: refused before anything else is looked at, and nothing else is."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from async_kerberos import Accepted, AuthRequest, Denied, Identity, Kerberos, Reason
from async_kerberos._decision.answers import plain_denial
from async_kerberos._decision.guard import Guard
from async_kerberos._protocol.origins import parse_origin

from ...support.asking import auth_request, found

SITE = "www.example.test"
APP = "https://app.example.test"
KERBEROS = Kerberos(hostname=SITE, trusted_origins=[APP, "app://desk", "http://[2001:DB8:0::1]:8080"])


def post(
    *,
    origin: str | Sequence[str] | None = None,
    site: str | None = None,
    host: str | Sequence[str] | None = SITE,
    method: str = "POST",
    websocket: bool = False,
) -> AuthRequest:
    given = {"origin": origin, "sec-fetch-site": site, "host": host}
    fields = {
        name: [value] if isinstance(value, str) else list(value) for name, value in given.items() if value is not None
    }
    return auth_request(method=method, websocket=websocket, fields=fields)


def reason(request: AuthRequest, kerberos: Kerberos = KERBEROS) -> Reason:
    """Why the request is denied: by NO_CREDENTIALS where this rule lets it pass."""
    outcome = kerberos.authenticate_blocking(request)
    assert isinstance(outcome, Denied)
    return outcome.reason


PASSES = Reason.NO_CREDENTIALS
REFUSED = Reason.CROSS_SITE


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        # No browser, or one that says it is this site's page, or the user's own doing.
        (post(), PASSES),
        (post(site="same-origin", origin=f"https://{SITE}"), PASSES),
        (post(site="same-origin", origin="null"), PASSES),
        (post(site="none"), PASSES),
        # A browser that says it is not.
        (post(site="cross-site", origin="https://evil.test"), REFUSED),
        (post(site="cross-site"), REFUSED),
        (post(site="same-site", origin="https://sibling.example.test"), REFUSED),
        (post(site="cross-site", origin=f"https://{SITE}"), REFUSED),
        (post(site="Same-Origin"), REFUSED),
        (post(site=""), REFUSED),
        # One of whose origin alone is known.
        (post(origin=f"https://{SITE}"), PASSES),
        (post(origin=f"http://{SITE}"), PASSES),
        (post(origin="HTTPS://WWW.EXAMPLE.TEST"), PASSES),
        (post(origin="https://evil.test"), REFUSED),
        (post(origin=f"https://{SITE}.evil.test"), REFUSED),
        (post(origin=f"https://evil.test/{SITE}"), REFUSED),
        (post(origin=f"https://{SITE}@evil.test"), REFUSED),
        (post(origin=f"https://evil.test#{SITE}"), REFUSED),
        (post(origin=f"https://{SITE}\\evil.test"), REFUSED),
        (post(origin="null"), REFUSED),
        (post(origin=""), REFUSED),
        (post(origin=SITE), REFUSED),
        (post(origin="https://"), REFUSED),
        # Ports: a default one is that of the origin's scheme.
        (post(origin=f"https://{SITE}", host=f"{SITE}:443"), PASSES),
        (post(origin=f"http://{SITE}", host=f"{SITE}:80"), PASSES),
        (post(origin=f"http://{SITE}", host=f"{SITE}:443"), REFUSED),
        (post(origin=f"https://{SITE}", host=f"{SITE}:80"), REFUSED),
        (post(origin=f"https://{SITE}", host=f"{SITE}:"), PASSES),
        (post(origin=f"https://{SITE}:8443", host=f"{SITE}:8443"), PASSES),
        (post(origin=f"https://{SITE}:8443"), REFUSED),
        (post(origin=f"https://{SITE}", host=f"{SITE}:8443"), REFUSED),
        # IPv6, however it is spelled.
        (post(origin="http://[2001:db8::1]:8000", host="[2001:DB8:0:0::1]:8000"), PASSES),
        (post(origin="http://[2001:db8::1]:8000", host="[2001:db8::2]:8000"), REFUSED),
        (post(origin="http://[::1]", host="[::1]"), PASSES),
        (post(origin="http://[::1::]", host="[::1::]"), PASSES),  # no address, and yet the same text
        # What is missing, or there twice.
        (post(origin=f"https://{SITE}", host=None), REFUSED),
        (post(origin=f"https://{SITE}", host=""), REFUSED),
        (post(origin=f"https://{SITE}", host=f"inner, {SITE}"), REFUSED),
        (post(host=None), PASSES),
        (post(origin=[f"https://{SITE}", "https://evil.test"]), REFUSED),
        (post(origin=f"https://{SITE}, https://evil.test"), REFUSED),
        # Trusted origins, as they are named and no other.
        (post(origin=APP, site="same-site"), PASSES),
        (post(origin=f"{APP}:443", site="cross-site"), PASSES),
        (post(origin="HTTPS://APP.example.test"), PASSES),
        (post(origin="http://app.example.test"), REFUSED),
        (post(origin=f"{APP}:8443"), REFUSED),
        (post(origin=f"{APP}.evil.test"), REFUSED),
        (post(origin="app://desk", site="cross-site"), PASSES),
        (post(origin="app://desk2"), REFUSED),
        (post(origin="http://[2001:db8::1]:8080"), PASSES),
        # What is longer than any name is no name.
        (post(origin=f"https://{'a' * 10_000}", host="a" * 10_000), REFUSED),
    ],
)
def test_rule(request_: AuthRequest, expected: Reason) -> None:
    """A request that is not safe passes from this site's own pages, from trusted origins, and from no browser."""
    assert reason(request_) is expected


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "TRACE", "QUERY"])
def test_safe_methods(method: str) -> None:
    """A request that changes nothing may come from anywhere, unless it opens a WebSocket."""
    origin, site = "https://evil.test", "cross-site"
    assert reason(post(method=method, origin=origin, site=site)) is PASSES
    assert reason(post(method=method, websocket=True, origin=origin, site=site)) is REFUSED
    assert reason(post(method=method, websocket=True, origin="https://evil.test")) is REFUSED
    assert reason(post(method=method, websocket=True, origin=f"https://{SITE}")) is PASSES
    assert reason(post(method=method, websocket=True)) is PASSES


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "PROPFIND", "get", ""])
def test_other_methods(method: str) -> None:
    """Every other method may change something, also one that this library does not know."""
    assert reason(post(method=method, site="cross-site")) is REFUSED


@pytest.mark.parametrize("authorization", [(), ("Negotiate YII=",), ("Negotiate ?",), ("Basic YTpi",), ("a", "b")])
@pytest.mark.parametrize("options", [{}, {"failure_status": 401}, {"other_challenges": ['Basic realm="x"']}])
def test_before_any_token(
    authorization: tuple[str, ...], options: dict[str, object], caplog: pytest.LogCaptureFixture
) -> None:
    """The answer is 403 without a challenge that would draw a ticket out; the log tells the origin and the remedy."""
    kerberos = Kerberos(hostname=SITE, **options)  # type: ignore[arg-type]
    request = auth_request(authorization, method="POST", fields={"origin": ["https://evil\n.test"], "host": [SITE]})
    assert kerberos.authenticate_blocking(request) == plain_denial(403, Reason.CROSS_SITE)
    (line,) = caplog.messages
    assert "403 for a client: cross-site request (Host is 'www.example.test', and Origin 'https://evil" in line
    assert "trusted_origins" in line
    assert "\n" not in line


def test_allow() -> None:
    """The operator may allow it, for all views or for one, and a view may be stricter than the rest."""
    foreign = post(origin="https://evil.test", site="cross-site")
    lax = Kerberos(hostname=SITE, cross_site="allow")
    assert reason(foreign, lax) is PASSES
    for kerberos, cross_site, expected in (
        (KERBEROS, "allow", PASSES),
        (KERBEROS, None, REFUSED),
        (lax, "refuse", REFUSED),
        (lax, None, PASSES),
    ):
        outcome = kerberos.authenticate_blocking(foreign, Guard(cross_site=cross_site))  # type: ignore[arg-type] # a text of the table
        assert isinstance(outcome, Denied)
        assert outcome.reason is expected


def test_earlier_result() -> None:
    """What the same object has judged is not judged again: a bridge may have lost what it was judged by."""
    token = ("Negotiate YII=",)
    fields = {"origin": ["https://evil.test"], "host": [SITE]}
    for maker, judged, cross_site, passes in (
        (KERBEROS, True, None, True),
        (KERBEROS, True, "refuse", True),
        (KERBEROS, False, "allow", True),
        (KERBEROS, False, None, False),
        (Kerberos(hostname=SITE), True, None, False),
    ):
        earlier = found(Identity("alice@X", f"HTTP/{SITE}@X"), (), maker, token, judged=judged)
        request = auth_request(token, earlier=earlier, method="POST", fields=fields)
        outcome = KERBEROS.authenticate_blocking(request, Guard(cross_site=cross_site))  # type: ignore[arg-type] # a text of the table
        assert isinstance(outcome, Accepted) is passes


def test_method_that_changes_on_the_way() -> None:
    """A GET that was let in is judged again where a middleware has made a POST of it."""
    token, fields = ("Negotiate YII=",), {"origin": ["https://evil.test"], "host": [SITE]}
    first = found(Identity("alice@X", f"HTTP/{SITE}@X"), (), KERBEROS, token)
    again = KERBEROS.authenticate_blocking(auth_request(token, earlier=first, fields=fields))
    assert isinstance(again, Accepted)
    outcome = KERBEROS.authenticate_blocking(auth_request(token, earlier=again, method="POST", fields=fields))
    assert isinstance(outcome, Denied)
    assert outcome.reason is REFUSED


PROXY = ("10.0.0.7", 40_000)


@pytest.mark.parametrize(
    ("fields", "peer", "expected"),
    [
        ({"x-forwarded-host": [SITE]}, PROXY, PASSES),
        ({"x-forwarded-host": [f"inner, {SITE}:443"]}, PROXY, PASSES),
        ({"x-forwarded-host": ["inner", SITE]}, PROXY, PASSES),
        ({"x-forwarded-host": [f"{SITE}:8443"]}, PROXY, REFUSED),
        ({"x-forwarded-host": ["evil.test"]}, PROXY, REFUSED),
        ({"x-forwarded-host": [SITE]}, ("10.0.0.8", 40_000), REFUSED),
        ({"x-forwarded-host": [SITE]}, (PROXY[0], 0), REFUSED),
        ({"x-forwarded-host": [SITE]}, None, REFUSED),
        ({"x-forwarded-host": [SITE], "x-forwarded-for": [f"192.0.2.1, {PROXY[0]}"]}, PROXY, REFUSED),
        ({"x-forwarded-host": [SITE], "x-forwarded-for": ["192.0.2.1"]}, PROXY, PASSES),
        ({"x-forwarded-host": [SITE] * 1000}, PROXY, REFUSED),
        ({"x-forwarded-host": ["[::], " * 1000]}, PROXY, REFUSED),
        ({"x-forwarded-host": ["[::], " * 20 + SITE]}, PROXY, REFUSED),
        ({}, PROXY, REFUSED),
    ],
)
def test_forwarded_host(fields: dict[str, list[str]], peer: tuple[str, int] | None, expected: Reason) -> None:
    """The name that a proxy was asked by counts beside ``Host``, if the operator trusts the proxy; TLS or not."""
    kerberos = Kerberos(hostname=SITE, trusted_proxies=[PROXY[0]])
    request = auth_request(
        peer=peer, method="POST", fields={"host": ["backend:8000"], "origin": [f"https://{SITE}"], **fields}
    )
    assert reason(request, kerberos) is expected
    without = auth_request(peer=peer, method="POST", fields={"host": ["backend:8000"], "x-forwarded-host": [SITE]})
    assert reason(without, kerberos) is PASSES
    assert reason(request, Kerberos(hostname=SITE)) is REFUSED


@pytest.mark.parametrize(
    "text", ["https://app.example.test", "HTTPS://App.Example.TEST:443", "https://app.example.test:"]
)
def test_one_spelling(text: str) -> None:
    """An origin is the same however it is spelled."""
    assert parse_origin(text) == ("https", "app.example.test", "443")


def test_trusted_origins_as_they_were_given() -> None:
    """The option reads back as it was given."""
    assert KERBEROS.trusted_origins == (APP, "app://desk", "http://[2001:DB8:0::1]:8080")
    assert Kerberos(trusted_origins=[]).trusted_origins == ()
