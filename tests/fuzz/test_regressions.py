"""Every input that is kept, through the checks of the fuzzers: without atheris, so on every version of Python."""

from __future__ import annotations

from pathlib import Path

import pytest

from async_kerberos.testing import Realm

from ..support.exchange import Clients
from . import fuzz_authenticate, fuzz_header
from .harness import HARNESSES, inputs


@pytest.fixture(scope="session")
def clients(realm: Realm) -> Clients:
    return Clients(realm, "fuzz")


def named(harness: str) -> list[object]:
    return [pytest.param(path, id=f"{path.parent.parent.name}-{path.name}") for path in inputs(harness)]


@pytest.mark.parametrize("path", named("header"))
def test_header(path: Path) -> None:
    """The header grammar keeps its contract for this input."""
    fuzz_header.check(path.read_bytes())


@pytest.mark.parametrize("path", named("authenticate"))
def test_authenticate(path: Path, clients: Clients) -> None:
    """Every request of this script is answered as it must be."""
    fuzz_authenticate.check(clients, path.read_bytes())


@pytest.mark.parametrize("harness", HARNESSES)
def test_kept(harness: str) -> None:
    """There are inputs to begin with, and no more than a reader can look through."""
    assert 10 <= len(list(inputs(harness))) <= 100
