"""DER (X.690), as far as the tokens and tickets that are made here need it."""

from __future__ import annotations


def der(tag: int, content: bytes) -> bytes:
    """A value with its tag and length."""
    length = len(content)
    if length < 0x80:
        return bytes([tag, length]) + content
    octets = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(octets)]) + octets + content
