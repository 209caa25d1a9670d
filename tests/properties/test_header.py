"""Properties of the header grammar."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from async_kerberos._protocol.header import MalformedHeaderError, TokenTooLargeError, parse_authorization

from ..support.grammar import TCHARS, Verdict, is_linear, judge
from . import SETTINGS

LIMIT = 64

TOKENS = st.binary(min_size=1, max_size=LIMIT)
SPACE = st.text(" \t", max_size=3)
WORDS = st.text(sorted(TCHARS), min_size=1, max_size=8)
OTHER_SCHEMES = WORDS.filter(lambda word: word.lower() != "negotiate")
QUOTED = st.text('ab ,=\\"\t\N{LATIN SMALL LETTER E WITH ACUTE}', max_size=8).map(
    lambda text: '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
)
PARAMS = st.tuples(WORDS, SPACE, st.just("="), SPACE, WORDS | QUOTED).map("".join)
TOKEN68 = st.binary(min_size=1, max_size=9).map(base64.urlsafe_b64encode).map(bytes.decode)
# RFC 9110, section 11.4: a scheme, and what may follow it.
CREDENTIALS = st.tuples(
    OTHER_SCHEMES, st.just(" "), st.lists(PARAMS, min_size=1, max_size=4).map(", ".join) | TOKEN68
).map("".join)


def parse(*values: str, limit: int = LIMIT) -> bytes | Verdict | None:
    try:
        return parse_authorization(values, limit)
    except MalformedHeaderError:
        return Verdict.MALFORMED
    except TokenTooLargeError:
        return Verdict.TOO_LARGE


def encode(token: bytes) -> str:
    return base64.b64encode(token).decode("ascii")


# Pieces that a header may be made of, well or badly.
PIECES = st.sampled_from(
    ("Negotiate", "nEGOTIATE", "Basic", " ", "\t", ",", ", ", "=", '"', "\\", "a", "a=b", "YWJj", "YWI=", "YWJ=")
) | st.sampled_from("\0\r\n\x7f\x85\u00a0\u00e9\ud800")


@SETTINGS
@given(st.lists(st.lists(PIECES, max_size=9).map("".join), max_size=2), st.integers(1, 8))
def test_contract(values: list[str], limit: int) -> None:
    """Whatever the header, the result is the one that the contract names."""
    assert parse(*values, limit=limit) in judge(values, limit)


@SETTINGS
@given(st.data(), TOKENS, SPACE, SPACE, st.integers(1, 4))
def test_same_token(data: st.DataObject, token: bytes, before: str, after: str, spaces: int) -> None:
    """The case of the scheme, spaces after it and white space around it all change nothing."""
    scheme = "".join(data.draw(st.sampled_from([letter, letter.upper()])) for letter in "negotiate")
    assert parse(f"{before}{scheme}{' ' * spaces}{encode(token)}{after}") == token


@SETTINGS
@given(TOKENS, st.integers(0), st.characters(exclude_characters="=" + "".join(sorted(TCHARS | {"/"}))))
def test_foreign_character(token: bytes, place: int, character: str) -> None:
    """White space, a control, a comma or a letter beyond ASCII is malformed anywhere within scheme and token."""
    value = f"Negotiate {encode(token)}"
    place = 1 + place % (len(value) - 1)
    if character == " " and place in (9, 10):
        assert parse(value[:place] + character + value[place:]) == token
    else:
        assert parse(value[:place] + character + value[place:]) is Verdict.MALFORMED


@SETTINGS
@given(TOKENS, st.data())
def test_one_spelling(token: bytes, data: st.DataObject) -> None:
    """A lenient decoder takes many texts for the token; ours takes the canonical one alone."""
    text = encode(token)
    body = text.rstrip("=")
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    spare = 2 * (len(text) - len(body))
    last = alphabet.index(body[-1]) | data.draw(st.integers(0, (1 << spare) - 1))
    changed = body[:-1] + alphabet[last] + text[len(body) :]
    padded = body + "=" * data.draw(st.integers(0, 4))
    for spelling in (changed, padded, text.replace("+", "-"), text.replace("/", "_"), text + "\n", text[:-1]):
        assert parse(f"Negotiate {spelling}") == (token if spelling == text else Verdict.MALFORMED)


@SETTINGS
@given(st.integers(1, 200), st.integers(-4, 8))
def test_limit(limit: int, excess: int) -> None:
    """A token is too large from the first byte over the limit on."""
    token = b"\xff" * max(1, limit + excess)
    assert parse(f"Negotiate {encode(token)}", limit=limit) == (token if len(token) <= limit else Verdict.TOO_LARGE)


@SETTINGS
@given(CREDENTIALS)
def test_other_scheme(credentials: str) -> None:
    """Credentials of another scheme, with commas between their parameters and in them, are no error."""
    assert parse(credentials) is None


@SETTINGS
@given(CREDENTIALS, TOKENS, SPACE, SPACE)
def test_joined_fields(credentials: str, token: bytes, before: str, after: str) -> None:
    """Two fields that a server joined are refused, whichever comes first, and so are two as such."""
    fields = [credentials, f"Negotiate {encode(token)}"]
    for pair in (fields, fields[::-1], [fields[0]] * 2, [fields[1]] * 2):
        assert parse(*pair) is Verdict.MALFORMED
        # A token68 followed by a comma may be too long for a token; it is not taken for one.
        assert parse(f"{before},{after}".join(pair)) in (Verdict.MALFORMED, Verdict.TOO_LARGE)


@pytest.mark.parametrize("before", ["", "Negotiate ", "Basic ", "A a=b,"])
@pytest.mark.parametrize("middle", ["a", " ", "\t", ",", "=", '"', "\\", '\\"', "a=b,", 'a="b",', '",', "YWJj", '"\\'])
@pytest.mark.parametrize("after", ["", "\x7f", '"', "=", "!,?"])
def test_linear(before: str, middle: str, after: str) -> None:
    """The time grows with the length of the header, and not with its square."""
    assert is_linear(lambda value: parse(value, limit=64 * 1024), lambda count: before + middle * count + after)
