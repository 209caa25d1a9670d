"""The service that the examples are, unless told otherwise."""

from __future__ import annotations

import pytest

from async_kerberos.testing import Realm, Service


@pytest.fixture(scope="session")
def localhost(realm: Realm) -> Service:
    """The service HTTP/localhost, in its own keytab."""
    return realm.service("HTTP/localhost", keytab="localhost.keytab")
