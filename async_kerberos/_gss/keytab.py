"""Reads keytab files: for the service's own keys, and for log messages.

GSSAPI says that a key is missing, but not which keys are there.

The format is MIT's, version 2: https://web.mit.edu/kerberos/krb5-latest/doc/formats/keytab_file_format.html.
"""

from __future__ import annotations

import os
import stat
import struct
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

# Some hundred thousand keys.
LARGEST_FILE = 16 * 1024 * 1024

# Enough for the keys of a thousand services. Parsing more for each message would delay requests.
_LARGEST_FOR_MESSAGES = 256 * 1024

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


class Entry:
    """One entry of a keytab, with its key.

    Attributes:
        components: those of the principal.
        realm: the principal's realm.
        version: the key's version number (kvno).
        encryption_type: its type (etype).
        key: the key.
    """

    __slots__ = ("components", "encryption_type", "key", "realm", "version")

    def __init__(self, components: tuple[str, ...], realm: str, version: int, encryption_type: int, key: bytes) -> None:
        self.components = components
        self.realm = realm
        self.version = version
        self.encryption_type = encryption_type
        self.key = key

    @property
    def principal(self) -> str:
        """The principal, without escapes."""
        return f"{'/'.join(self.components)}@{self.realm}"

    def __repr__(self) -> str:
        return f"<key {self.version} of {self.principal}>"  # the key must not get into a log


Keys = Mapping[str, Sequence[Key]]
"""The keys of each principal. Principals have no escapes, and come in the order of the file."""


class File(NamedTuple):
    """A file, as it was read: when one of these changes, so may have the content."""

    device: int
    number: int
    size: int
    modified: int
    changed: int


class _Reading(NamedTuple):
    file: File
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


def is_read_by_us(name: str) -> bool:
    """Whether a keytab, by its name, is a file that this package reads itself. ``WRFILE:`` leaves it to the library."""
    return keytab_file(name) is not None and not name.startswith("WRFILE:")


def read_keys(path: str) -> Keys:
    """The keys in a keytab file, at most a second old, for messages.

    Raises:
        OSError: the file cannot be opened.
        BrokenKeytabError: it is not a keytab of this format, or too large.
    """
    now = time.monotonic()
    file = file_at(path)
    reading = _readings.get(path)
    if reading is None or reading.file != file or now - reading.read > _FRESH_SECONDS:
        try:
            keys: Keys | str = _keys(read_keytab(path, _LARGEST_FOR_MESSAGES)[1])
        except BrokenKeytabError as error:
            keys = str(error)
        reading = _Reading(file, now, keys)
        if len(_readings) >= _MOST_FILES:
            _readings.clear()
        _readings[path] = reading
    if isinstance(reading.keys, str):
        raise BrokenKeytabError(reading.keys)
    return reading.keys


def file_at(path: str) -> File:
    """What the system says of a file.

    Raises:
        OSError: it is not there, or out of reach.
    """
    return _file(os.stat(path))  # noqa: PTH116 (nothing here needs pathlib)


def read_keytab(path: str, largest: int = LARGEST_FILE) -> tuple[File, bytes]:
    """The content of a keytab file.

    Args:
        path: the file.
        largest: the size, in bytes, above which it is not read.

    Raises:
        OSError: the file cannot be opened.
        BrokenKeytabError: it is not a keytab of this format, or too large.
    """
    # O_NONBLOCK: the path may name a pipe, and opening a pipe would wait.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise BrokenKeytabError("it is not a regular file")
        if found.st_size > largest:
            raise BrokenKeytabError("it is too large to look into")
        content = os.read(descriptor, largest)
    finally:
        os.close(descriptor)
    if not content:
        raise BrokenKeytabError("it is empty")
    if not content.startswith(_VERSION):
        raise BrokenKeytabError("it is not a keytab of version 2")
    return _file(found), content


def entries_in(content: bytes) -> Iterator[Entry]:
    """The entries of a keytab, in the order of the file.

    Raises:
        BrokenKeytabError: an entry is broken, or not whole.
    """
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
                yield _entry(content[at : at + size])
            at += abs(size)  # a negative size is a hole: an entry was deleted
    except (UnicodeDecodeError, IndexError, struct.error):
        raise BrokenKeytabError("an entry in it is broken") from None


def _file(found: os.stat_result) -> File:
    return File(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def _keys(content: bytes) -> Keys:
    keys: dict[str, list[Key]] = {}
    for entry in entries_in(content):
        keys.setdefault(entry.principal, []).append(Key(entry.version, entry.encryption_type))
    return keys


def _entry(entry: bytes) -> Entry:
    (count,) = struct.unpack_from(">H", entry, 0)
    at = 2
    parts: list[str] = []
    for _ in range(count + 1):  # the realm, then the components
        part, at = _counted(entry, at)
        parts.append(part.decode())
    at += 8  # name type and time
    version = entry[at]
    (encryption_type,) = struct.unpack_from(">H", entry, at + 1)
    key, at = _counted(entry, at + 3)
    if len(entry) >= at + 4:  # a version number above 255 is in this extra field
        version = struct.unpack_from(">I", entry, at)[0] or version
    return Entry(tuple(parts[1:]), parts[0], version, encryption_type, key)


def _counted(entry: bytes, at: int) -> tuple[bytes, int]:
    (size,) = struct.unpack_from(">H", entry, at)
    return entry[at + 2 : at + 2 + size], at + 2 + size
