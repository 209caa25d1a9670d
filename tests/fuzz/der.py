"""Changes to a token's structure: DER taken apart and put together again, with lengths put right around a change."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from ..support.tokens import der

_OCTET_STRING = 0x04
_OID = 0x06
_FRAME = 0x60  # RFC 2743, section 3.1
_TOK_ID_LENGTH = 2  # RFC 1964, section 1.1


@dataclass
class Node:
    """A value: its tag, and its content as bytes or, where that can be taken apart, as what is in it."""

    tag: int
    content: bytes = b""
    # Bytes that are no DER: between a frame's mechanism and its token.
    before: bytes = b""
    children: list[Node] = field(default_factory=list["Node"])

    def encode(self) -> bytes:
        """The bytes of it."""
        return self.before + der(self.tag, self.content, *(child.encode() for child in self.children))

    def walk(self) -> Iterator[tuple[Node, Node | None]]:
        """It and all within it, each with what it is in."""
        yield self, None
        for child in self.children:
            for node, parent in child.walk():
                yield node, parent or self


def take_apart(data: bytes, depth: int = 0) -> list[Node] | None:
    """The values that these bytes consist of; None where they do not."""
    nodes: list[Node] = []
    while data:
        before = b""
        if nodes and nodes[-1].tag == _OID and data[0] in (1, 2, 3) and data[1:2] in (b"\0", b"\1", b"\2"):
            before, data = data[:_TOK_ID_LENGTH], data[_TOK_ID_LENGTH:]
        taken = _take(data)
        if taken is None:
            return None
        tag, content, data = taken
        inner = take_apart(content, depth + 1) if depth < 16 and (tag & 0x20 or tag == _OCTET_STRING) else None
        nodes.append(Node(tag, b"", before, inner) if inner else Node(tag, content, before))
    return nodes


def _take(data: bytes) -> tuple[int, bytes, bytes] | None:
    if len(data) < 2:
        return None
    length, begin = data[1], 2
    if length & 0x80:
        begin += length & 0x7F
        length = int.from_bytes(data[2:begin], "big")
    if length > len(data) - begin:
        return None
    return data[0], data[begin : begin + length], data[begin + length :]
