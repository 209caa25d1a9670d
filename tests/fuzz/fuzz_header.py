"""Fuzzes the header grammar: ``python -m tests.fuzz.fuzz_header [libFuzzer's arguments]``.

An input is: a byte of flags, a byte for the limit, and the values of ``Authorization``, with two noughts between them.
"""

from __future__ import annotations

import base64

from ..support.grammar import Verdict, is_linear, judge, split_scheme
from .harness import Script, fuzz, instrumented

with instrumented(__name__):
    from async_kerberos._protocol.header import MalformedHeaderError, TokenTooLargeError, challenge, parse_authorization

_LONGEST_MIDDLE = 16  # more would only be longer
_UTF_8 = 0x01
_PUMPED = 0x02  # alone among the rest: it takes a thousand times as long


def check(data: bytes) -> None:
    """Fail unless ``parse_authorization`` keeps its contract for this input."""
    script = Script(data)
    flags = script.number()
    limit = script.number() + 1
    encoding = "utf-8" if flags & _UTF_8 else "latin-1"
    values = [value.decode(encoding, "replace") for value in script.rest().split(b"\0\0")]
    for value in values:
        _check_value(value, limit)
    if len(values) > 1:
        assert _parse(values, limit) is Verdict.MALFORMED
        for comma in (",", ", "):
            joined = comma.join(values)
            _check_value(joined, limit)
            assert not isinstance(_parse([joined], limit), bytes)
    if flags | _UTF_8 == _PUMPED | _UTF_8:
        _check_time(values)


def _parse(values: list[str], limit: int) -> bytes | Verdict | None:
    try:
        return parse_authorization(values, limit)
    except MalformedHeaderError as error:
        message, verdict = str(error), Verdict.MALFORMED
    except TokenTooLargeError as error:
        message, verdict = str(error).replace(str(limit), "#"), Verdict.TOO_LARGE
    # The text goes to the log: nothing of the header is in it.
    assert message in _MESSAGES[verdict]
    return verdict


_MESSAGES = {
    Verdict.MALFORMED: {
        "more than one Authorization field",
        "Authorization does not begin with a scheme",
        "the list of parameters is too long",
        "Negotiate without a token",
        "the token is not base64",
        "the token is not canonical base64",
    },
    Verdict.TOO_LARGE: {"a token of more than # bytes"},
}


def _check_value(value: str, limit: int) -> None:
    result = _parse([value], limit)
    assert result in judge([value], limit)
    assert _parse([f" \t{value}\t "], limit) == result
    assert _parse([value, value], limit) is Verdict.MALFORMED
    scheme, rest = split_scheme(value.strip(" \t"))
    assert _parse([scheme.swapcase() + rest], limit) == result
    if isinstance(result, bytes):
        assert 0 < len(result) <= limit
        assert scheme.lower() == "negotiate"
        assert rest.lstrip(" ") == base64.b64encode(result).decode("ascii")
        assert _parse([challenge(result)], limit) == result


def _check_time(values: list[str]) -> None:
    before, middle, after = [*values, "", ""][:3]
    if middle:
        assert is_linear(
            lambda text: _parse([text], 64 * 1024), lambda count: before + middle[:_LONGEST_MIDDLE] * count + after
        )


if __name__ == "__main__":
    fuzz(check)
