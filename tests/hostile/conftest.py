"""Plug-ins for MIT krb5 that are not installed: unpacked into a folder, and loaded by those who name them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def plugins() -> Path:
    """Where ``gssntlmssp/gssntlmssp.so``, ``krb5/plugins/preauth/pkinit.so`` and libraries that they need are."""
    if shutil.which("apt-get") is None:
        pytest.skip("there is no apt-get here to fetch gss-ntlmssp and krb5-pkinit with")
    fetched = subprocess.run(
        [ROOT / "scripts" / "fetch-debs", "gss-ntlmssp", "krb5-pkinit"], capture_output=True, text=True, check=False
    )
    assert fetched.returncode == 0, fetched.stderr
    (folder,) = Path(fetched.stdout.strip()).glob("usr/lib/*-linux-*")
    return folder
