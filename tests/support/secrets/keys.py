"""The keys in files: keytabs and ticket caches."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

from .find import Secrets


def keytab_keys(content: bytes) -> Iterator[bytes]:
    """The keys in a keytab, as MIT's documentation of its format (version 2) has it."""
    assert content[:2] == b"\x05\x02", "not a keytab of version 2"
    place = 2
    while place < len(content):
        (size,) = struct.unpack_from(">i", content, place)
        place += 4
        if size > 0:  # what is negative is a hole
            yield _keytab_key(content[place : place + size])
        place += abs(size)


def _keytab_key(entry: bytes) -> bytes:
    (components,) = struct.unpack_from(">H", entry)
    place = 2
    for _ in range(components + 1):  # the realm comes first
        (length,) = struct.unpack_from(">H", entry, place)
        place += 2 + length
    place += 9  # type of the name, time, key version
    _, length = struct.unpack_from(">HH", entry, place)
    return entry[place + 4 : place + 4 + length]


def ccache_keys(content: bytes) -> Iterator[bytes]:
    """The session keys in a ticket cache, as MIT's documentation of its format (version 4) has it."""
    assert content[:2] == b"\x05\x04", "not a ticket cache of version 4"
    (header,) = struct.unpack_from(">H", content, 2)
    place = _after_principal(content, 4 + header)
    while place < len(content):
        place = _after_principal(content, _after_principal(content, place))
        _, length = struct.unpack_from(">HI", content, place)
        place += 6
        if length > 1:  # a cache keeps settings of its own in the form of tickets
            yield content[place : place + length]
        place += length + 16 + 1 + 4  # times, is_skey, flags
        for _ in range(2):  # addresses, authorization data
            (count,) = struct.unpack_from(">I", content, place)
            place += 4
            for _ in range(count):
                place = _after_data(content, place + 2)
        place = _after_data(content, _after_data(content, place))  # the ticket, and a second one


def _after_principal(content: bytes, place: int) -> int:
    _, components = struct.unpack_from(">II", content, place)
    place += 8
    for _ in range(components + 1):  # the realm comes first
        place = _after_data(content, place)
    return place


def _after_data(content: bytes, place: int) -> int:
    (length,) = struct.unpack_from(">I", content, place)
    return place + 4 + int(length)


class KeyFiles:
    """The keytabs and ticket caches in realms' folders, read again whenever they have changed."""

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets
        self._folders: dict[Path, int] = {}
        self._files: dict[Path, tuple[int, int]] = {}

    def watch(self, folder: Path) -> None:
        """Look at this folder from now on."""
        self._folders.setdefault(folder, 0)

    def read(self) -> None:
        """Note all keys that are new."""
        for folder, changed in list(self._folders.items()):
            try:
                now = folder.stat().st_mtime_ns
                if now != changed:
                    self._folders[folder] = now
                    for entry in folder.iterdir():
                        if entry.name.endswith(("keytab", ".ccache")):
                            self._files.setdefault(entry, (0, 0))
            except FileNotFoundError:
                del self._folders[folder]
        for path, state in list(self._files.items()):
            try:
                status = path.stat()
            except FileNotFoundError:
                del self._files[path]
                continue
            now_state = (status.st_mtime_ns, status.st_size)
            if now_state != state:
                self._files[path] = now_state
                self.read_file(path)

    def read_file(self, path: Path) -> None:
        """Note the keys of a file; of one that a test has damaged, as many as there are."""
        content = path.read_bytes() if path.is_file() else b""
        keys = {b"\x05\x02": keytab_keys, b"\x05\x04": ccache_keys}.get(content[:2])
        try:
            for key in keys(content) if keys else ():
                self._secrets.note_key(key)
        except struct.error:
            pass
