"""Principals in their text form (RFC 1964, section 2.1.1)."""

from __future__ import annotations

import re

ANY_HOST = "*"
"""Stands for every host name for which the keytab has a key of the service."""


def split_realm(principal: str) -> tuple[str, str]:
    """Split ``name@REALM`` at the ``@`` that no backslash escapes (RFC 1964, section 2.1.1)."""
    if "\\" not in principal:
        name, _, realm = principal.partition("@")
        return name, realm
    escaped = False
    for position, character in enumerate(principal):
        if escaped:
            escaped = False
        elif character == "\\":
            escaped = True
        elif character == "@":
            return principal[:position], principal[position + 1 :]
    return principal, ""


# RFC 1964, section 2.1.1, and what MIT's library writes besides: the character that an escaped one stands for.
_ESCAPED = {"n": "\n", "t": "\t", "b": "\b", "0": "\0"}


def components_of(principal: str) -> tuple[tuple[str, ...], str]:
    """The components of a principal, and its realm, without their escapes; the realm is empty where there is none."""
    if "\\" not in principal:  # nearly all, for which this is many times as fast
        name, _, realm_text = principal.partition("@")
        return tuple(name.split("/")), realm_text
    components, realm = _parts(principal)
    return tuple(map(_plain, components)), _plain(realm)


class PrincipalPattern:
    """A pattern of principals: ``*`` stands for any characters within one component.

    ``*/admin@EXAMPLE.COM`` is every principal of two components, the second of which is ``admin``. An escaped asterisk
    (``\\*``) stands for itself.

    Args:
        text: the pattern, in the text form of a principal.

    Raises:
        ValueError: it has no realm, or an asterisk in the realm, or ends within an escape; the text says so.
    """

    def __init__(self, text: str) -> None:
        components, realm = _parts(text)
        if not realm:
            raise ValueError(f"{text!r} of which realm? Write {text}@EXAMPLE.COM, with the realm that you mean")
        if ("*", False) in realm:
            raise ValueError(f"{text!r} has a realm with an asterisk: write a pattern for each realm")
        if ("@", False) in realm or (len(text) - len(text.rstrip("\\"))) % 2:
            raise ValueError(f"{text!r} has two unescaped '@', or ends with the backslash of an escape")
        self._realm = _plain(realm)
        self._components = [re.compile(_expression(part), re.DOTALL) for part in components]

    def matches(self, components: tuple[str, ...], realm: str) -> bool:
        """Whether a principal, as :func:`components_of` takes it apart, is one of these; case counts."""
        return (
            realm == self._realm
            and len(components) == len(self._components)
            and all(ours.fullmatch(theirs) for ours, theirs in zip(self._components, components, strict=True))
        )


_Part = list[tuple[str, bool]]


def _parts(text: str) -> tuple[list[_Part], _Part]:
    """The characters of each component, and of the realm, and of each whether a backslash escapes it."""
    parts: list[_Part] = [[]]
    realm: _Part | None = None
    escaped = False
    for character in text:
        part = parts[-1] if realm is None else realm
        if escaped:
            part.append((_ESCAPED.get(character, character), True))
            escaped = False
        elif character == "\\":
            escaped = True
        elif character == "@" and realm is None:
            realm = []
        elif character == "/" and realm is None:
            parts.append([])
        else:
            part.append((character, False))
    return parts, realm or []


def _plain(part: _Part) -> str:
    return "".join(character for character, _ in part)


def _expression(part: _Part) -> str:
    return "".join(
        ".*" if (character, escaped) == ("*", False) else re.escape(character) for character, escaped in part
    )
