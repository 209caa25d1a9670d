"""Packages of Debian that are not installed: unpacked into a folder, and loaded by the tests that name them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from . import ROOT


def unpacked(*packages: str) -> Path:
    """The folder into which these packages are unpacked; the test is skipped where there is no apt-get."""
    if shutil.which("apt-get") is None:
        pytest.skip(f"there is no apt-get here to fetch {' and '.join(packages)} with")
    fetched = subprocess.run([ROOT / "scripts" / "fetch-debs", *packages], capture_output=True, text=True, check=False)
    assert fetched.returncode == 0, fetched.stderr
    return Path(fetched.stdout.strip())
