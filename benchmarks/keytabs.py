"""Keytabs with many keys, of which only one principal's are ever used."""

from __future__ import annotations

import hashlib
import struct
from pathlib import Path

from .apps import HOSTNAME
from .scene import Scene

_VERSION = b"\x05\x02"


def make_keytab(scene: Scene, keys: int) -> Path:
    """Make a keytab with so many keys, all different. The host's own come last, after those of other hosts.

    Args:
        scene: the scene.
        keys: how many; at least as many as the host has.
    """
    own = _entries(scene.realm.keytab.read_bytes())
    others = [_of_another_host(own[number % len(own)], number) for number in range(keys - len(own))]
    path = scene.folder / f"{keys}.keytab"
    path.write_bytes(_VERSION + b"".join(struct.pack(">i", len(entry)) + entry for entry in (*others, *own)))
    return path


def _entries(content: bytes) -> list[bytes]:
    entries: list[bytes] = []
    at = len(_VERSION)
    while at < len(content):
        (size,) = struct.unpack_from(">i", content, at)
        entries.append(content[at + 4 : at + 4 + size])
        at += 4 + size
    return entries


def _of_another_host(entry: bytes, number: int) -> bytes:
    """The same with another host and key: at its end an entry has the key's length, the key, and the version."""
    name = HOSTNAME.encode()
    size = next(size for size in (16, 32) if entry[-4 - size - 2 : -4 - size] == struct.pack(">H", size))
    key = hashlib.sha256(b"%d" % number).digest()[:size]
    return entry[: -4 - size].replace(name, b"%04d" % number + name[4:]) + key + entry[-4:]
