"""A folder for the realms of each test, and a realm in it that no other test uses."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from async_kerberos.testing import Realm


@pytest.fixture(autouse=True)
def temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of the test's own for the realms: what a realm leaves behind is found by its name."""
    folder = tmp_path / "realms"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setenv("TMPDIR", str(folder))
    return folder


@pytest.fixture
def realm() -> Iterator[Realm]:
    with Realm() as realm:
        yield realm
