"""Principals in their text form (RFC 1964, section 2.1.1)."""

from __future__ import annotations

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
