"""Plug-ins for MIT krb5."""

from __future__ import annotations

from pathlib import Path

import pytest

from ..support.debs import unpacked


@pytest.fixture(scope="session")
def plugins() -> Path:
    """Where ``gssntlmssp/gssntlmssp.so``, ``krb5/plugins/preauth/pkinit.so`` and libraries that they need are."""
    (folder,) = unpacked("gss-ntlmssp", "krb5-pkinit").glob("usr/lib/*-linux-*")
    return folder
