"""GSSAPI tokens taken apart and made by hand, of every mechanism that a client may try."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from typing import Any

import gssapi.raw as gss

from .initiator import KRB5, SPNEGO

NTLMSSP = gss.OID.from_int_seq("1.3.6.1.4.1.311.2.2.10")  # [MS-SPNG], section 1.9
NEGOEX = gss.OID.from_int_seq("1.3.6.1.4.1.311.2.2.30")  # [MS-SPNG], section 1.9
IAKERB = gss.OID.from_int_seq("1.3.6.1.5.2.5")  # draft-ietf-kitten-iakerb, section 3
MS_KRB5 = gss.OID.from_int_seq("1.2.840.48018.1.2.2")  # [MS-SPNG], section 3.1.5.2: Kerberos, its number cut to 16 bits

_AP_REQ = b"\1\0"  # RFC 1964, section 1.1.1: TOK_ID
_IAKERB_PROXY = b"\5\1"  # draft-ietf-kitten-iakerb, section 3


def der(tag: int, *contents: bytes) -> bytes:
    """One value in DER."""
    content = b"".join(contents)
    return bytes([tag]) + der_length(len(content)) + content


def der_length(length: int) -> bytes:
    """A length in DER."""
    if length < 0x80:
        return bytes([length])
    octets = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes([0x80 | len(octets)]) + octets


def take_der(data: bytes) -> tuple[int, bytes, bytes]:
    """The tag and the content of the first value in it, and what follows."""
    tag, length, begin = data[0], data[1], 2
    if length & 0x80:
        begin += length & 0x7F
        length = int.from_bytes(data[2:begin], "big")
    assert len(data) >= begin + length, "cut short"
    return tag, data[begin : begin + length], data[begin + length :]


def _values(data: bytes) -> Iterator[tuple[int, bytes]]:
    while data:
        tag, content, data = take_der(data)
        yield tag, content


def oid(mech: gss.OID) -> bytes:
    """A mechanism's object identifier in DER."""
    elements: Any = mech  # python-gssapi's annotations do not tell that it gives its bytes
    return der(0x06, bytes(elements))


def wrap(mech: gss.OID, inner: bytes) -> bytes:
    """A first token as RFC 2743, section 3.1, frames it."""
    return der(0x60, oid(mech), inner)


def unwrap(token: bytes) -> tuple[gss.OID, bytes]:
    """The mechanism of a framed token, and what is in it."""
    tag, content, rest = take_der(token)
    assert (tag, rest) == (0x60, b"")
    tag, elements, inner = take_der(content)
    assert tag == 0x06
    return gss.OID(elements=elements), inner


def wrap_ap_req(ap_req: bytes) -> bytes:
    """The Kerberos token around a bare AP-REQ."""
    return wrap(KRB5, _AP_REQ + ap_req)


def unwrap_ap_req(token: bytes) -> bytes:
    """The bare AP-REQ in a Kerberos token, which begins with 0x6e."""
    mech, inner = unwrap(token)
    assert mech == KRB5
    assert inner.startswith(_AP_REQ + b"\x6e")
    return inner[len(_AP_REQ) :]


def ap_req_for(service: str, host: str, realm: str, encryption_type: int, size: int = 64) -> bytes:
    """A bare AP-REQ (RFC 4120, section 5.5.1) with a ticket of so many bytes that no key decrypts."""

    def encrypted(size: int) -> bytes:
        return der(0x30, der(0xA0, der(0x02, bytes([encryption_type]))), der(0xA2, der(0x04, bytes(size))))

    names = der(0x30, der(0x1B, service.encode()), der(0x1B, host.encode()))
    ticket = der(
        0x30,
        der(0xA0, der(0x02, b"\5")),
        der(0xA1, der(0x1B, realm.encode())),
        der(0xA2, der(0x30, der(0xA0, der(0x02, b"\2")), der(0xA1, names))),
        der(0xA3, encrypted(size)),
    )
    fields = [der(0xA0, der(0x02, b"\5")), der(0xA1, der(0x02, b"\x0e")), der(0xA2, der(0x03, bytes(5)))]
    return der(0x6E, der(0x30, *fields, der(0xA3, der(0x61, ticket)), der(0xA4, encrypted(64))))


def neg_token_init(mechs: Sequence[gss.OID], mech_token: bytes | None = None) -> bytes:
    """The first token of SPNEGO (RFC 4178, section 4.2.1)."""
    fields = [der(0xA0, der(0x30, *(oid(mech) for mech in mechs)))]
    if mech_token is not None:
        fields.append(der(0xA2, der(0x04, mech_token)))
    return wrap(SPNEGO, der(0xA0, der(0x30, *fields)))


def take_neg_token_init(token: bytes) -> tuple[list[gss.OID], bytes | None]:
    """The mechanisms that a first token of SPNEGO names, and the token for the first of them."""
    mech, inner = unwrap(token)
    assert mech == SPNEGO
    fields = dict(_values(_sequence(inner, 0xA0)))
    mechs = [gss.OID(elements=elements) for _, elements in _values(take_der(fields[0xA0])[1])]
    return mechs, take_der(fields[0xA2])[1] if 0xA2 in fields else None


def neg_token_resp(response_token: bytes | None = None, *, state: int | None = None) -> bytes:
    """A later token of SPNEGO (RFC 4178, section 4.2.2)."""
    fields: list[bytes] = []
    if state is not None:
        fields.append(der(0xA0, der(0x0A, bytes([state]))))
    if response_token is not None:
        fields.append(der(0xA2, der(0x04, response_token)))
    return der(0xA1, der(0x30, *fields))


def take_response_token(token: bytes) -> bytes:
    """The mechanism's token in a later token of SPNEGO."""
    return take_der(dict(_values(_sequence(token, 0xA1)))[0xA2])[1]


def _sequence(data: bytes, tag: int) -> bytes:
    outer, content, _ = take_der(data)
    assert outer == tag
    return take_der(content)[1]


def iakerb_proxy(realm: str, message: bytes, *, tag: int = 0x0C) -> bytes:
    """A message to the KDC of a realm that the acceptor is asked to pass on.

    Args:
        realm: the realm.
        message: the message.
        tag: the realm's type: UTF8String in the draft, OCTET STRING (0x04) in MIT krb5 1.20.
    """
    return wrap(IAKERB, _IAKERB_PROXY + der(0x30, der(0xA1, der(tag, realm.encode()))) + message)


def as_req(client: str, realm: str) -> bytes:
    """A request for a ticket-granting ticket (RFC 4120, section 5.4.1), without preauthentication."""

    def name(kind: int, *components: str) -> bytes:
        texts = [der(0x1B, component.encode()) for component in components]
        return der(0x30, der(0xA0, der(0x02, bytes([kind]))), der(0xA1, der(0x30, *texts)))

    body = der(
        0x30,
        der(0xA0, der(0x03, bytes(5))),
        der(0xA1, name(1, client)),
        der(0xA2, der(0x1B, realm.encode())),
        der(0xA3, name(2, "krbtgt", realm)),
        der(0xA5, der(0x18, b"20370101000000Z")),
        der(0xA7, der(0x02, b"\1")),
        der(0xA8, der(0x30, der(0x02, b"\x12"))),  # aes256-cts-hmac-sha1-96
    )
    message = der(0x30, der(0xA1, der(0x02, b"\5")), der(0xA2, der(0x02, b"\x0a")), der(0xA4, body))
    return der(0x6A, message)


def negoex(schemes: Sequence[uuid.UUID] = (uuid.UUID("0d53335c-f9ea-4d0d-b2ec-4ae3786ec308"),)) -> bytes:
    """The first message of NegoEx ([MS-NEGOEX], section 2.2.6.3); by default it offers PKU2U."""

    def number(value: int, octets: int) -> bytes:
        return value.to_bytes(octets, "little")

    payload = b"".join(scheme.bytes_le for scheme in schemes)
    header_length = 96
    header = b"NEGOEXTS" + number(0, 4) + number(0, 4) + number(header_length, 4)
    header += number(header_length + len(payload), 4) + bytes(16)
    header += bytes(32) + number(0, 8) + number(header_length, 4) + number(len(schemes), 4)
    header += number(header_length + len(payload), 4) + number(0, 4)
    assert len(header) == header_length
    return header + payload
