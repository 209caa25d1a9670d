"""Certificates."""

from __future__ import annotations

from pathlib import Path

import pytest

from ..support.tls import Served, self_signed


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where certificates and logs are."""
    return tmp_path_factory.mktemp("tls")


@pytest.fixture(scope="session")
def served(folder: Path) -> Served:
    """The server's certificate."""
    return self_signed(folder, "served")


@pytest.fixture(scope="session")
def other(folder: Path) -> Served:
    """Another certificate for the same host, which clients trust as well: a man in the middle's."""
    return self_signed(folder, "other")
