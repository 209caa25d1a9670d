"""Distinguished Encoding Rules (ITU-T X.690), as little of them as tokens need: one value after another."""

from __future__ import annotations

# Four octets of length would be more than any limit on a token.
_LENGTH_OCTETS = 3


class DERError(ValueError):
    """The bytes are not the value that is looked for."""


def content_of(data: bytes, at: int, end: int, *tags: int) -> tuple[int, int]:
    """Find the content of the value that begins at a place, or of the first one within it, and so on.

    Args:
        data: the bytes.
        at: where the value begins.
        end: where what it stands in ends.
        tags: its identifier octet, that of the first value in its content, and so on down to the one looked for.

    Returns:
        Where its content begins and ends.

    Raises:
        DERError: another value stands there, its length is not in DER, or it does not fit.
    """
    for tag in tags:
        if at + 2 > end or data[at] != tag:
            raise DERError(f"no value of tag {tag:#04x}")
        size = data[at + 1]
        at += 2
        if size >= 0x80:
            at, size = _long_size(data, at, size - 0x80)
        if at + size > end:
            raise DERError("a value that does not fit")
        end = at + size
    return at, end


def _long_size(data: bytes, at: int, octets: int) -> tuple[int, int]:
    """Where the content begins, and its size, in so many octets (X.690, section 8.1.3.5) and no more (10.1)."""
    if octets == 2 and at + 2 <= len(data) and data[at]:  # in nearly every token; and int.from_bytes() takes long
        return at + 2, data[at] << 8 | data[at + 1]
    size = int.from_bytes(data[at : at + octets], "big") if 1 <= octets <= _LENGTH_OCTETS else -1
    if size < 0x80 or size >> 8 * (octets - 1) == 0:
        raise DERError("a length that is not in DER")
    return at + octets, size
