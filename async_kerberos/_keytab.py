"""What is in a keytab file, for log messages: GSSAPI says that a key is missing, and not which are there.

The format is MIT's, version 2: https://web.mit.edu/kerberos/krb5-latest/doc/formats/keytab_file_format.html.
"""

from __future__ import annotations

import os
import stat
import struct

# Keys of a thousand services take a tenth of this.
_LARGEST_FILE = 1024 * 1024
_DEFAULT = "/etc/krb5.keytab"
_VERSION = b"\x05\x02"


def key_versions(keytab: str | None, principal: str) -> list[int] | None:
    """The version numbers (kvno) of a principal's keys.

    Args:
        keytab: the keytab's name; None for the environment's, or the usual place of the system's.
        principal: the principal, without characters that are escaped.

    Returns:
        The numbers, in ascending order; None where the keytab is no file, or no file of this format.
    """
    name = keytab or os.environ.get("KRB5_KTNAME") or _DEFAULT
    kind, colon, path = name.partition(":")
    if not colon or "/" in kind:
        path = name
    elif kind not in ("FILE", "WRFILE"):
        return None
    try:
        content = _read(path)
        return sorted({version for name, version in _entries(content) if name == principal})
    except (OSError, ValueError, IndexError, struct.error):
        return None


def _read(path: str) -> bytes:
    # Without waiting, should it be a pipe by now.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ValueError("not a regular file")
        content = os.read(descriptor, _LARGEST_FILE)
    finally:
        os.close(descriptor)
    if not content.startswith(_VERSION):
        raise ValueError("not a keytab of version 2")
    return content


def _entries(content: bytes) -> list[tuple[str, int]]:
    entries: list[tuple[str, int]] = []
    at = len(_VERSION)
    while at + 4 <= len(content):
        (size,) = struct.unpack_from(">i", content, at)
        at += 4
        if size > 0:
            entries.append(_entry(content[at : at + size]))
        at += abs(size)  # negative: a hole, where an entry was deleted
    return entries


def _entry(entry: bytes) -> tuple[str, int]:
    (count,) = struct.unpack_from(">H", entry, 0)
    at = 2
    parts: list[str] = []
    for _ in range(count + 1):  # the realm, then the components
        part, at = _counted(entry, at)
        parts.append(part.decode())
    at += 8  # name type and time
    version = entry[at]
    _, at = _counted(entry, at + 3)  # after the version of one byte and the key's type
    if len(entry) >= at + 4:  # a version number above 255 has a field of its own
        version = struct.unpack_from(">I", entry, at)[0] or version
    return f"{'/'.join(parts[1:])}@{parts[0]}", version


def _counted(entry: bytes, at: int) -> tuple[bytes, int]:
    (size,) = struct.unpack_from(">H", entry, at)
    return entry[at + 2 : at + 2 + size], at + 2 + size
