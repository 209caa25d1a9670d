"""Reading a keytab file for a log message: what is in it, and never an error over what is not."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from async_kerberos._keytab import key_versions

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


def test_versions(tmp_path: Path) -> None:
    """The versions of the principal's own keys, whichever they are, in order and once."""
    keytab = tmp_path / "http.keytab"
    other = entry(9, (b"HTTP", b"other.example.test"))
    keytab.write_bytes(b"\x05\x02" + entry(3) + HOLE + other + entry(2) + entry(2) + entry(300, wide=True))
    for name in (str(keytab), f"FILE:{keytab}", f"WRFILE:{keytab}"):
        assert key_versions(name, WWW) == [2, 3, 300]
    assert key_versions(str(keytab), "HTTP/none@KRBTEST.COM") == []


def test_real_keytab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment's keytab is the one that is read where none is named."""
    keytab = tmp_path / "http.keytab"
    keytab.write_bytes(b"\x05\x02" + entry(7))
    monkeypatch.setenv("KRB5_KTNAME", str(keytab))
    assert key_versions(None, WWW) == [7]


def test_what_is_no_keytab_file(tmp_path: Path) -> None:
    """Of anything else nothing is known; a pipe is not waited for."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    old = tmp_path / "old"
    old.write_bytes(b"\x05\x01" + entry(1))
    for name in ("MEMORY:x", str(tmp_path / "none"), str(tmp_path), str(pipe), str(old), "DIR:/x:y"):
        assert key_versions(name, WWW) is None


@settings(derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.binary(max_size=200), st.integers(0, 150))
def test_garbage(tmp_path: Path, content: bytes, length: int) -> None:
    """Garbage, and a keytab cut short anywhere, is no reason to fail."""
    keytab = tmp_path / "http.keytab"
    for data in (content, (entry(3) + entry(4))[:length], entry(3)[:length] + content):
        keytab.write_bytes(b"\x05\x02" + data)
        key_versions(str(keytab), WWW)
