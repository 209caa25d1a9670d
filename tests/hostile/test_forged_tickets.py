"""What a forged ticket costs where the keytab has many keys, beside where it has few."""

from __future__ import annotations

import os
import statistics
import time
from pathlib import Path
from typing import Any

import pytest

from async_kerberos import Kerberos
from async_kerberos._gss.keytab import Entry

from ..support import tokens
from ..support.asking import denied, token_request
from ..support.initiator import KRB5
from ..support.keytabs import written

AES256 = 18
OURS, NOT_OURS = "s0.forged.test", "elsewhere.forged.test"
ROUNDS = 150


def entries(count: int, key: bytes = b"") -> list[Entry]:
    return [
        Entry(("HTTP", f"s{number}.forged.test"), "KRBTEST.COM", 1, AES256, key or os.urandom(32))
        for number in range(count)
    ]


def seconds(kerberos: Kerberos, token: bytes) -> float:
    """The CPU of this thread that a request takes."""
    request = token_request(token)
    begun = time.thread_time()
    kerberos.authenticate_blocking(request)
    return time.thread_time() - begun


@pytest.mark.parametrize("size", [64, 47_000], ids=["small", "large"])
@pytest.mark.parametrize("shared", [False, True], ids=["many-keys", "one-key"])
@pytest.mark.parametrize(
    ("hostname", "named", "most"), [("*", NOT_OURS, 5.0), ("*", OURS, 1.1), (OURS, NOT_OURS, 1.1), (OURS, OURS, 1.1)]
)
@pytest.mark.usefixtures("realm")
def test_cost(hostname: str, named: str, most: float, shared: bool, size: int, tmp_path: Path) -> None:
    """It is tried by the keys of the one whom it names, or by eight: 600 keys make it little dearer than two."""
    key = os.urandom(32) if shared else b""
    token = tokens.neg_token_init(
        [KRB5], tokens.wrap_ap_req(tokens.ap_req_for("HTTP", named, "KRBTEST.COM", AES256, size))
    )
    services: list[Any] = []
    for count in (2, 602):
        keytab = tmp_path / str(count)
        keytab.write_bytes(written(entries(count, key)))
        services.append(Kerberos(hostname=hostname, keytab=keytab))
        assert denied(services[-1].authenticate_blocking(token_request(token))).status == 403
    rounds = [tuple(seconds(kerberos, token) for kerberos in services) for _ in range(ROUNDS)]
    # Other work on the machine only adds to a time: the better half tells what the request itself takes.
    few, many = (statistics.quantiles(times, n=4)[0] for times in zip(*rounds, strict=True))
    # Of a small one, a part of what it takes is to find a few names for the log.
    assert many / few < (most if size > 64 else max(most, 1.25)), (few, many)
