"""The grammar of ``Authorization`` and ``WWW-Authenticate`` for the scheme Negotiate: pure functions of strings.

RFC 9110, section 11, defines the header fields; RFC 4559, section 4, the scheme.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Sequence

SCHEME = "Negotiate"
_PREFIX = "negotiate "

# RFC 9110, section 5.6.2
_TCHAR = r"!#$%&'*+\-.^_`|~0-9A-Za-z"
_NOT_TCHAR = re.compile(rf"[^{_TCHAR}]")
# RFC 9110, section 11.2: auth-param = token BWS "=" BWS ( token / quoted-string ). Quoted strings were emptied before.
_AUTH_PARAM = re.compile(rf'[{_TCHAR}]+[ \t]*=[ \t]*(?:[{_TCHAR}]+|"")')
# The closing quote is optional, so that a match cannot fail at the end and start again: that would be quadratic.
_QUOTED_STRING = re.compile(r'(?s)"(?:[^"\\]|\\.)*"?')
# The parameters of Digest, OAuth and signatures are shorter. Parsing longer ones would take most of a request's time.
_LONGEST_LIST = 1024


class MalformedHeaderError(ValueError):
    """The header violates the grammar. The text says how, and quotes nothing of the header."""


class TokenTooLargeError(ValueError):
    """The token is longer than the limit."""


def parse_authorization(values: Sequence[str], max_token_size: int) -> bytes | None:
    """Get the GSSAPI token from a request's ``Authorization``.

    Args:
        values: the values of all ``Authorization`` fields of the request, in order.
        max_token_size: the largest token to decode, in bytes.

    Returns:
        The token, never empty; None if the request has no credentials, or those of another scheme.

    Raises:
        MalformedHeaderError: two fields (or two that a server joined by a comma), no token, or one that is not base64.
        TokenTooLargeError: the token is longer than ``max_token_size``.
    """
    if not values:
        return None
    if len(values) > 1:
        # RFC 9110, section 5.3: a sender must not repeat a field that is no list. The two may name different users.
        raise MalformedHeaderError("more than one Authorization field")
    value = values[0].strip(" \t")
    if not value:
        return None
    scheme, _, rest = value.partition(" ")
    if scheme.lower() != "negotiate":  # RFC 9110, section 11.1: schemes are matched without regard to case
        _check_other_scheme(value)
        return None
    rest = rest.lstrip(" ")
    if not rest:
        raise MalformedHeaderError("Negotiate without a token")
    # Three bytes make four characters. So we know before we decode whether the token is much longer than the limit.
    if len(rest) <= (max_token_size + 2) // 3 * 4:
        token = _decode(rest)
        if len(token) <= max_token_size:
            return token
    raise TokenTooLargeError(f"a token of more than {max_token_size} bytes")


def token_size(values: Sequence[str]) -> int:
    """How many bytes the token has, by the length of its text; 0 without a single field of this scheme."""
    if len(values) != 1:
        return 0
    text = values[0].strip(" \t")
    if text[: len(_PREFIX)].lower() != _PREFIX:
        return 0
    length = len(text) - len(_PREFIX)
    if text.startswith(" ", len(_PREFIX)):
        length = len(text[len(_PREFIX) :].lstrip(" "))
    return max(0, length * 3 // 4 - text.count("=", -2))


def _check_other_scheme(value: str) -> None:
    # RFC 9110, section 11.4: credentials = auth-scheme [ 1*SP ( token68 / #auth-param ) ]
    scheme, _, rest = value.partition(" ")
    if _NOT_TCHAR.search(scheme) is not None:
        raise MalformedHeaderError("Authorization does not begin with a scheme")
    if "," in rest:
        _refuse_joined_fields(rest.lstrip(" "))


def _refuse_joined_fields(rest: str) -> None:
    """Refuse parameters that may contain the credentials of a second ``Authorization`` field.

    A WSGI server joins two fields by a comma. In a single field, only an auth-param can follow a comma.
    """
    if len(rest) > _LONGEST_LIST:
        raise MalformedHeaderError("the list of parameters is too long")
    _, *elements = _QUOTED_STRING.sub('""', rest).split(",")
    for element in elements:
        text = element.strip(" \t")
        # RFC 9110, section 5.6.1.2: a recipient must accept empty list elements.
        if text and _AUTH_PARAM.fullmatch(text) is None:
            raise MalformedHeaderError("more than one Authorization field")


def _decode(text: str) -> bytes:
    try:
        token = binascii.a2b_base64(text)
    except ValueError:
        raise MalformedHeaderError("the token is not base64") from None
    # a2b_base64() ignores foreign characters, stray bits and padding (RFC 4648, sections 3.2 to 3.5). With foreign
    # characters, the text is longer than the token's encoding. Stray bits and padding change the last four characters.
    whole_groups = (len(token) - 1) // 3
    last_group = binascii.b2a_base64(token[whole_groups * 3 :], newline=False).decode("ascii")
    if len(text) != whole_groups * 4 + 4 or not text.endswith(last_group):
        raise MalformedHeaderError("the token is not canonical base64")
    return token


def challenge(token: bytes | None = None) -> str:
    """The value of ``WWW-Authenticate``: the scheme, and the acceptor's token where there is one (RFC 4559, 4.1)."""
    if not token:
        return SCHEME
    return f"{SCHEME} {binascii.b2a_base64(token, newline=False).decode('ascii')}"
