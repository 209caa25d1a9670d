"""A service with real tickets, and others beside it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from async_kerberos import (
    Kerberos,
)
from async_kerberos.testing import Realm, Service

from ..support import HOSTNAME


@pytest.fixture
def kerberos() -> Iterator[Kerberos]:
    kerberos = Kerberos(hostname=HOSTNAME)
    yield kerberos
    kerberos.close()


@pytest.fixture(scope="session")
def others(realm: Realm, www: Service) -> list[Service]:
    """More services whose keys are in the same keytab."""
    return [realm.service(name) for name in (f"imap/{HOSTNAME}", "HTTP/b.acceptor.test", "HTTP/c.acceptor.test")]
