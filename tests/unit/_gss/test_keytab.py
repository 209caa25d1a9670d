"""Reading a keytab file for a log message: what is in it, or what is wrong with it."""

from __future__ import annotations

import contextlib
import os
import struct
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from async_kerberos._gss import keytab as keytab_module
from async_kerberos._gss.keytab import BrokenKeytabError, File, Key, keytab_file, read_keys

from ...support.clocked import own_clock

WWW = "HTTP/www.example.test@KRBTEST.COM"


def counted(text: bytes) -> bytes:
    return struct.pack(">H", len(text)) + text


def entry(version: int, components: tuple[bytes, ...] = (b"HTTP", b"www.example.test"), wide: bool = False) -> bytes:
    body = struct.pack(">H", len(components)) + counted(b"KRBTEST.COM") + b"".join(map(counted, components))
    body += struct.pack(">IIB", 1, 0, version & 0xFF) + struct.pack(">H", 18) + counted(bytes(32))
    if wide:
        body += struct.pack(">I", version)
    return struct.pack(">i", len(body)) + body


HOLE = struct.pack(">i", -7) + bytes(7)


AES256 = 18


def test_keys(tmp_path: Path) -> None:
    """Every key with its version and type, by principal, in the order of the file."""
    keytab = tmp_path / "http.keytab"
    other = entry(9, (b"HTTP", b"other.example.test"))
    keytab.write_bytes(b"\x05\x02" + entry(3) + HOLE + other + entry(2) + entry(300, wide=True))
    keys = read_keys(str(keytab))
    assert list(keys) == [WWW, "HTTP/other.example.test@KRBTEST.COM"]
    assert keys[WWW] == [Key(3, AES256), Key(2, AES256), Key(300, AES256)]


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("/x/y", "/x/y"),
        ("FILE:/x", "/x"),
        ("WRFILE:/x", "/x"),
        ("/x:y", "/x:y"),
        ("MEMORY:x", None),
        ("DIR:/x:y", None),
    ],
)
def test_file(name: str, file: str | None) -> None:
    """A keytab is a file where no other type is named."""
    assert keytab_file(name) == file


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "it is empty"),
        (b"\x05\x01" + entry(1), "it is not a keytab of version 2"),
        (b"\x05\x02" + entry(1)[:-1], "an entry in it is longer than the file"),
        (b"\x05\x02" + struct.pack(">i", 4) + b"\0\2\0\x40", "an entry in it is broken"),
        (b"\x05\x02" + entry(1, (b"\xff",)), "an entry in it is broken"),
        (b"\x05\x02" + bytes(300 * 1024), "it is too large to look into"),
    ],
)
def test_broken(tmp_path: Path, content: bytes, problem: str) -> None:
    """The error says why a file is no keytab."""
    keytab = tmp_path / "http.keytab"
    keytab.write_bytes(content)
    for _ in range(2):  # also where it is remembered
        with pytest.raises(BrokenKeytabError, match=f"^{problem}$"):
            read_keys(str(keytab))


def test_what_is_no_file(tmp_path: Path) -> None:
    """A pipe is not waited for."""
    os.mkfifo(tmp_path / "pipe")
    for name in ("pipe", "."):
        with pytest.raises(BrokenKeytabError, match="not a regular file"):
            read_keys(str(tmp_path / name))


def test_what_follows_the_end(tmp_path: Path) -> None:
    """An entry without a length is the end, as for the library."""
    keytab = tmp_path / "http.keytab"
    keytab.write_bytes(b"\x05\x02" + entry(1) + bytes(4) + entry(2))
    assert read_keys(str(keytab))[WWW] == [Key(1, AES256)]


def test_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A flood of tokens that are refused has a keytab read once a second; one that has changed is read at once."""
    read: list[str] = []
    original = keytab_module.read_keytab

    def note(path: str, largest: int) -> tuple[File, bytes]:
        read.append(path)
        return original(path, largest)

    monkeypatch.setattr(keytab_module, "read_keytab", note)
    now = 1000.0
    own_clock(monkeypatch, keytab_module, lambda: now)
    keytab = tmp_path / "http.keytab"
    keytab.write_bytes(b"\x05\x02" + entry(1))
    for _ in range(100):
        read_keys(str(keytab))
    assert len(read) == 1
    keytab.write_bytes(b"\x05\x02" + entry(1) + entry(2))
    assert len(read_keys(str(keytab))[WWW]) == len(read) == 2
    now += 1.5
    read_keys(str(keytab))
    assert len(read) == 3
    # No more than a few files are kept in mind.
    for number in range(100):
        other = tmp_path / str(number)
        other.write_bytes(b"\x05\x02")
        read_keys(str(other))
    assert len(keytab_module._readings) <= 16  # pyright: ignore[reportPrivateUsage] (a bound that nobody else sees)


@settings(derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.binary(max_size=200), st.integers(0, 150))
def test_garbage(tmp_path: Path, content: bytes, length: int) -> None:
    """Garbage, and a keytab cut short anywhere, is said to be broken, or has keys; it is no reason to fail."""
    for number, data in enumerate((content, (entry(3) + entry(4))[:length], entry(3)[:length] + content)):
        keytab = tmp_path / f"{number}.keytab"
        keytab.write_bytes(b"\x05\x02" + data)
        with contextlib.suppress(BrokenKeytabError):
            read_keys(str(keytab))
