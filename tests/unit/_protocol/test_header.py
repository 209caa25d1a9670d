"""The header grammar: what is a token, what is another scheme, and what is neither."""

import base64

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from async_kerberos._protocol.header import MalformedHeaderError, TokenTooLargeError, challenge, parse_authorization

LIMIT = 64


def parse(*values: str) -> bytes | None:
    return parse_authorization(values, LIMIT)


@pytest.mark.parametrize("value", ["Negotiate YWJj", "negotiate YWJj", "NEGOTIATE   YWJj", " \tNegotiate YWJj \t"])
def test_token(value: str) -> None:
    """The scheme is matched without regard to case, and white space around the value does not count."""
    assert parse(value) == b"abc"


@pytest.mark.parametrize(
    "values",
    [
        [],
        [""],
        [" "],
        ["Basic YTpi"],
        ["Bearer a.b-c_d~e+f/g="],
        ["Negotiat YWJj"],
        ["Negotiatee YWJj"],
        ['Digest username="a, Negotiate b", realm="x\\"y", nc=00000001'],
        ["Digest a=b, , c = d,"],
        ["Custom"],
        ['Custom "never closed, Negotiate YWJj'],
    ],
)
def test_no_credentials(values: list[str]) -> None:
    """No field, an empty one, and another scheme offer no Negotiate credentials."""
    assert parse(*values) is None


@pytest.mark.parametrize(
    "values",
    [
        ["Negotiate"],
        ["Negotiate "],
        ["Negotiate !!!"],
        ["Negotiate YWJ"],
        ["Negotiate YWJj="],
        ["Negotiate YWI"],
        ["Negotiate YWI=="],
        ["Negotiate YWJ=YWJj"],
        ["Negotiate YWJj\n"],
        ["Negotiate YW Jj"],
        ["Negotiate YWJj YWJj"],
        ["Negotiate _-_-"],
        ["Negotiate YWK="[:-1] + "l="],  # stray bits: decodes to what "YWI=" does
        ["Negotiate ===="],
        ["Negotiate \N{LATIN SMALL LETTER E WITH ACUTE}WJj"],
        ["Negotiate\tYWJj"],
        ["Negotiate,YWJj"],
        ["\N{LATIN SMALL LETTER E WITH ACUTE} YWJj"],
        ['"Negotiate" YWJj'],
    ],
)
def test_malformed(values: list[str]) -> None:
    """No token, or one that is not base64 in its one canonical spelling, is malformed."""
    with pytest.raises(MalformedHeaderError):
        parse(*values)


@pytest.mark.parametrize(
    "values",
    [
        ["Negotiate YWJj", "Negotiate YWJj"],
        ["Basic YTpi", "Negotiate YWJj"],
        ["Basic YTpi", "Basic YTpi"],
        ["Negotiate YWJj,Negotiate YWJj"],
        ["Negotiate YWJj, Basic YTpi"],
        ["Basic YTpi, Negotiate YWJj"],
        ["Basic YTpi,Basic YTpi"],
        ["Basic YTpi,Negotiate"],
        ['Digest username="a,b", realm="c", Negotiate YWJj'],
        ['Digest username="a", nc=1 Negotiate YWJj, x=y'],
    ],
)
def test_two_fields(values: list[str]) -> None:
    """Two fields are refused, also where a WSGI server has joined them by a comma: one of them would be ignored."""
    with pytest.raises(MalformedHeaderError):
        parse(*values)


def test_size() -> None:
    """A token of the limit passes; one byte more is too large, and is not decoded first."""
    largest = base64.b64encode(b"x" * LIMIT).decode()
    assert parse(f"Negotiate {largest}") == b"x" * LIMIT
    with pytest.raises(TokenTooLargeError):
        parse("Negotiate " + base64.b64encode(b"x" * (LIMIT + 3)).decode())
    with pytest.raises(TokenTooLargeError):
        parse("Negotiate " + "!" * 1_000_000)


@pytest.mark.parametrize("excess", [1, 2])
def test_size_is_exact(excess: int) -> None:
    """A token that is a byte or two over the limit is too large, also where padding hides it."""
    with pytest.raises(TokenTooLargeError):
        parse_authorization(["Negotiate " + base64.b64encode(b"x" * (61 + excess)).decode()], 61)


def test_challenge() -> None:
    """A challenge is the scheme, and the token where there is one."""
    assert challenge() == challenge(b"") == "Negotiate"
    assert challenge(b"abc") == "Negotiate YWJj"


@given(st.binary(min_size=1, max_size=LIMIT))
def test_round_trip(token: bytes) -> None:
    """Whatever is challenged with can be parsed back."""
    assert parse(challenge(token)) == token


@given(st.lists(st.text(max_size=80), max_size=3))
@example(["Negotiate " + "=" * 8])
@example(['Basic "' + '\\"' * 2_000])
@example(["Basic " + '"' * 4_001])
def test_nothing_else(values: list[str]) -> None:
    """Any strings at all give a token, no credentials, or one of the two errors."""
    try:
        token = parse_authorization(values, 1_000)
    except (MalformedHeaderError, TokenTooLargeError):
        return
    assert token is None or token
