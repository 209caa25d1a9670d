"""Distinguished Encoding Rules (ITU-T X.690): the small part of them that we need to look into tokens."""

from __future__ import annotations

# A size of four octets would exceed every limit on a token.
_LENGTH_OCTETS = 3
_TWO_OCTETS = 0x82


class DERError(ValueError):
    """The bytes are not the value that we look for."""


def content_of(data: bytes, at: int, end: int, *tags: int) -> tuple[int, int]:
    """Find the content of a value. With several tags, go on to the first value inside it, and so on.

    Args:
        data: the bytes.
        at: where the value begins.
        end: where the bytes that may belong to it end.
        tags: the identifier octet of the value, then of the first value in its content, down to the wanted value.

    Returns:
        Where the content of the wanted value begins and ends.

    Raises:
        DERError: a tag is another one, a length is not in DER, or a value is longer than what contains it.
    """
    for tag in tags:
        if at + 2 > end or data[at] != tag:
            raise DERError(f"no value of tag {tag:#04x}")
        size = data[at + 1]
        at += 2
        if size == _TWO_OCTETS and at + 2 <= end and data[at]:  # nearly every token, and faster
            size = data[at] << 8 | data[at + 1]
            at += 2
        elif size >= 0x80:
            at, size = _long_size(data, at, size - 0x80)
        if at + size > end:
            raise DERError("a value longer than what contains it")
        end = at + size
    return at, end


def _long_size(data: bytes, at: int, octets: int) -> tuple[int, int]:
    """Where the content begins, and its size. DER allows no more octets than the size needs (X.690, section 10.1)."""
    size = int.from_bytes(data[at : at + octets], "big") if 1 <= octets <= _LENGTH_OCTETS else -1
    if size < 0x80 or size >> 8 * (octets - 1) == 0:
        raise DERError("a length that is not in DER")
    return at + octets, size
