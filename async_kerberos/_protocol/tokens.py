"""Checks the kind and the form of a token before GSSAPI gets it: pure functions.

GSSAPI is a library in C, so a first SPNEGO token must have the form of RFC 4178. With an empty mechanism in the list of
mechanisms, MIT krb5 1.20.1 reads beyond its memory, which can crash the process. For a very long list it takes seconds.
"""

from __future__ import annotations

from typing import NamedTuple

from .der import DERError, content_of

_NTLM_SIGNATURE = b"NTLMSSP\0"  # [MS-NLMP], section 2.2.1

_FRAMED = 0x60  # RFC 2743, section 3.1: an object identifier, then the mechanism's token
_AP_REQ = 0x6E  # RFC 4120, section 5.5.1, without a frame
_AP_REP = 0x6F  # RFC 4120, section 5.5.2
_NEG_TOKEN_RESP = 0xA1  # RFC 4178, section 4.2.2
_OBJECT_IDENTIFIER = 0x06

# As values in DER.
_SPNEGO = b"\x06\x06\x2b\x06\x01\x05\x05\x02"  # RFC 4178, section 3.1
_KERBEROS = b"\x06\x09\x2a\x86\x48\x86\xf7\x12\x01\x02\x02"  # RFC 4121, section 4

# RFC 4178, section 4.2.1: negTokenInit [0] is a SEQUENCE; its first field, mechTypes [0], is a SEQUENCE too.
_DOWN_TO_MECH_TYPES = (0xA0, 0x30, 0xA0, 0x30)
# Windows sends four: Kerberos under two identifiers, NegoEx and NTLM.
_MOST_MECHANISMS = 16


class MalformedTokenError(ValueError):
    """The bytes are no token of any known mechanism. The text says why, and quotes none of the bytes."""


class ForbiddenMechanismError(ValueError):
    """The token is of another mechanism than SPNEGO and Kerberos."""


class Kind(NamedTuple):
    """The kind of a token.

    Attributes:
        begins: whether the token begins a new exchange; otherwise it can only be a later leg.
        spnego: whether the token is wrapped in SPNEGO.
    """

    begins: bool
    spnego: bool


_FIRST_SPNEGO = Kind(begins=True, spnego=True)
_FIRST_KERBEROS = Kind(begins=True, spnego=False)


def classify(token: bytes) -> Kind:
    """Find out what kind of token this is.

    Args:
        token: not empty.

    Raises:
        ForbiddenMechanismError: the token is of another mechanism, such as NTLM, which browsers send if they could get
            no ticket.
        MalformedTokenError: the bytes are no token of SPNEGO or Kerberos.
    """
    first = token[0]
    if first == _FRAMED:
        try:
            return _FIRST_SPNEGO if _is_spnego(token) else _FIRST_KERBEROS
        except DERError as error:
            raise MalformedTokenError(f"not a token of SPNEGO or Kerberos: {error}") from None
    if first in (_AP_REQ, _AP_REP, _NEG_TOKEN_RESP):
        return Kind(begins=first == _AP_REQ, spnego=first == _NEG_TOKEN_RESP)
    if token.startswith(_NTLM_SIGNATURE):
        raise ForbiddenMechanismError("an NTLM token")
    raise MalformedTokenError("not a GSSAPI token")


def _is_spnego(token: bytes) -> bool:
    at, end = content_of(token, 0, len(token), _FRAMED)
    if end != len(token):
        raise DERError("bytes follow its end")
    if token.startswith(_KERBEROS, at):
        return False
    if not token.startswith(_SPNEGO, at):
        content_of(token, at, end, _OBJECT_IDENTIFIER)
        raise ForbiddenMechanismError("neither SPNEGO nor Kerberos")
    at, end = content_of(token, at + len(_SPNEGO), end, *_DOWN_TO_MECH_TYPES)
    count = 0
    while at < end:
        begin, at = content_of(token, at, end, _OBJECT_IDENTIFIER)
        count += 1
        if begin == at or count > _MOST_MECHANISMS:
            raise DERError("an empty mechanism, or too many")
    return True
