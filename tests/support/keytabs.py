"""Keytabs as people have them: written entry by entry, in MIT's format, version 2; and who reads those of the tests."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable, Mapping
from pathlib import Path

from async_kerberos._gss.keytab import Entry, entries_in
from async_kerberos.testing import Realm

LIBRARY = {"library": True, "service": False, None: False}[os.environ.get("KEYTAB_READER")]
"""Whether the library reads the tests' keytabs, for each token; otherwise each service has its own keys from them.

The variable ``KEYTAB_READER`` is the switch.
"""


def keytab_option(keytab: Path, *, library: bool = LIBRARY) -> Path | str:
    """The option ``keytab``."""
    return f"WRFILE:{keytab}" if library else keytab


def served_as(principal: str, *, library: bool = LIBRARY) -> str:
    """The service principal of those whom a service of one host name lets in: the library tells it without the realm.

    Args:
        principal: the principal, with its realm.
        library: whether the library reads the keytab.
    """
    return principal.partition("@")[0] if library else principal


class SwitchedRealm(Realm):
    """A realm whose keytab the environment names in the way of the switch."""

    @property
    def env(self) -> Mapping[str, str]:
        """See :class:`Realm`."""
        return {**super().env, "KRB5_KTNAME": f"WRFILE:{self.keytab}"} if LIBRARY else super().env


def entries_of(path: Path) -> list[Entry]:
    """The entries of a keytab."""
    return list(entries_in(path.read_bytes()))


def renamed(entry: Entry, principal: str, version: int | None = None) -> Entry:
    """The same key under another name, ``service/host@REALM``, and with another version."""
    name, _, realm = principal.rpartition("@")
    kvno = entry.version if version is None else version
    return Entry(tuple(name.split("/")), realm, kvno, entry.encryption_type, entry.key)


def written(entries: Iterable[Entry | int]) -> bytes:
    """A keytab's content. A number stands for a hole of so many bytes."""
    content = b"\5\2"
    for entry in entries:
        if isinstance(entry, int):
            content += struct.pack(">i", -entry) + bytes(entry)
            continue
        parts = [entry.realm, *entry.components]
        body = struct.pack(">H", len(entry.components))
        body += b"".join(struct.pack(">H", len(part.encode())) + part.encode() for part in parts)
        body += struct.pack(">II", 1, 0) + bytes([entry.version & 0xFF])
        body += struct.pack(">HH", entry.encryption_type, len(entry.key)) + entry.key
        body += struct.pack(">I", entry.version)
        content += struct.pack(">i", len(body)) + body
    return content
