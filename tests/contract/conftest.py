"""What the contract runs against."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from async_kerberos.testing import Realm, User

from ..support.deployments import Deployment, Running, add_services
from ..support.guards import ThreadGuard


@pytest.fixture(scope="session")
def services(realm: Realm, www: object, this_host: str) -> None:
    """The services that the contract speaks of."""
    add_services(realm)


@pytest.fixture(scope="session")
def deployed(
    request: pytest.FixtureRequest, realm: Realm, services: None, thread_guard: ThreadGuard
) -> Generator[Running, None, None]:
    """The deployment that the test names, running."""
    deployment: Deployment = request.param
    with deployment.run(realm.folder, thread_guard) as running:
        yield running


@pytest.fixture
def user(signed_in: User) -> str:
    """The principal of the user whose tickets there are."""
    return signed_in.principal
