"""What the clients are run against."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from async_kerberos.testing import Realm, Service

from ..support.deployments import Deployment, Running
from ..support.guards import ThreadGuard


@pytest.fixture(scope="session")
def deployed(
    request: pytest.FixtureRequest, realm: Realm, www: Service, thread_guard: ThreadGuard
) -> Generator[Running, None, None]:
    """The deployment that the test names, running."""
    deployment: Deployment = request.param
    with deployment.run(realm.folder, thread_guard) as running:
        yield running
