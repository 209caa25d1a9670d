"""A user with tickets for two sites."""

from __future__ import annotations

import pytest

from async_kerberos.testing import Realm, Service

from .support import SECOND


@pytest.fixture(scope="session")
def second(realm: Realm, www: Service) -> Service:
    """Another site in the same keytab."""
    return realm.service(f"HTTP/{SECOND}")


@pytest.fixture
def user(second: Service, user: str) -> str:
    """The principal of the user whose tickets there are; both sites exist."""
    return user
