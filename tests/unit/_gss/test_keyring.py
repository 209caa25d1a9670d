"""When the keytab is read again."""

from __future__ import annotations

import os
import sys
import time
import weakref
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from async_kerberos._gss import keyring as keyring_module
from async_kerberos._gss import libkrb5
from async_kerberos._gss.keyring import Keyring
from async_kerberos._gss.keytab import LARGEST_FILE, Entry, File, read_keytab
from async_kerberos._gss.own_keys import OwnKeys
from async_kerberos._gss.steps import AcquireError

from ...support.forks import fork_and_run
from ...support.keytabs import written

HOST = "www.example.test"


def entry(host: str = HOST) -> Entry:
    return Entry(("HTTP", host), "KRBTEST.COM", 1, 18, os.urandom(32))


class Clock:
    """Seconds of the clock for waits, and by how many nanoseconds the system's clock is ahead."""

    now = 1000.0
    ahead = 0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The keyring's clocks."""
    clock = Clock()
    clocks = SimpleNamespace(monotonic=lambda: clock.now, time_ns=lambda: time.time_ns() + clock.ahead)
    monkeypatch.setattr(keyring_module, "time", clocks)
    return clock


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Which files were read."""
    read: list[str] = []

    def noting(path: str, largest: int = LARGEST_FILE) -> tuple[File, bytes]:
        read.append(path)
        return read_keytab(path, largest)

    monkeypatch.setattr(keyring_module, "read_keytab", noting)
    return read


@pytest.fixture
def keytab(tmp_path: Path) -> Path:
    """A keytab with a key of ours."""
    keytab = tmp_path / "keytab"
    keytab.write_bytes(written([entry()]))
    return keytab


def keyring(keytab: Path | str) -> Keyring:
    return Keyring("HTTP", lambda: {HOST: HOST}, str(keytab))


def test_flood(keytab: Path, reads: list[str], clock: Clock) -> None:
    """However many tokens are refused, a file that has just changed is read once a second, and an old one once."""
    ring = keyring(keytab)
    for expected in (1, 2, 3):
        first = ring.keys()
        assert not any(ring.look_again() for _ in range(100))
        assert ring.keys() is first
        assert len(reads) == expected
        clock.now += 1.5
    clock.ahead = 3_000_000_000
    for _ in range(5):
        ring.keys()
        assert not ring.look_again()
        clock.now += 1.5
    assert len(reads) == 4


def test_changed(keytab: Path, reads: list[str], clock: Clock) -> None:
    """A file that is another one is read at the next refusal, or a second later; the same content changes nothing."""
    ring = keyring(keytab)
    first = ring.keys()
    keytab.write_bytes(written([entry(), entry()]))
    assert ring.keys() is first
    assert ring.look_again()
    second = ring.keys()
    assert second is not first
    keytab.write_bytes(keytab.read_bytes())
    assert not ring.look_again()
    keytab.write_bytes(written([entry()]))
    clock.now += 1.0
    assert ring.keys() not in (first, second)


def test_broken_for_long(keytab: Path, reads: list[str], clock: Clock) -> None:
    """A broken file is read once a second, and leaves the keys before in force for half a minute from then on."""
    ring = keyring(keytab)
    first = ring.keys()
    clock.now += 3600.0
    keytab.write_bytes(b"\5\2\0")
    good = keytab.read_bytes()
    keytab.write_bytes(b"")
    del reads[:]
    for _ in range(29):
        assert ring.keys() is first
        assert not any(ring.look_again() for _ in range(10))
        clock.now += 1.0
    assert len(reads) == 29
    clock.now += 1.5
    assert ring.keys() is None
    keytab.write_bytes(good)
    clock.now += 1.0
    with pytest.raises(AcquireError, match=f"no key for HTTP/{HOST}"):
        ring.keys()


def test_broken_keys_are_gone(keytab: Path, clock: Clock) -> None:
    """Keys that are no longer in force are not kept in memory."""
    ring = keyring(keytab)
    first = weakref.ref(cast("OwnKeys", ring.keys()))
    keytab.unlink()
    for seconds in (1.0, 31.0):
        clock.now += seconds
        assert (ring.keys() is None) == (seconds > 30.0)
    assert first() is None


def test_nothing_to_keep(keytab: Path, reads: list[str], clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    """Where there was no key of the service, a file that is gone leaves nothing in force, and nothing says so."""
    keytab.write_bytes(written([entry("other.example.test")]))
    ring = keyring(keytab)
    with pytest.raises(AcquireError, match=f"no key for HTTP/{HOST}"):
        ring.keys()
    keytab.unlink()
    clock.now += 1.0
    assert ring.keys() is None
    assert caplog.messages == []


def test_forked_while_it_is_read(keytab: Path, clock: Clock) -> None:
    """A child that is forked while a thread reads the keytab has the new keys a second later."""
    ring = keyring(keytab)
    ring.keys()
    keytab.write_bytes(written([Entry(("HTTP", HOST), "KRBTEST.COM", 2, 18, os.urandom(32))]))
    statuses: list[int] = []

    def child() -> int:
        clock.now += 1.0
        keys = ring.keys()
        assert keys is not None
        return next(iter(keys.principals.values())).entries[0].version

    def trace(frame: Any, event: str, _: object) -> Any:
        # At each line of the reading: a fork in another thread may come between any two.
        if frame.f_code.co_filename != keyring_module.__file__ or frame.f_code.co_name not in ("_read", "_look"):
            return None
        if event in ("line", "return"):
            sys.settrace(None)
            statuses.append(fork_and_run(child))
            sys.settrace(trace)
        return trace

    clock.now += 1.0
    tracing = sys.gettrace()
    sys.settrace(trace)
    try:
        ring.keys()
    finally:
        sys.settrace(tracing)
    assert len(statuses) > 10
    assert set(statuses) == {2}


def test_one_reads(keytab: Path, reads: list[str]) -> None:
    """Who has waited for the thread that reads the keytab first does not read it again."""
    ring = keyring(keytab)
    lock = ring._lock  # pyright: ignore[reportPrivateUsage] (nothing else shows that somebody waits)

    class Busy:
        def acquire(self, blocking: bool) -> bool:
            assert blocking
            ring._lock = lock  # pyright: ignore[reportPrivateUsage] (as above)
            ring.keys()
            ring._lock = cast("Any", self)  # pyright: ignore[reportPrivateUsage] (as above)
            return True

        def release(self) -> None:
            pass

    ring._lock = cast("Any", Busy())  # pyright: ignore[reportPrivateUsage] (a thread that reads meanwhile)
    assert ring.keys() is not None
    assert len(reads) == 1


def test_another_name_of_this_host(keytab: Path, clock: Clock) -> None:
    """Where there is no key, the names are asked for again, once a second: DNS may not have answered."""
    names = {"web1": "web1"}
    ring = Keyring("HTTP", lambda: names, str(keytab))
    for _ in range(3):
        with pytest.raises(AcquireError, match="no key for HTTP/web1"):
            ring.keys()
    names = {HOST: HOST}
    clock.now += 1.0
    assert ring.keys() is not None


@pytest.mark.parametrize(
    ("value", "is_proxied"), [("yes", True), ("1", True), ("perhaps", True), ("", False), ("NO", False), ("0", False)]
)
def test_proxied(value: str, is_proxied: bool, keytab: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where gss-proxy accepts there are no keys of the service's own; also if its variable is changed later."""
    monkeypatch.setenv("GSS_USE_PROXY", value)
    assert (keyring(keytab).keys() is None) is is_proxied
    monkeypatch.delenv("GSS_USE_PROXY")
    assert keyring(keytab).keys() is not None
    monkeypatch.setattr(libkrb5, "_ASKED_PROXY_AT_START", True)
    assert keyring(keytab).keys() is None


@pytest.mark.parametrize("kind", ["WRFILE:{}", "MEMORY:{}", "{}/nothing"])
def test_what_the_library_reads(kind: str, keytab: Path) -> None:
    """What is no file that can be read is left to the library."""
    assert keyring(kind.format(keytab)).keys() is None
    assert keyring(f"FILE:{keytab}").keys() is not None
