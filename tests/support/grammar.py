"""The contract of ``parse_authorization`` once more, told in another way: character by character, without patterns."""

from __future__ import annotations

import enum
import string
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")

TCHARS = frozenset("!#$%&'*+-.^_`|~" + string.digits + string.ascii_letters)  # RFC 9110, section 5.6.2
_BASE64 = string.ascii_uppercase + string.ascii_lowercase + string.digits + "+/"  # RFC 4648, section 4
_BASE64_VALUES = {character: value for value, character in enumerate(_BASE64)}


class Verdict(enum.Enum):
    """The two errors."""

    MALFORMED = enum.auto()
    TOO_LARGE = enum.auto()


def judge(values: Sequence[str], limit: int) -> frozenset[bytes | Verdict | None]:
    """What ``parse_authorization(values, limit)`` may come to; two things only where the contract leaves it open."""
    malformed = frozenset({Verdict.MALFORMED})
    nothing: frozenset[bytes | Verdict | None] = frozenset({None})
    if not values:
        return nothing
    if len(values) > 1:
        return malformed
    value = values[0].strip(" \t")
    if not value:
        return nothing
    scheme, rest = split_scheme(value)
    if not scheme or (rest and not rest.startswith(" ")):
        return malformed
    rest = rest.lstrip(" ")
    if scheme.lower() != "negotiate":
        return _judge_other_scheme(rest)
    token = decode(rest)
    if token is None:
        longest = -(-limit // 3) * 4
        return frozenset({Verdict.MALFORMED, Verdict.TOO_LARGE}) if len(rest) > longest else malformed
    return frozenset({token if len(token) <= limit else Verdict.TOO_LARGE})


def split_scheme(value: str) -> tuple[str, str]:
    """The scheme and all that follows it."""
    end = next((position for position, character in enumerate(value) if character not in TCHARS), len(value))
    return value[:end], value[end:]


def decode(text: str) -> bytes | None:
    """Decode base64 in its one canonical spelling; None for anything else, and for nothing."""
    body = text.rstrip("=")
    if not body or len(text) % 4 or len(text) - len(body) > 2:
        return None
    decoded = bytearray()
    for start in range(0, len(body), 4):
        group = body[start : start + 4]
        bits = 0
        for character in group:
            value = _BASE64_VALUES.get(character)
            if value is None:
                return None
            bits = bits << 6 | value
        count, spare = divmod(6 * len(group), 8)
        if bits & ((1 << spare) - 1):
            return None
        decoded += (bits >> spare).to_bytes(count, "big")
    return bytes(decoded)


def _judge_other_scheme(rest: str) -> frozenset[bytes | Verdict | None]:
    if "," in rest and len(rest) > 1000:
        # From some length on, which nobody sends, it is not worth a look.
        return frozenset({Verdict.MALFORMED, None}) if len(rest) < 1100 else frozenset({Verdict.MALFORMED})
    elements, closed = _split_list(rest)
    if any(text and not _is_auth_param(text) for text in (element.strip(" \t") for element in elements[1:])):
        # An open quotation mark takes in whatever follows it, so the last element may be anything.
        if closed or any(text and not _is_auth_param(text) for text in (item.strip(" \t") for item in elements[1:-1])):
            return frozenset({Verdict.MALFORMED})
        return frozenset({Verdict.MALFORMED, None})
    return frozenset({None})


def _split_list(text: str) -> tuple[list[str], bool]:
    """Split at the commas outside quoted strings; and whether the last quoted string was closed."""
    elements = [""]
    quoted = escaped = False
    for character in text:
        if character == "," and not quoted:
            elements.append("")
            continue
        elements[-1] += character
        if escaped:
            escaped = False
        elif quoted and character == "\\":
            escaped = True
        elif character == '"':
            quoted = not quoted
    return elements, not quoted


def _is_auth_param(text: str) -> bool:
    name, rest = split_scheme(text)
    rest = rest.lstrip(" \t")
    if not name or not rest.startswith("="):
        return False
    value = rest[1:].lstrip(" \t")
    if not value.startswith('"'):
        return bool(value) and all(character in TCHARS for character in value)
    escaped = False
    for position, character in enumerate(value[1:], 1):
        if escaped:
            escaped = False
        elif character == "\\":
            escaped = True
        elif character == '"':
            return position == len(value) - 1
    return not escaped  # never closed


def is_linear(call: Callable[[T], object], pumped: Callable[[int], T], tries: int = 3) -> bool:
    """Whether the call's time grows with the length of its argument, and not with the square of it.

    Args:
        call: what takes the time.
        pumped: makes an argument of so many repetitions.
        tries: the load of the machine disturbs one measurement, but not all of them.
    """
    for _ in range(tries):
        short, long = (_seconds(call, pumped(count)) for count in (500, 8_000))
        if long < 64 * short:  # 16 times is linear, 256 times is quadratic
            return True
    return False


def _seconds(call: Callable[[T], object], argument: T) -> float:
    begun = time.thread_time()
    call(argument)
    return time.thread_time() - begun
