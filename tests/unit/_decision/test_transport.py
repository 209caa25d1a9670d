"""Whether a request came over TLS, by the word of proxies: who is believed, and when nobody is."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest

from async_kerberos import AuthRequest, Denied, Kerberos, Reason
from async_kerberos._decision.answers import plain_denial
from async_kerberos._protocol.forwarded import is_within, mentions, says_https

from ...support.asking import auth_request

PROXIES = ("10.0.0.7", "192.168.0.0/16", "2001:db8::/32")


@pytest.mark.parametrize(
    ("values", "https"),
    [
        ([], False),
        ([""], False),
        (["https"], True),
        ([" HTTPS\t"], True),
        (["wss"], True),
        (["https, https"], True),
        (["https", "https"], True),
        (["http"], False),
        (["https, http"], False),
        (["http, https"], False),
        (["https", "http"], False),
        (["https,"], False),
        (["https;q=1"], False),
        (["httpsx"], False),
    ],
)
def test_says_https(values: list[str], https: bool) -> None:
    """A request came over TLS if each proxy on its way says so: one word to the contrary and it did not."""
    assert says_https(values) is https


@pytest.mark.parametrize(
    ("address", "trusted"),
    [
        ("10.0.0.7", True),
        ("::ffff:10.0.0.7", True),
        ("10.0.0.8", False),
        ("192.168.3.4", True),
        ("2001:DB8::1", True),
        ("2001:db9::1", False),
        ("10.0.0.7:80", False),
        ("testclient", False),
        ("", False),
    ],
)
def test_is_within(address: str, trusted: bool) -> None:
    """A proxy is known by its address, however that is written."""
    assert is_within(address, [ipaddress.ip_network(proxy) for proxy in PROXIES]) is trusted


@pytest.mark.parametrize(
    ("value", "named"),
    [
        ("10.0.0.7", True),
        ("192.0.2.1, 10.0.0.7", True),
        ("10.0.0.7:4711", True),
        ("10.0.0.7:1:2", True),
        ("[::ffff:10.0.0.7]:4711", True),
        ('for="10.0.0.7:80";proto=https', True),
        ("for=10.0.0.7", True),
        ("10.0.0.70", False),
        ("110.0.0.7", False),
        ("192.0.2.1", False),
        ("unknown", False),
        ("", False),
    ],
)
def test_names(value: str, named: bool) -> None:
    """An address is found in the headers of proxies, with a port and without, and not in a longer one."""
    assert mentions([value], "10.0.0.7") is named


def test_names_of_an_interface() -> None:
    """The interface that an address of the local network comes with is no part of it."""
    assert mentions(["fe80::1%eth0"], "fe80::1%eth1")
    assert is_within("fe80::1%eth0", [ipaddress.ip_network("fe80::/10")])


def test_long_field() -> None:
    """A field that nobody sends is not looked through: it may name the address."""
    assert mentions(["192.0.2.1, " * 100], "10.0.0.7")
    assert not mentions(["192.0.2.1, " * 50], "10.0.0.7")


def test_names_what_is_no_address() -> None:
    """A peer that is no address is compared as the text it is."""
    assert mentions(["cafe"], "cafe")
    assert not mentions(["cafe", "beef"], "testclient")


KERBEROS = Kerberos(require_tls=True, trusted_proxies=PROXIES)
PROXY = ("10.0.0.7", 40_000)


def request(
    authorization: tuple[str, ...] = (),
    *,
    forwarded_proto: tuple[str, ...] = (),
    forwarded_for: tuple[str, ...] = (),
    **facts: Any,
) -> AuthRequest:
    fields = {"x-forwarded-proto": forwarded_proto, "x-forwarded-for": forwarded_for}
    return auth_request(authorization, fields={name: values for name, values in fields.items() if values}, **facts)


@pytest.mark.parametrize(
    ("fields", "log"),
    [
        ({}, "the scheme is http"),
        ({"peer": PROXY}, "the scheme is http"),
        ({"peer": PROXY, "forwarded_proto": ("http",)}, "before the proxy was http"),
        ({"peer": PROXY, "forwarded_proto": ("http", "https")}, "before the proxy was http"),
        ({"peer": ("10.0.0.8", 40_000), "forwarded_proto": ("https",)}, "not from one of trusted_proxies"),
        ({"peer": None, "forwarded_proto": ("https",)}, "not from one of trusted_proxies"),
        ({"peer": (PROXY[0], 0), "forwarded_proto": ("https",)}, "does not count"),
        (
            {"peer": PROXY, "forwarded_proto": ("https",), "forwarded_for": ("192.0.2.1, 10.0.0.7",)},
            "does not count",
        ),
    ],
)
@pytest.mark.parametrize("authorization", [(), ("Negotiate YA==",), ("Negotiate ?",), ("Basic YTpi",)])
@pytest.mark.parametrize("options", [{}, {"failure_status": 401}, {"other_challenges": ['Basic realm="x"']}])
def test_not_over_tls(
    fields: dict[str, Any],
    log: str,
    authorization: tuple[str, ...],
    options: dict[str, Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Plain HTTP is refused whatever the token, without a challenge that would draw a ticket or a password out."""
    kerberos = Kerberos(require_tls=True, trusted_proxies=PROXIES, **options)
    outcome = kerberos.authenticate_blocking(request(authorization, **fields))
    assert outcome == plain_denial(403, Reason.NOT_TLS)
    assert log in caplog.text


@pytest.mark.parametrize(
    "fields",
    [
        {"secure": True},
        {"secure": True, "forwarded_proto": ("http",)},
        {"peer": PROXY, "forwarded_proto": ("https",)},
        {"peer": ("2001:db8::9", 1), "forwarded_proto": ("https",), "forwarded_for": ("192.0.2.1",)},
    ],
)
def test_over_tls(fields: dict[str, Any]) -> None:
    """TLS is known by the server's word, or by that of a proxy which the operator has named."""
    outcome = KERBEROS.authenticate_blocking(request(**fields))
    assert isinstance(outcome, Denied)
    assert outcome.reason is Reason.NO_CREDENTIALS


def test_tls_is_not_required_by_default() -> None:
    """Without the option, plain HTTP is as good."""
    outcome = Kerberos().authenticate_blocking(auth_request())
    assert isinstance(outcome, Denied)
    assert outcome.reason is Reason.NO_CREDENTIALS
