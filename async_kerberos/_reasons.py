"""From what GSSAPI says of a refusal to a :class:`~async_kerberos.Reason`: pure functions.

The major status tells little, and SPNEGO hands out minor codes of its own numbering. But the error token that MIT krb5
makes for the client is a KRB-ERROR (RFC 4120, section 5.9.1), whose code says why a ticket was refused. For what is
wrong with the server there is only the minor status's text.
"""

from __future__ import annotations

from ._outcomes import Reason

# RFC 2743, section 1.2.1.1: the routine error is in bits 16 to 23 of the major status (RFC 2744, section 3.9.1).
_REASON_BY_ROUTINE_ERROR = {
    1: Reason.WRONG_MECHANISM,  # GSS_S_BAD_MECH
    4: Reason.BAD_BINDINGS,  # GSS_S_BAD_BINDINGS
}
# Where nothing else tells more.
_REASON_BY_ROUTINE_ERROR_ALONE = {
    7: Reason.WRONG_MECHANISM,  # GSS_S_NO_CRED: the credential is there, but not for the token's mechanism
    9: Reason.MALFORMED,  # GSS_S_DEFECTIVE_TOKEN
}

# RFC 4120, section 7.5.9. KRB_AP_ERR_NOT_US (35) stands for two reasons, which the text tells apart.
_REASON_BY_KRB_ERROR = {
    31: Reason.UNKNOWN_KEY,  # KRB_AP_ERR_BAD_INTEGRITY
    32: Reason.EXPIRED,  # KRB_AP_ERR_TKT_EXPIRED
    33: Reason.CLOCK_SKEW,  # KRB_AP_ERR_TKT_NYV
    34: Reason.REPLAY,  # KRB_AP_ERR_REPEAT
    37: Reason.CLOCK_SKEW,  # KRB_AP_ERR_SKEW
    44: Reason.KEY_VERSION,  # KRB_AP_ERR_BADKEYVER
}

# The texts are those of MIT krb5; the first that is contained in the message counts.
_REASON_BY_TEXT = (
    ("does not match any keys in keytab", Reason.MISCONFIGURED),
    ("Service key not available", Reason.MISCONFIGURED),
    ("Key table file", Reason.MISCONFIGURED),
    ("(filename: ", Reason.SERVER_FAULT),
    ("No space left on device", Reason.SERVER_FAULT),
    ("Disk quota exceeded", Reason.SERVER_FAULT),
    ("Read-only file system", Reason.SERVER_FAULT),
    ("Permission denied", Reason.MISCONFIGURED),
    ("malformed or corrupt", Reason.MALFORMED),
)
# These quote the ticket's service principal, which anybody can write what they like into: no text within them may
# make a client's fault the server's.
_QUOTES_THE_TICKET = ("Request ticket server ", "Cannot decrypt ticket for ")
_REASON_BY_TEXT_ON_TICKETS = (
    ("does not match server principal", Reason.WRONG_SERVICE),
    ("", Reason.UNKNOWN_KEY),
)


def reason_for(major: int, message: str, token: bytes | None) -> Reason:
    """The reason for a refusal by ``accept_sec_context``.

    Args:
        major: the major status.
        message: the minor status's text.
        token: the error token, if there is one.
    """
    routine_error = major >> 16 & 0xFF
    if routine_error in _REASON_BY_ROUTINE_ERROR:
        return _REASON_BY_ROUTINE_ERROR[routine_error]
    code = krb_error_code(token or b"")
    if code in _REASON_BY_KRB_ERROR:
        return _REASON_BY_KRB_ERROR[code]
    table = _REASON_BY_TEXT_ON_TICKETS if message.startswith(_QUOTES_THE_TICKET) else _REASON_BY_TEXT
    for text, reason in table:
        if text in message:
            return reason
    return _REASON_BY_ROUTINE_ERROR_ALONE.get(routine_error, Reason.OTHER)


def krb_error_code(token: bytes) -> int | None:
    """The error code in a KRB-ERROR, bare or within SPNEGO; None where there is none."""
    # RFC 4121, section 4.1: a Kerberos token's TOK_ID is 03 00 for a KRB-ERROR, which is [APPLICATION 30] (0x7e).
    error = token.partition(b"\x03\x00\x7e")[2]
    try:
        sequence, _ = _value(error, 0)
        fields, _ = _value(sequence, 1)
        at = 0
        while True:
            tag = fields[at]
            value, at = _value(fields, at + 1)
            if tag == 0xA6:  # error-code [6] Int32
                return int.from_bytes(_value(value, 1)[0], "big", signed=True)
    except IndexError:
        return None


def _value(data: bytes, at: int) -> tuple[bytes, int]:
    """What the length at this place measures (DER), and where it ends."""
    size = data[at]
    at += 1
    if size & 0x80:
        octets = size & 0x7F
        size = int.from_bytes(data[at : at + octets], "big")
        at += octets
    return data[at : at + size], at + size
