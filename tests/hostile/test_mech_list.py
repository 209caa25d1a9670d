"""Lists of mechanisms that MIT krb5 1.20.1 reads beyond its memory for, or computes on for seconds."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from ..support import ROOT
from ..support.initiator import KRB5, SPNEGO, negotiate
from ..support.tokens import der, oid, wrap

# On a worker thread: its memory ends sooner than the main thread's.
PROGRAM = """
import asyncio, sys
from async_kerberos import AuthRequest, Kerberos
request = AuthRequest({"authorization": [sys.stdin.read()]})
outcome = asyncio.run(Kerberos(hostname="www.example.test").authenticate(request))
print(outcome.status, outcome.reason.name)
"""


@pytest.mark.usefixtures("www")
@pytest.mark.parametrize(
    "mechanisms",
    [
        der(0x06) * 8000 + oid(KRB5),
        b"\x06\x81\x00" * 8000 + oid(KRB5),
        der(0x06) * 30_000 + oid(KRB5),
        oid(KRB5) + der(0x06, b"\x2a") * 21_000,
    ],
    ids=["empty", "empty-not-der", "empty-and-long", "long"],
)
def test_survived(mechanisms: bytes) -> None:
    """The process goes on, and the token is malformed."""
    token = wrap(SPNEGO, der(0xA0, der(0x30, der(0xA0, der(0x30, mechanisms)))))
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        input=negotiate(token),
        env=os.environ,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (0, "403 MALFORMED\n"), done.stderr
