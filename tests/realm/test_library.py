"""The library below python-gssapi: another than MIT's is refused where a ``Kerberos`` is built."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]

# What python-gssapi lacks when it is compiled with Heimdal (7.8, tried): it takes the extensions that can be imported.
_LACKS = ("gssapi.raw.ext_cred_store", "gssapi.raw.ext_rfc4178")

_PROGRAM = """
import sys
for name in sys.argv[1:]:
    sys.modules[name] = None
import async_kerberos
from async_kerberos.adapters.asgi import KerberosMiddleware
for build in (async_kerberos.Kerberos, lambda: KerberosMiddleware(None, hostname="www.example.test")):
    try:
        build()
    except async_kerberos.ConfigurationError as error:
        print(error.option, error)
"""


@pytest.mark.parametrize("lacks", [_LACKS, _LACKS[:1], _LACKS[1:], ()])
def test_another_library(lacks: tuple[str, ...]) -> None:
    """Without what MIT's library has, a ``Kerberos`` cannot be built, and the error says what is needed."""
    command = [sys.executable, "-c", _PROGRAM, *lacks]
    result = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, check=True, timeout=60)
    said = result.stdout.splitlines()
    if not lacks:
        assert said == []
        return
    assert len(said) == 2
    for line in said:
        assert line.startswith("gssapi gssapi: needs MIT's Kerberos library")
