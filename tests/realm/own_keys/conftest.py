"""A service whose keytabs the tests write, and what becomes of a client of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from async_kerberos import Kerberos, Outcome
from async_kerberos.testing import Realm, Service

from ...support.asking import auth_request, identity_of
from ...support.initiator import fresh
from ...support.keytabs import written

HOST = "own.realm.test"
PRINCIPAL = f"HTTP/{HOST}@KRBTEST.COM"


@pytest.fixture(scope="session")
def service(realm: Realm, tmp_path_factory: pytest.TempPathFactory) -> Service:
    """A service with a keytab of its own."""
    return realm.service(f"HTTP/{HOST}", keytab=tmp_path_factory.mktemp("own") / "keytab")


@pytest.fixture(scope="session")
def imap(realm: Realm, tmp_path_factory: pytest.TempPathFactory) -> Service:
    """Another service of the same host."""
    return realm.service(f"imap/{HOST}", keytab=tmp_path_factory.mktemp("imap") / "keytab")


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Kerberos]]:
    """Makes a service of a list of entries."""
    made: list[Kerberos] = []

    def make(entries: Any, hostname: Any = HOST, **options: Any) -> Kerberos:
        keytab = tmp_path / f"keytab{len(made)}"
        keytab.write_bytes(written(entries))
        made.append(Kerberos(hostname=hostname, keytab=keytab, **options))
        return made[-1]

    yield make
    for kerberos in made:
        kerberos.close()


def ask(kerberos: Kerberos, target: str = f"HTTP@{HOST}") -> Outcome:
    return kerberos.authenticate_blocking(auth_request((fresh(target),)))


def served_as(outcome: Outcome) -> str:
    return identity_of(outcome).service_principal
