"""A fixture of the folders that test deployments: their ``conftest.py`` imports it, and adds the services needed.

It is not in the conftest of all tests: that one imports no framework.
"""

from __future__ import annotations

from collections.abc import Generator

import pytest

from async_kerberos.testing import Realm

from .deployments import Deployment, Running
from .guards import ThreadGuard


@pytest.fixture(scope="session")
def deployed(
    request: pytest.FixtureRequest, realm: Realm, services: None, thread_guard: ThreadGuard
) -> Generator[Running, None, None]:
    """The deployment that the test names, running."""
    deployment: Deployment = request.param
    with deployment.run(realm.folder, thread_guard) as running:
        yield running
