"""What a token is, by its bytes: nothing reaches GSSAPI that is not in the form of the RFCs."""

from __future__ import annotations

import time
from collections.abc import Sequence

import gssapi.raw as gss
import pytest

from async_kerberos._protocol.tokens import ForbiddenMechanismError, Kind, MalformedTokenError, classify

from ...support.initiator import KRB5, NTLM, SPNEGO
from ...support.tokens import der, neg_token_init, neg_token_resp, oid, wrap

_IAKERB = gss.OID.from_int_seq("1.3.6.1.5.2.5")
_MS_KRB5 = gss.OID.from_int_seq("1.2.840.48018.1.2.2")
_NTLMSSP = gss.OID.from_int_seq("1.3.6.1.4.1.311.2.2.10")


def offer(mechanisms: Sequence[bytes], *rest: bytes) -> bytes:
    """A first token of SPNEGO with these values for its list of mechanisms."""
    return wrap(SPNEGO, der(0xA0, der(0x30, der(0xA0, der(0x30, *mechanisms)), *rest)))


@pytest.mark.parametrize(
    ("token", "kind"),
    [
        (neg_token_init([KRB5]), Kind(begins=True, spnego=True)),
        (neg_token_init([_MS_KRB5, KRB5, _NTLMSSP], bytes(60_000)), Kind(begins=True, spnego=True)),
        (neg_token_init([KRB5] * 16), Kind(begins=True, spnego=True)),
        (offer([]), Kind(begins=True, spnego=True)),
        (wrap(KRB5, b"\1\0"), Kind(begins=True, spnego=False)),
        (b"\x6e\x00", Kind(begins=True, spnego=False)),
        (b"\x6f\x00", Kind(begins=False, spnego=False)),
        (neg_token_resp(state=0), Kind(begins=False, spnego=True)),
    ],
)
def test_kind(token: bytes, kind: Kind) -> None:
    """Tokens of SPNEGO and Kerberos are known for what they are."""
    assert classify(token) == kind


@pytest.mark.parametrize("token", [NTLM, wrap(_IAKERB, b"x"), wrap(_MS_KRB5, b"x"), wrap(_NTLMSSP, NTLM)])
def test_forbidden(token: bytes) -> None:
    """Other mechanisms are refused by their names."""
    with pytest.raises(ForbiddenMechanismError):
        classify(token)


@pytest.mark.parametrize(
    "token",
    [
        b"garbage",
        b"\0",
        b"\x60",
        b"\x60\0",
        b"\x60\x80",
        b"\x60\x81\x02\x06\x00",
        b"\x60\x82\x00\x02\x06\x00",
        b"\x60\x85\0\0\0\0\2\6\0",
        neg_token_init([KRB5]) + b"\0",
        neg_token_init([KRB5])[:-1],
        wrap(SPNEGO, b""),
        wrap(SPNEGO, der(0xA1)),
        wrap(SPNEGO, der(0xA0, der(0x30))),
        wrap(SPNEGO, der(0xA0, der(0x30, der(0xA2, der(0x04, b"x"))))),
        neg_token_init([KRB5] * 17),
        offer([der(0x06), oid(KRB5)]),
        offer([oid(KRB5), der(0x06)]),
        offer([b"\x06\x81\x00", oid(KRB5)]),
        offer([der(0x05), oid(KRB5)]),
        offer([oid(KRB5), b"\x06\x09\x2a"]),
    ],
)
def test_malformed(token: bytes) -> None:
    """What is not in the RFCs' form is malformed: lengths that lie, empty and endless lists, what follows the end."""
    with pytest.raises(MalformedTokenError):
        classify(token)


def test_quick() -> None:
    """A long list costs no more than a short one: it is not gone through to its end."""

    def seconds(token: bytes) -> float:
        begin = time.perf_counter()
        for _ in range(200):
            with pytest.raises(MalformedTokenError):
                classify(token)
        return time.perf_counter() - begin

    short, long = offer([oid(KRB5)] * 20), offer([oid(KRB5)] * 5000)
    assert min(seconds(long) for _ in range(5)) < 5 * min(seconds(short) for _ in range(5))
