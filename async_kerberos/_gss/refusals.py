"""Translates GSSAPI's refusals into a :class:`~async_kerberos.Reason`: pure functions.

The major status tells little, and SPNEGO renumbers the minor codes. If a client asked for mutual authentication, MIT
krb5 makes an error token for it: a KRB-ERROR (RFC 4120, section 5.9.1), whose code says why the ticket was refused. For
other clients, and for faults of the server, there is only the text of the minor status.
"""

from __future__ import annotations

import errno
import os

from .._protocol.der import DERError, content_of
from ..reasons import Reason

# RFC 2743, section 1.2.1.1: the routine error is in bits 16 to 23 of the major status (RFC 2744, section 3.9.1).
_REASON_BY_ROUTINE_ERROR = {
    1: Reason.WRONG_MECHANISM,  # GSS_S_BAD_MECH
    4: Reason.BAD_BINDINGS,  # GSS_S_BAD_BINDINGS
}
# Used only if nothing else tells the reason.
_REASON_BY_ROUTINE_ERROR_ALONE = {
    7: Reason.WRONG_MECHANISM,  # GSS_S_NO_CRED: there is a credential, but not for the token's mechanism
    9: Reason.MALFORMED,  # GSS_S_DEFECTIVE_TOKEN
}

# RFC 4120, section 7.5.9; 43 is MIT's own. KRB_AP_ERR_NOT_US (35) and KRB_AP_ERR_BADKEYVER (44) stand for two reasons
# each, and the text tells which.
_REASON_BY_KRB_ERROR = {
    31: Reason.UNKNOWN_KEY,  # KRB_AP_ERR_BAD_INTEGRITY
    32: Reason.EXPIRED,  # KRB_AP_ERR_TKT_EXPIRED
    33: Reason.CLOCK_SKEW,  # KRB_AP_ERR_TKT_NYV
    34: Reason.REPLAY,  # KRB_AP_ERR_REPEAT
    37: Reason.CLOCK_SKEW,  # KRB_AP_ERR_SKEW
    43: Reason.TRANSIT,  # KRB_AP_ERR_ILL_CR_TKT
    44: Reason.KEY_VERSION,  # KRB_AP_ERR_BADKEYVER
}

# Texts of MIT krb5. The first one that the message contains counts. The first five are for clients that do not ask for
# mutual authentication, such as Chromium: for them MIT makes no error token.
_REASON_BY_TEXT = (
    ("Request is a replay", Reason.REPLAY),
    ("Clock skew too great", Reason.CLOCK_SKEW),
    ("Ticket not yet valid", Reason.CLOCK_SKEW),
    ("Ticket expired", Reason.EXPIRED),
    ("Illegal cross-realm ticket", Reason.TRANSIT),
    ("does not match any keys in keytab", Reason.MISCONFIGURED),
    ("Service key not available", Reason.MISCONFIGURED),
    ("Key table file", Reason.MISCONFIGURED),
    ("No keys in keytab", Reason.MISCONFIGURED),
    ("Bad format in keytab", Reason.MISCONFIGURED),
    ("Replay cache ", Reason.SERVER_FAULT),
    ("(filename: ", Reason.SERVER_FAULT),
    ("Decrypt integrity check failed", Reason.UNKNOWN_KEY),
    ("malformed or corrupt", Reason.MALFORMED),
)
# Errors of the operating system about files and memory that a step needs. Their texts are in the process's language.
_REASON_BY_ERRNO = {
    errno.EACCES: Reason.MISCONFIGURED,
    errno.EISDIR: Reason.MISCONFIGURED,
    errno.EINVAL: Reason.MISCONFIGURED,  # an entry in the keytab is longer than the file
    errno.ERANGE: Reason.BAD_PAC,  # a part of the PAC reaches beyond its end
    **dict.fromkeys((errno.EDQUOT, errno.EFBIG, errno.EIO, errno.ELOOP, errno.EMFILE), Reason.SERVER_FAULT),
    **dict.fromkeys((errno.ENFILE, errno.ENOENT, errno.ENOLCK, errno.ENOMEM, errno.ENOSPC), Reason.SERVER_FAULT),
    **dict.fromkeys((errno.ENOTDIR, errno.EPERM, errno.EROFS, errno.ESTALE), Reason.SERVER_FAULT),
}
# The system lacks descriptors or memory, or a disk fails: no file is wrong.
EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EIO)
# These messages quote the ticket's service principal, in which a client can write any text. So such a message must
# never lead to a reason that is the server's fault.
_NOT_OF_THE_TYPE = "found in keytab but not with enctype"
_QUOTES_THE_TICKET = ("Request ticket server ", "Cannot decrypt ticket for ")
_REASON_BY_TEXT_ON_TICKETS = (
    ("does not match server principal", Reason.WRONG_SERVICE),
    (_NOT_OF_THE_TYPE, Reason.KEY_TYPE),
    ("is likely out of date", Reason.KEY_VERSION),
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
        reason = _REASON_BY_KRB_ERROR[code]
        return Reason.KEY_TYPE if reason is Reason.KEY_VERSION and _NOT_OF_THE_TYPE in message else reason
    quotes = message.startswith(_QUOTES_THE_TICKET)
    for text, reason in _REASON_BY_TEXT_ON_TICKETS if quotes else _REASON_BY_TEXT:
        if text in message:
            return reason
    for number, reason in _REASON_BY_ERRNO.items():
        if message.startswith(os.strerror(number)):
            return reason
    return _REASON_BY_ROUTINE_ERROR_ALONE.get(routine_error, Reason.OTHER)


def krb_error_code(token: bytes) -> int | None:
    """The error code in a KRB-ERROR, with or without SPNEGO around it; None if there is none."""
    # RFC 4121, section 4.1: a Kerberos token's TOK_ID is 03 00 for a KRB-ERROR, which is [APPLICATION 30] (0x7e).
    _, _, error = token.partition(b"\x03\x00\x7e")
    error = b"\x7e" + error
    try:
        at, end = content_of(error, 0, len(error), 0x7E)
        at, end = content_of(error, at, end, 0x30)
        while True:
            tag = error[at] if at < end else 0
            begin, at = content_of(error, at, end, tag)
            if tag == 0xA6:  # error-code [6] Int32
                begin, at = content_of(error, begin, at, 0x02)
                return int.from_bytes(error[begin:at], "big", signed=True)
    except DERError:
        return None
