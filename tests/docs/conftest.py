"""The service that the README speaks of."""

from __future__ import annotations

import pytest

from async_kerberos.testing import Realm, Service

HOST = "www.example.com"


@pytest.fixture(scope="session")
def site(realm: Realm) -> Service:
    """The service, its keys in the realm's keytab."""
    return realm.service(f"HTTP/{HOST}")
