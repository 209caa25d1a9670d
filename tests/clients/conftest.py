"""What the clients are run against."""

from __future__ import annotations

import pytest

from ..support.deployed import deployed as deployed


@pytest.fixture(scope="session")
def services(www: object) -> None:
    """The services that the clients ask for."""
