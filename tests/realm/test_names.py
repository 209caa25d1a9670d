"""What is read beside the principal: when the ticket ends, and the user's local name."""

from __future__ import annotations

import ctypes
import dataclasses
import os
import threading
import time
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import gssapi.raw.names
import pytest

from async_kerberos import Accepted, Denied, Identity, Kerberos, Outcome, Reason, TicketDetails, WorkerLimits
from async_kerberos._gss import libkrb5, names
from async_kerberos._gss.names import local_name
from async_kerberos._gss.steps import AcquireError
from async_kerberos.testing import Realm, User

from ..support import HOSTNAME
from ..support.asking import accepted, auth_request, denied, reply_of
from ..support.crossing import Crossing
from ..support.held import HeldCall
from ..support.initiator import KRB5, MUTUAL, ONE_WAY, SPNEGO, TWO_LEGS, Initiator, fresh, negotiate

HOST = "names.realm.test"

DOORS = ["asyncio", "trio", "thread"]

LOCAL = TicketDetails(local_name=True)


def decide(kerberos: Kerberos, door: str, *authorization: str, earlier: Any = None, peer: Any = None) -> Outcome:
    """The outcome of a request at one of the doors."""
    request = auth_request(authorization, peer, earlier)
    if door == "thread":
        return kerberos.authenticate_blocking(request)
    return anyio.run(kerberos.authenticate, request, backend=door)


@pytest.fixture(scope="module")
def crossing(realm: Realm) -> Generator[Crossing, None, None]:
    """Realms that somebody's tickets cross."""
    with Crossing(realm.keytab, HOST) as crossing:
        yield crossing


@pytest.fixture
def rules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Has the library read a ``krb5.conf`` with these rules, and the realm's."""
    before = os.environ["KRB5_CONFIG"] if "KRB5_CONFIG" in os.environ else ""
    made = 0

    def write(*rules: str, libdefaults: str = "default_realm = KRBTEST.COM", realm: str = "KRBTEST.COM") -> Path:
        nonlocal made
        made += 1
        path = tmp_path / f"krb5-{made}.conf"  # another name, for the library looks at a file's time alone
        lines = "".join(f"\t\tauth_to_local = {rule}\n" for rule in rules)
        path.write_text(f"[libdefaults]\n\t{libdefaults}\n[realms]\n\t{realm} = {{\n{lines}\t}}\n")
        monkeypatch.setenv("KRB5_CONFIG", f"{path}:{before}".rstrip(":"))
        return path

    return write


# --- When the ticket ends


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("mech", [SPNEGO, KRB5], ids=["spnego", "raw"])
@pytest.mark.parametrize("flags", [MUTUAL, ONE_WAY, TWO_LEGS], ids=["mutual", "one-way", "two-legs"])
def test_until(realm: Realm, signed_in: User, door: str, mech: Any, flags: int, tmp_path: Path) -> None:
    """An identity knows when the ticket ends, of whatever exchange: not when the acceptor would refuse it."""
    user = dataclasses.replace(signed_in, ccache=tmp_path / "ccache")
    begun = time.time()
    user.kinit(lifetime=timedelta(seconds=60))
    initiator = Initiator(mech=mech, flags=flags, ccache=user.ccache)
    kerberos, peer = Kerberos(hostname=HOSTNAME), ("192.0.2.1", 50000)
    outcome = decide(kerberos, door, initiator.header, peer=peer)
    while isinstance(outcome, Denied):
        assert outcome.reason is Reason.CONTINUE
        outcome = decide(kerberos, door, negotiate(initiator.step(reply_of(outcome))), peer=peer)
    until = accepted(outcome).identity.until
    assert isinstance(until, datetime)
    assert until.utcoffset() == timedelta(0)
    # Tickets are dated in whole seconds. The step may have begun in the second before the library read its clock.
    assert int(begun) - 1 + 60 <= until.timestamp() <= time.time() + 60
    kerberos.close()


def test_ticket_that_has_ended(realm: Realm, signed_in: User, tmp_path: Path) -> None:
    """A ticket that the clock skew alone keeps alive has ended, and the identity says so."""
    user = dataclasses.replace(signed_in, ccache=tmp_path / "ccache")
    user.kinit(lifetime=timedelta(seconds=1))
    header = fresh(ccache=user.ccache)
    time.sleep(2)
    identity = accepted(Kerberos(hostname=HOSTNAME).authenticate_blocking(auth_request((header,)))).identity
    assert identity.until is not None
    assert identity.until.timestamp() < time.time() < identity.until.timestamp() + 60


@pytest.mark.usefixtures("signed_in")
@pytest.mark.parametrize("skew", [0, 60, 299.5])
def test_clock_skew(skew: float) -> None:
    """The option is what is taken off the lifetime that the library tells."""

    def until(kerberos: Kerberos) -> float:
        identity = accepted(kerberos.authenticate_blocking(auth_request((fresh(),)))).identity
        assert identity.until is not None
        return identity.until.timestamp()

    # A step may begin in the second before the library reads its clock.
    assert abs(until(Kerberos(hostname=HOSTNAME, clock_skew=skew)) - until(Kerberos(hostname=HOSTNAME)) - 300 + skew) <= 1
