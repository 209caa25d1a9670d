"""Keytabs in memory: which there are, and that they go with the last credential."""

from __future__ import annotations

import gc
import secrets
from collections.abc import Iterator
from ctypes import byref, c_void_p
from pathlib import Path

import pytest

from async_kerberos._gss.acceptor import Acceptor
from async_kerberos._gss.libkrb5 import krb5_context, loaded_library
from async_kerberos._gss.steps import Established
from async_kerberos.testing import Service

from ...support.forks import fork_and_run
from ...support.initiator import Initiator
from ...support.keytabs import entries_of, written
from .conftest import HOST, PRINCIPAL

pytestmark = pytest.mark.usefixtures("signed_in")


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bytes]]:
    """The names of the keytabs that are made meanwhile."""
    made: list[bytes] = []
    original = secrets.token_hex

    def noting(size: int) -> str:
        made.append(f"MEMORY:{original(size)}".encode())
        return made[-1].decode().removeprefix("MEMORY:")

    monkeypatch.setattr("async_kerberos._gss.memory_keytab.secrets.token_hex", noting)
    yield made
    gc.collect()
    assert not any(map(has_keys, made))


def has_keys(name: bytes) -> bool:
    """Whether there is such a keytab; one that is asked for is made if there is none, without keys."""
    library = loaded_library()
    assert library is not None
    keytab = c_void_p()
    with krb5_context(library) as (_, context):
        assert library.krb5_kt_resolve(context, name, byref(keytab)) == 0
        found: int = library.krb5_kt_have_content(context, keytab)
        library.krb5_kt_close(context, keytab)
    return found == 0


def accept(acceptor: Acceptor) -> None:
    step = acceptor.step(Initiator(f"HTTP@{HOST}").step())
    assert isinstance(step, Established)
    assert step.identity.service_principal == PRINCIPAL


def test_destroyed(service: Service, tmp_path: Path, names: list[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    """Each credential has a keytab in memory, with a name that nobody guesses, and it goes with the credential."""
    monkeypatch.setattr("async_kerberos._gss.keyring._FRESH_SECONDS", 0.0)
    keytab, ours = tmp_path / "keytab", entries_of(service.keytab)
    keytab.write_bytes(written(ours))
    acceptor = Acceptor("HTTP", [HOST], str(keytab))
    for _ in range(3):
        accept(acceptor)
    (first,) = names
    assert has_keys(first)
    assert len(first) == len("MEMORY:") + 32
    keytab.write_bytes(written(ours[:1]))
    accept(acceptor)
    gc.collect()
    assert [has_keys(name) for name in names] == [False, True]
    del acceptor
    gc.collect()
    assert [has_keys(name) for name in names] == [False, False]


def test_forked(service: Service, tmp_path: Path, names: list[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    """After a fork parent and child have keytabs of their own: what one drops, or makes, the other does not notice."""
    monkeypatch.setattr("async_kerberos._gss.keyring._FRESH_SECONDS", 0.0)
    keytab, ours = tmp_path / "keytab", entries_of(service.keytab)
    keytab.write_bytes(written(ours))
    acceptor = Acceptor("HTTP", [HOST], str(keytab))
    accept(acceptor)
    (first,) = names

    def child() -> int:
        assert has_keys(first)
        accept(acceptor)
        keytab.write_bytes(written(ours[:1]))
        accept(acceptor)
        gc.collect()
        assert [has_keys(name) for name in names] == [False, True]
        return 0

    assert fork_and_run(child) == 0
    assert names == [first]
    assert has_keys(first)
    accept(acceptor)
