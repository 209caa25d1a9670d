"""The service that the examples are, unless told otherwise."""

from __future__ import annotations

import pytest

from async_kerberos.testing import Realm, Service, User


@pytest.fixture(scope="session")
def localhost(realm: Realm) -> Service:
    """The service HTTP/localhost, in its own keytab."""
    return realm.service("HTTP/localhost", keytab="localhost.keytab")


@pytest.fixture(scope="session")
def bob(realm: Realm) -> User:
    """A user who may not enter everywhere."""
    return realm.user("bob")


@pytest.fixture(scope="session")
def administrator(realm: Realm) -> User:
    """Bob, by the principal for what administrators do."""
    return realm.user("bob/admin")
