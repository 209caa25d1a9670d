"""A keytab that is replaced again and again while users sign in. ``make soak`` is the long run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from async_kerberos.testing import Realm

from ..support import ROOT

HOST = "rotation.load.test"
ROTATIONS = 10_000 if os.environ.get("LOAD") == "long" else 500
# After the first quarter, in which pools and the allocator's arenas are filled.
GROWTH = 1024 * 1024


@pytest.mark.timeout(600)
def test_rotations(realm: Realm, signed_in: object, tmp_path: Path) -> None:
    """No request of four threads is refused meanwhile, and memory stays flat."""
    service = realm.service(f"HTTP/{HOST}", keytab=tmp_path / "keytab")
    done = subprocess.run(
        [sys.executable, "-m", "tests.load.rotation_main", HOST, service.keytab, str(ROTATIONS)],
        cwd=ROOT,
        env={**os.environ, "KRB5RCACHEDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["others"] == []
    assert min(result["served"]) > ROTATIONS // 20
    memory = result["memory"]
    assert max(memory[5:]) - memory[5] < GROWTH, memory
