"""What the library has read of ``krb5.conf`` is kept for a second, and no longer."""

from __future__ import annotations

import contextlib
import ctypes
import os
import time
from pathlib import Path
from typing import Any

import pytest

from async_kerberos import Accepted, Denied, Kerberos, Outcome, Reason
from async_kerberos._gss import acceptor, kept_configuration
from async_kerberos._gss.kept_configuration import KeptConfiguration
from async_kerberos._gss.libkrb5 import loaded_library
from async_kerberos.testing import Service, User

from ..support.asking import auth_request
from ..support.forks import fork_and_run
from ..support.initiator import fresh
from ..support.waiting import wait_until

_IN_OPEN, _IN_NONBLOCK = 0x20, 0o4000

STRICT = "[libdefaults]\npermitted_enctypes = aes128-cts\n"
OPEN = "[libdefaults]\n"


@pytest.fixture
def configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that stands before the realm's own."""
    path = tmp_path / "krb5.conf"
    path.write_text(OPEN)
    monkeypatch.setenv("KRB5_CONFIG", f"{path}:{os.environ['KRB5_CONFIG']}")
    # A new one: the process's own keeps for a while what it has read of another test's.
    monkeypatch.setattr(acceptor, "configuration", KeptConfiguration())
    return path


@pytest.mark.parametrize("included", [False, True])
def test_changes(
    www: Service, signed_in: User, kerberos: Kerberos, configuration: Path, tmp_path: Path, included: bool
) -> None:
    """A change counts without a restart: of the file, and of one that it includes, at which the library never looks."""
    changed = configuration
    if included:
        changed = tmp_path / "included.conf"
        changed.write_text(OPEN)
        configuration.write_text(f"include {changed}\n")
    tokens = [fresh() for _ in range(200)]  # a client would obey the change, too

    def outcome() -> Outcome:
        time.sleep(0.1)
        return kerberos.authenticate_blocking(auth_request((tokens.pop(),)))

    def refused() -> bool:
        denied = outcome()
        return isinstance(denied, Denied) and denied.reason is Reason.FORBIDDEN_ENCRYPTION

    assert isinstance(outcome(), Accepted)
    changed.write_text(STRICT)
    wait_until(refused, "the change counts")
    changed.write_text(OPEN)
    wait_until(lambda: isinstance(outcome(), Accepted), "the change back counts")


def test_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the library cannot be called but by GSSAPI, nothing is kept."""
    monkeypatch.setattr("async_kerberos._gss.kept_configuration.loaded_library", lambda: None)
    KeptConfiguration().refresh()


def test_read_once(www: Service, signed_in: User, kerberos: Kerberos, configuration: Path) -> None:
    """However many tokens come, the file is read once a second."""
    tokens = [fresh() for _ in range(50)]
    libc = ctypes.CDLL(None, use_errno=True)
    watch = libc.inotify_init1(_IN_NONBLOCK)
    try:
        assert libc.inotify_add_watch(watch, os.fsencode(configuration), _IN_OPEN) >= 0
        begun, opened = time.monotonic(), 0
        for token in tokens:
            assert isinstance(kerberos.authenticate_blocking(auth_request((token,))), Accepted)
            with contextlib.suppress(BlockingIOError):  # there is none
                opened += bool(os.read(watch, 4096))
        seconds = time.monotonic() - begun
    finally:
        os.close(watch)
    assert 1 <= opened <= 2 + seconds


def test_forked_while_it_is_freed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A child that is forked while a thread frees what was kept does not free it once more."""
    library: Any = loaded_library()
    statuses: list[int] = []

    class Forking:
        """The library; another thread forks when a context has been freed."""

        krb5_init_context = library.krb5_init_context

        def krb5_free_context(self, context: object) -> None:
            library.krb5_free_context(context)
            monkeypatch.setattr(kept_configuration, "loaded_library", lambda: library)
            statuses.append(fork_and_run(child))

    kept = KeptConfiguration()

    def child() -> int:
        kept.refresh()
        return 0

    kept.refresh()
    monkeypatch.setattr(kept_configuration, "_FRESH_SECONDS", 0.0)
    time.sleep(1.0)  # what was made is kept for so long
    monkeypatch.setattr(kept_configuration, "loaded_library", Forking)
    kept.refresh()
    assert statuses == [0]
