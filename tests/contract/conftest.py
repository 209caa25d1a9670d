"""What the contract runs against."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from async_kerberos.testing import Realm

from ..support import HOSTNAME
from ..support.deployed import deployed as deployed
from ..support.deployments import ADAPTERS, Deployment, Running, add_services
from ..support.held import replay_cache as replay_cache


@pytest.fixture(scope="session")
def services(realm: Realm, www: object, this_host: str) -> None:
    """The services that the contract speaks of."""
    add_services(realm)


@pytest.fixture(params=["hypercorn-asyncio", "hypercorn-trio"])
def hypercorn(request: pytest.FixtureRequest, services: None) -> Generator[Running, None, None]:
    """The plain ASGI application on Hypercorn, which speaks HTTP/2."""
    with Deployment(ADAPTERS["asgi"], request.param).run_one({"hostname": HOSTNAME}) as running:
        yield running
