"""What stands in the clear in a ticket. That real tokens are read is shown where tickets are (tests/realm)."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from async_kerberos._protocol.ticket import Ticket, encryption_type_name, ticket_in

from ...support.initiator import KRB5, SPNEGO
from ...support.tokens import MS_KRB5, der, neg_token_init, neg_token_resp, wrap, wrap_ap_req

WWW = ("HTTP", "www.example.test")


def integer(tag: int, value: int) -> bytes:
    return der(tag, der(0x02, value.to_bytes(value.bit_length() // 8 + 1, "big")))


def encrypted(encryption_type: int, version: int | None) -> bytes:
    fields = [integer(0xA0, encryption_type)]
    if version is not None:
        fields.append(integer(0xA1, version))
    return der(0x30, *fields, der(0xA2, der(0x04, bytes(40))))


def ap_req(
    parts: tuple[str, ...] = WWW, realm: str = "KRBTEST.COM", version: int | None = 3, session_type: int = 17
) -> bytes:
    texts = [der(0x1B, part.encode()) for part in parts]
    name = der(0x30, integer(0xA0, 2), der(0xA1, der(0x30, *texts)))
    ticket = der(
        0x61,
        der(
            0x30,
            integer(0xA0, 5),
            der(0xA1, der(0x1B, realm.encode())),
            der(0xA2, name),
            der(0xA3, encrypted(18, version)),
        ),
    )
    options = der(0xA2, der(0x03, bytes(5)))
    fields = [integer(0xA0, 5), integer(0xA1, 14), options, der(0xA3, ticket), der(0xA4, encrypted(session_type, None))]
    return der(0x6E, der(0x30, *fields))


FOUND = Ticket("HTTP/www.example.test@KRBTEST.COM", 3, 18, 17)


@pytest.mark.parametrize(
    "token",
    [
        ap_req(),
        wrap_ap_req(ap_req()),
        neg_token_init([KRB5], wrap_ap_req(ap_req())),
        neg_token_init([MS_KRB5, KRB5], wrap_ap_req(ap_req())),
        neg_token_init([KRB5], ap_req()),
        neg_token_resp(wrap_ap_req(ap_req()), state=1),
    ],
    ids=["bare", "raw", "spnego", "microsoft", "bare-in-spnego", "later"],
)
def test_found(token: bytes) -> None:
    """A ticket is found in each kind of token."""
    assert ticket_in(token) == FOUND


def test_optional_and_large() -> None:
    """The key's version may be left out, and be of 32 bits."""
    without = ticket_in(ap_req(version=None))
    large = ticket_in(ap_req(version=2**32 - 1))
    assert without is not None
    assert large is not None
    assert (without.version, large.version) == (0, 2**32 - 1)


@pytest.mark.parametrize(
    "token",
    [
        b"",
        b"garbage",
        wrap(SPNEGO, b""),
        neg_token_init([KRB5]),
        neg_token_resp(state=1),
        wrap_ap_req(b""),
        ap_req(("x" * 600, "y")),
        ap_req(realm="x" * 600),
        ap_req(version=2**60),
        der(0x6E, der(0x30, *[integer(0xA0, 5)] * 20, ap_req())),
    ],
)
def test_not_found(token: bytes) -> None:
    """What is no ticket, or has names and numbers that no ticket has, is not made out to be one."""
    assert ticket_in(token) is None


def test_every_cut() -> None:
    """A token that is cut short has no ticket in it."""
    token = neg_token_init([KRB5], wrap_ap_req(ap_req()))
    assert {ticket_in(token[:length]) for length in range(len(token))} == {None}


@given(st.binary(max_size=100), st.integers(0, 200))
def test_any_bytes(rest: bytes, at: int) -> None:
    """No bytes make it fail."""
    token = neg_token_init([KRB5], wrap_ap_req(ap_req()))
    ticket_in(rest)
    ticket_in(token[:at] + rest + token[at:])


def test_cost() -> None:
    """A token of 48 kB full of small values takes no longer than one of the usual kind, give or take."""

    def seconds(token: bytes) -> float:
        times: list[float] = []
        for _ in range(20):
            begun = time.perf_counter()
            ticket_in(token)
            times.append(time.perf_counter() - begun)
        return min(times)

    usual = seconds(ap_req())
    for token in (ap_req(("",) * 24_000), der(0x6E, der(0x30, integer(0xA0, 5) * 9_000)), ap_req(("x" * 48_000,))):
        assert ticket_in(token) is None
        assert seconds(token) < 10 * usual


def test_names() -> None:
    """Encryption types have the names that RFCs give them."""
    assert encryption_type_name(18) == "aes256-cts-hmac-sha1-96"
    assert encryption_type_name(23) == "rc4-hmac"
    assert encryption_type_name(-77) == "encryption type -77"
