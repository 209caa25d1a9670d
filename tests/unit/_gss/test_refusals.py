"""Reasons from what GSSAPI says. That the real library says it is shown where tickets are (tests/realm)."""

from __future__ import annotations

import errno
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from async_kerberos import Reason
from async_kerberos._gss.refusals import krb_error_code, reason_for

FAILURE = 13 << 16  # GSS_S_FAILURE

# Made by MIT krb5 1.20.1 for a replay, without and with SPNEGO, and for an unknown version of a key.
BARE = bytes.fromhex(
    "606e06092a864886f71201020203007e5f305da003020105a10302011ea411180f32303236313132343036343435315aa50502030a3a0aa603"
    "020122a90d1b0b4b5242544553542e434f4daa233021a003020101a11a30181b04485454501b107777772e6578616d706c652e74657374"
)
WRAPPED = bytes.fromhex("a17b3079a0030a0102a2720470") + BARE
KVNO = BARE.replace(b"\xa6\x03\x02\x01\x22", b"\xa6\x03\x02\x01\x2c")


def with_code(code: int) -> bytes:
    return BARE.replace(b"\xa6\x03\x02\x01\x22", b"\xa6\x03\x02\x01" + bytes([code]))


def test_krb_error_code() -> None:
    """The code is found where it is, though other fields may look like its beginning."""
    assert krb_error_code(BARE) == krb_error_code(WRAPPED) == 34
    assert krb_error_code(KVNO) == 44
    # The microseconds before it have the field's own tag in them.
    assert krb_error_code(BARE.replace(b"\x0a\x3a\x0a", b"\xa6\x03\x02")) == 34
    assert krb_error_code(b"") is None
    assert krb_error_code(b"\x03\x00\x7e") is None


def test_every_cut() -> None:
    """A token that is cut short has the same code, or none."""
    for token in (BARE, WRAPPED):
        assert {krb_error_code(token[:length]) for length in range(len(token))} <= {None, 0, 34}


@given(st.binary(max_size=64))
def test_any_bytes(rest: bytes) -> None:
    """No bytes make it fail, and it always comes to an end."""
    krb_error_code(b"\x03\x00\x7e" + rest)
    krb_error_code(BARE[:30] + rest)


@pytest.mark.parametrize(
    ("major", "message", "token", "reason"),
    [
        (1 << 16, "", None, Reason.WRONG_MECHANISM),
        (4 << 16, "Success", with_code(60), Reason.BAD_BINDINGS),
        (9 << 16, "Invalid token was supplied", None, Reason.MALFORMED),
        (7 << 16, "", None, Reason.WRONG_MECHANISM),
        (FAILURE, "", None, Reason.OTHER),
        # In whatever language the message is.
        (FAILURE, "Anfrage ist eine Wiederholung", WRAPPED, Reason.REPLAY),
        (FAILURE, "Zeitversatz zu groß", with_code(37), Reason.CLOCK_SKEW),
        (FAILURE, "", with_code(33), Reason.CLOCK_SKEW),
        (FAILURE, "", with_code(32), Reason.EXPIRED),
        (FAILURE, "", with_code(44), Reason.KEY_VERSION),
        (FAILURE, "Request ticket server x kvno 1 found in keytab but not with enctype y", with_code(44),
         Reason.KEY_TYPE),
        (FAILURE, "Request ticket server x kvno 1 found in keytab but not with enctype y", None, Reason.KEY_TYPE),
        (FAILURE, "", with_code(43), Reason.TRANSIT),
        (FAILURE, "Illegal cross-realm ticket", None, Reason.TRANSIT),
        (FAILURE, os.strerror(errno.ERANGE), with_code(60), Reason.BAD_PAC),
        (FAILURE, "", with_code(31), Reason.UNKNOWN_KEY),
        (FAILURE, "Request ticket server x found in keytab but does not match server principal y", with_code(35),
         Reason.WRONG_SERVICE),
        (FAILURE, "Request ticket server x not found in keytab (ticket kvno 1)", with_code(35), Reason.UNKNOWN_KEY),
        (FAILURE, "Request ticket server (filename: x) not found in keytab", with_code(35), Reason.UNKNOWN_KEY),
        (FAILURE, "Cannot decrypt ticket for Permission denied using keytab key for x", None, Reason.UNKNOWN_KEY),
        (FAILURE, "Key table file '/x' not found", with_code(60), Reason.MISCONFIGURED),
        (FAILURE, "No space left on device", with_code(60), Reason.SERVER_FAULT),
        (FAILURE, os.strerror(errno.EMFILE), with_code(60), Reason.SERVER_FAULT),
        (FAILURE, os.strerror(errno.EACCES), with_code(60), Reason.MISCONFIGURED),
        (FAILURE, "Replay cache file /x is not owned by uid 0", with_code(60), Reason.SERVER_FAULT),
        (FAILURE, "Request ticket server No space left on device not found in keytab", None, Reason.UNKNOWN_KEY),
        # To a client that asks for no mutual authentication there is no error token.
        (FAILURE, "Request is a replay", None, Reason.REPLAY),
        (FAILURE, "Clock skew too great", None, Reason.CLOCK_SKEW),
        (FAILURE, "Ticket not yet valid", None, Reason.CLOCK_SKEW),
        (FAILURE, "Ticket expired", None, Reason.EXPIRED),
        (FAILURE, "Request ticket server x kvno 2 not found in keytab; keytab is likely out of date", None,
         Reason.KEY_VERSION),
        (FAILURE, "No such file or directory (filename: /x/krb5_0.rcache2)", with_code(60), Reason.SERVER_FAULT),
    ],
)  # fmt: skip
def test_reason(major: int, message: str, token: bytes | None, reason: Reason) -> None:
    """Status, code and text each tell what only they tell."""
    assert reason_for(major, message, token) is reason
