"""Plug-ins for MIT krb5, and a user whose secrets must not be shown."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest

from async_kerberos.testing import Realm, Service, User

from ..support.debs import unpacked
from ..support.initiator import Initiator
from .secret_site import HOST, TARGET


@pytest.fixture(scope="session")
def plugins() -> Path:
    """Where ``gssntlmssp/gssntlmssp.so``, ``krb5/plugins/preauth/pkinit.so`` and libraries that they need are."""
    (folder,) = unpacked("gss-ntlmssp", "krb5-pkinit").glob("usr/lib/*-linux-*")
    return folder


@pytest.fixture(scope="session")
def service(realm: Realm) -> Service:
    """The service of the tests of secrets."""
    return realm.service(f"HTTP/{HOST}")


@pytest.fixture(scope="session")
def mallory(realm: Realm, service: Service) -> User:
    """A user with a password that nobody else has."""
    return realm.user("mallory-of-the-secrets")


@pytest.fixture
def token(realm: Realm, mallory: User) -> Generator[bytes, None, None]:
    """A token that goes through GSSAPI in this test, of a user whose ticket cache is the environment's."""
    with realm.environ(mallory):
        yield Initiator(TARGET).step()
