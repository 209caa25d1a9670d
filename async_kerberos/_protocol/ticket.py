"""Reads the part of a client's ticket that is not encrypted: the service, and which of its keys decrypts the ticket.

For messages to the operator, after GSSAPI has refused a token: GSSAPI reports a missing key in several ways, by the
kind of client. Nothing here is proved: the sender of a token can write anything into this part.
"""

from __future__ import annotations

from typing import NamedTuple

from .der import DERError, content_of

# RFC 2743, section 3.1; RFC 4178, section 4.2.2; RFC 4120, section 5.5.1.
_FRAMED, _NEG_TOKEN_RESP, _AP_REQ = 0x60, 0xA1, 0x6E
_OBJECT_IDENTIFIER, _INTEGER, _OCTET_STRING, _GENERAL_STRING, _SEQUENCE = 0x06, 0x02, 0x04, 0x1B, 0x30
_SPNEGO = b"\x2b\x06\x01\x05\x05\x02"
_TOK_ID_OCTETS = 2  # RFC 4121, section 4.1

# A sequence here has five fields at most, and a service's name two parts. Without these bounds, a token with many empty
# fields or parts would take milliseconds.
_MOST_FIELDS = 16
_LONGEST_NAME = 512
# An Int32 (RFC 4120, section 5.2.4) takes four; a UInt32 whose first bit is set takes five.
_INTEGER_OCTETS = 5

# RFC 3961, 3962, 4757, 6803, 8009; https://www.iana.org/assignments/kerberos-parameters.
_ENCRYPTION_TYPES = {
    1: "des-cbc-crc",
    2: "des-cbc-md4",
    3: "des-cbc-md5",
    16: "des3-cbc-sha1",
    17: "aes128-cts-hmac-sha1-96",
    18: "aes256-cts-hmac-sha1-96",
    19: "aes128-cts-hmac-sha256-128",
    20: "aes256-cts-hmac-sha384-192",
    23: "rc4-hmac",
    24: "rc4-hmac-exp",
    25: "camellia128-cts-cmac",
    26: "camellia256-cts-cmac",
}


class Ticket(NamedTuple):
    """The part of an AP-REQ and its ticket that is not encrypted.

    Attributes:
        principal: the service that the ticket is for, ``HTTP/www.example.com@EXAMPLE.COM``, without escapes.
        version: the version of the key that it is encrypted with (kvno); 0 if the KDC does not say.
        encryption_type: the type of that key (etype).
        session_type: the type of the session key, which the authenticator is encrypted with.
    """

    principal: str
    version: int
    encryption_type: int
    session_type: int


def encryption_type_name(number: int) -> str:
    """The name that RFCs give an encryption type."""
    return _ENCRYPTION_TYPES.get(number, f"encryption type {number}")


def ticket_in(token: bytes) -> Ticket | None:
    """The ticket in a Kerberos token, with or without SPNEGO around it; None if the token has no ticket in DER."""
    try:
        return _ticket(_ap_req(_mechanism_token(token)))
    except DERError:
        return None


def _mechanism_token(token: bytes) -> bytes:
    """The Kerberos token inside an SPNEGO token (RFC 4178, section 4.2); any other token unchanged."""
    if token[:1] == bytes([_NEG_TOKEN_RESP]):
        at, end = content_of(token, 0, len(token), _NEG_TOKEN_RESP, _SEQUENCE)
    else:
        if token[:1] != bytes([_FRAMED]):
            return token
        at, end = content_of(token, 0, len(token), _FRAMED)
        begin, at = content_of(token, at, end, _OBJECT_IDENTIFIER)
        if token[begin:at] != _SPNEGO:
            return token
        at, end = content_of(token, at, end, 0xA0, _SEQUENCE)
    at, end = _field(token, at, end, 2, _OCTET_STRING)  # mechToken, or responseToken
    return token[at:end]


def _ap_req(token: bytes) -> bytes:
    """The content of the AP-REQ, with or without GSSAPI's frame (RFC 4121, section 4.1)."""
    at, end = 0, len(token)
    if token[:1] == bytes([_FRAMED]):
        at, end = content_of(token, 0, end, _FRAMED)
        _, at = content_of(token, at, end, _OBJECT_IDENTIFIER)
        at += _TOK_ID_OCTETS
    at, end = content_of(token, at, end, _AP_REQ, _SEQUENCE)
    return token[at:end]


def _ticket(fields: bytes) -> Ticket:
    # RFC 4120, section 5.5.1: the AP-REQ's ticket [3] and authenticator [4]; section 5.3: realm [1], sname [2],
    # enc-part [3] of the ticket; section 5.2.9: etype [0] and kvno [1] of what is encrypted.
    at, end = _field(fields, 0, len(fields), 4, _SEQUENCE)
    session_type = _integer(fields, at, end, 0)
    at, end = _field(fields, 0, len(fields), 3, 0x61, _SEQUENCE)
    begin, stop = _field(fields, at, end, 1, _GENERAL_STRING)
    realm = _text(fields, begin, stop)
    begin, stop = _field(fields, at, end, 2, _SEQUENCE)
    begin, stop = _field(fields, begin, stop, 1, _SEQUENCE)
    if stop - begin > _LONGEST_NAME:
        raise DERError("a name that is too long")
    parts: list[str] = []
    while begin < stop:
        part, begin = content_of(fields, begin, stop, _GENERAL_STRING)
        parts.append(_text(fields, part, begin))
    at, end = _field(fields, at, end, 3, _SEQUENCE)
    encryption_type = _integer(fields, at, end, 0)
    _, at = content_of(fields, at, end, 0xA0)
    version = _integer(fields, at, end, 1) if fields[at:end].startswith(b"\xa1") else 0  # optional
    return Ticket(f"{'/'.join(parts)}@{realm}", version, encryption_type, session_type)


def _field(data: bytes, at: int, end: int, number: int, *tags: int) -> tuple[int, int]:
    """Find the field ``[number]`` of a sequence, and in it the content of the value with the last of the tags."""
    wanted = 0xA0 | number
    for _ in range(_MOST_FIELDS):
        tag = data[at] if at < end else 0
        if tag == wanted:
            return content_of(data, at, end, tag, *tags)
        _, at = content_of(data, at, end, tag)
    raise DERError("too many fields")


def _integer(data: bytes, at: int, end: int, number: int) -> int:
    at, end = _field(data, at, end, number, _INTEGER)
    if not 1 <= end - at <= _INTEGER_OCTETS:
        raise DERError("no integer of 32 bits")
    return int.from_bytes(data[at:end], "big", signed=True)


def _text(data: bytes, at: int, end: int) -> str:
    if end - at > _LONGEST_NAME:
        raise DERError("a name that is too long")
    return data[at:end].decode(errors="replace")
