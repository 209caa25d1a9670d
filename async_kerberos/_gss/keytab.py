"""Reads keytab files for log messages: GSSAPI says that a key is missing, but not which keys are there.

The format is MIT's, version 2: https://web.mit.edu/kerberos/krb5-latest/doc/formats/keytab_file_format.html.
"""

from __future__ import annotations

import os
import stat
import struct
import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

# Enough for the keys of a thousand services. Parsing more would delay requests.
_LARGEST_FILE = 256 * 1024
_VERSION = b"\x05\x02"

# After a second a file is read again even if it seems unchanged: its times may be too coarse to show a change. However
# many tokens are refused, the file is read once a second.
_FRESH_SECONDS = 1.0
_MOST_FILES = 16


class BrokenKeytabError(ValueError):
    """The file is not a keytab that we can read. The text says why, such as "it is empty"."""


class Key(NamedTuple):
    """One key of a principal.

    Attributes:
        version: its version number (kvno).
        encryption_type: its type (etype).
    """

    version: int
    encryption_type: int


Keys = Mapping[str, Sequence[Key]]
"""The keys of each principal. Principals have no escapes, and come in the order of the file."""


class _Reading(NamedTuple):
    file: tuple[int, ...]
    read: float
    keys: Keys | str  # a text says what is wrong with the file


_readings: dict[str, _Reading] = {}


def keytab_file(name: str) -> str | None:
    """The path of a keytab; None if it is not a file: it may be in memory.

    Args:
        name: the keytab, as a path or ``TYPE:name``.
    """
    kind, colon, path = name.partition(":")
    if not colon or "/" in kind:
        return name
    return path if kind in ("FILE", "WRFILE") else None


def read_keys(path: str) -> Keys:
    """The keys in a keytab file, at most a second old.

    Raises:
        OSError: the file cannot be opened.
        BrokenKeytabError: it is not a keytab of this format.
    """
    now = time.monotonic()
    found = os.stat(path)  # noqa: PTH116 (nothing here needs pathlib)
    file = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
    reading = _readings.get(path)
    if reading is None or reading.file != file or now - reading.read > _FRESH_SECONDS:
        try:
            keys: Keys | str = _keys(_read(path))
        except BrokenKeytabError as error:
            keys = str(error)
        reading = _Reading(file, now, keys)
        if len(_readings) >= _MOST_FILES:
            _readings.clear()
        _readings[path] = reading
    if isinstance(reading.keys, str):
        raise BrokenKeytabError(reading.keys)
    return reading.keys


def _read(path: str) -> bytes:
    # O_NONBLOCK: the path may name a pipe, and opening a pipe would wait.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise BrokenKeytabError("it is not a regular file")
        if found.st_size > _LARGEST_FILE:
            raise BrokenKeytabError("it is too large to look into")
        content = os.read(descriptor, _LARGEST_FILE)
    finally:
        os.close(descriptor)
    if not content:
        raise BrokenKeytabError("it is empty")
    if not content.startswith(_VERSION):
        raise BrokenKeytabError("it is not a keytab of version 2")
    return content


def _keys(content: bytes) -> Keys:
    keys: dict[str, list[Key]] = {}
    at = len(_VERSION)
    try:
        while at + 4 <= len(content):
            (size,) = struct.unpack_from(">i", content, at)
            at += 4
            if size == 0:
                break
            if size > len(content) - at:
                raise BrokenKeytabError("an entry in it is longer than the file")
            if size > 0:
                principal, key = _entry(content[at : at + size])
                keys.setdefault(principal, []).append(key)
            at += abs(size)  # a negative size is a hole: an entry was deleted
    except (UnicodeDecodeError, IndexError, struct.error):
        raise BrokenKeytabError("an entry in it is broken") from None
    return keys


def _entry(entry: bytes) -> tuple[str, Key]:
    (count,) = struct.unpack_from(">H", entry, 0)
    at = 2
    parts: list[str] = []
    for _ in range(count + 1):  # the realm, then the components
        part, at = _counted(entry, at)
        parts.append(part.decode())
    at += 8  # name type and time
    version = entry[at]
    (encryption_type,) = struct.unpack_from(">H", entry, at + 1)
    _, at = _counted(entry, at + 3)
    if len(entry) >= at + 4:  # a version number above 255 is in this extra field
        version = struct.unpack_from(">I", entry, at)[0] or version
    return f"{'/'.join(parts[1:])}@{parts[0]}", Key(version, encryption_type)


def _counted(entry: bytes, at: int) -> tuple[bytes, int]:
    (size,) = struct.unpack_from(">H", entry, at)
    return entry[at + 2 : at + 2 + size], at + 2 + size
