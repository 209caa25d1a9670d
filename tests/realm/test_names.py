"""What is read beside the principal: when the ticket ends, and the user's local name."""

from __future__ import annotations

import ctypes
import dataclasses
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

from async_kerberos import Denied, Identity, Kerberos, Outcome, Reason, TicketDetails, WorkerLimits
from async_kerberos._gss import libkrb5, names
from async_kerberos._gss.names import local_name
from async_kerberos._gss.steps import AcquireError
from async_kerberos.testing import Realm, User

from ..support import HOSTNAME
from ..support.asking import accepted, auth_request, denied, found, identity_of, reply_of
from ..support.crossing import Crossing
from ..support.held import HeldCall
from ..support.initiator import KRB5, MUTUAL, ONE_WAY, SPNEGO, TWO_LEGS, Initiator, fresh, negotiate
from ..support.waiting import wait_until

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


Rules = Callable[..., Path]


@pytest.fixture
def rules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Rules:
    """Has the library read a ``krb5.conf`` with these rules, and nothing else."""
    made = 0

    def write(*rules: str, default_realm: str = "KRBTEST.COM", more: str = "") -> Path:
        nonlocal made
        made += 1
        path = tmp_path / f"krb5-{made}.conf"  # another name, for the library looks at a file's time alone
        lines = "".join(f"\t\tauth_to_local = {rule}\n" for rule in rules)
        realm = f"[realms]\n\tKRBTEST.COM = {{\n{lines}\t}}\n"
        libdefaults = f"[libdefaults]\n\tdefault_realm = {default_realm}\n\tdns_lookup_realm = false\n"
        path.write_bytes(f"{libdefaults}{realm}{more}".encode(errors="surrogateescape"))
        monkeypatch.setenv("KRB5_CONFIG", str(path))
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
    until = identity_of(outcome).until
    assert isinstance(until, datetime)
    assert until.utcoffset() == timedelta(0)
    # Tickets are dated in whole seconds. The step may have begun in the second before the library read its clock.
    assert int(begun) - 1 + 60 <= until.timestamp() <= time.time() + 60
    kerberos.close()


def test_ticket_that_has_ended(realm: Realm, signed_in: User, tmp_path: Path) -> None:
    """A ticket that the clock skew alone keeps alive has ended, and the identity says so."""
    user = dataclasses.replace(signed_in, ccache=tmp_path / "ccache")
    lifetime = 6  # seconds: a ticket for the service has to be had meanwhile
    user.kinit(lifetime=timedelta(seconds=lifetime))
    header = fresh(ccache=user.ccache)
    over = time.time() + lifetime + 1  # tickets are dated in whole seconds
    wait_until(lambda: time.time() > over, "the ticket's time is over")
    identity = identity_of(Kerberos(hostname=HOSTNAME).authenticate_blocking(auth_request((header,))))
    assert identity.until is not None
    assert identity.until.timestamp() < time.time() < identity.until.timestamp() + 60


@pytest.mark.usefixtures("signed_in")
@pytest.mark.parametrize("skew", [0, 60, 299.5])
def test_clock_skew(skew: float) -> None:
    """The option is what is taken off the lifetime that the library tells."""

    def until(kerberos: Kerberos) -> float:
        identity = identity_of(kerberos.authenticate_blocking(auth_request((fresh(),))))
        assert identity.until is not None
        return identity.until.timestamp()

    # A step may begin in the second before the library reads its clock.
    assert (
        abs(until(Kerberos(hostname=HOSTNAME, clock_skew=skew)) - until(Kerberos(hostname=HOSTNAME)) - 300 + skew) <= 1
    )


# --- The library's rules


class _Buffer(ctypes.Structure):
    _fields_ = (("length", ctypes.c_size_t), ("value", ctypes.c_void_p))


def gss_localname(principal: str) -> bytes | None:
    """What GSSAPI itself says; None for a status that is not "complete"."""
    library = ctypes.CDLL(gssapi.raw.names.__file__)
    text, minor, name, account = principal.encode(), ctypes.c_uint32(), ctypes.c_void_p(), _Buffer()
    given = _Buffer(len(text), ctypes.cast(ctypes.c_char_p(text), ctypes.c_void_p))
    kind = ctypes.c_void_p.in_dll(library, "GSS_KRB5_NT_PRINCIPAL_NAME")
    minor_at, name_at, account_at = map(ctypes.byref, (minor, name, account))
    assert library.gss_import_name(minor_at, ctypes.byref(given), kind, name_at) == 0
    status = library.gss_localname(minor_at, name, None, account_at)
    told = None if status else ctypes.string_at(account.value or 0, account.length)
    library.gss_release_buffer(minor_at, account_at)
    library.gss_release_name(minor_at, name_at)
    return told


ALL_OF_OTHER = r"RULE:[1:$1@$0](.*@OTHER)s/@.*//"


@pytest.mark.parametrize(
    ("given", "principal", "name"),
    [
        ([], "alice@KRBTEST.COM", "alice"),
        ([], "alice/admin@KRBTEST.COM", None),
        ([], "alice@OTHER", None),
        ([], "root@OTHER", None),
        ([], r"al\/ice@KRBTEST.COM", "al/ice"),
        ([], "\xe4lice@KRBTEST.COM", "\xe4lice"),
        ([], "WELLKNOWN/ANONYMOUS@WELLKNOWN:ANONYMOUS", None),
        ([ALL_OF_OTHER, "DEFAULT"], "alice@KRBTEST.COM", "alice"),
        ([ALL_OF_OTHER, "DEFAULT"], "alice@THIRD", None),
        # What the manual warns of.
        ([ALL_OF_OTHER, "DEFAULT"], "root@OTHER", "root"),
        ([ALL_OF_OTHER], "alice@KRBTEST.COM", None),
        ([r"RULE:[2:$1;$2](.*;admin)s/;/-/"], "alice/admin@KRBTEST.COM", "alice-admin"),
    ],
)
def test_rules(rules: Rules, given: list[str], principal: str, name: str | None) -> None:
    """A local name is what GSSAPI makes of the principal by the rules of the host."""
    rules(*given)
    assert local_name(principal) == name
    assert gss_localname(principal) == (None if name is None else name.encode())


def test_not_a_part_of_the_name(rules: Rules) -> None:
    """Of a principal with a NUL in it, the library would take what stands before it."""
    rules(ALL_OF_OTHER, "DEFAULT")
    for principal in (r"root\0x@KRBTEST.COM", r"root\0x@OTHER", r"alice@KRBTEST.COM\0X", "root\0x@OTHER"):
        assert local_name(principal) is None
    assert gss_localname(r"root\0x@KRBTEST.COM") == b"root"
    assert local_name(r"root\\0x@KRBTEST.COM") == r"root\0x"  # a backslash, and then the digit


def test_empty_name(rules: Rules) -> None:
    """A rule that leaves nothing of a name gives none."""
    rules(r"RULE:[1:$1@$0](alice@.*)s/.*//", "DEFAULT")
    assert local_name("alice@KRBTEST.COM") is None
    assert local_name("bob@KRBTEST.COM") == "bob"


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (["NONSENSE"], "auth_to_local, or auth_to_local_names: Improper format of Kerberos configuration file"),
        (["RULE:[1:$1@$0](.*s/@.*//"], "auth_to_local, or auth_to_local_names: Improper format"),
        (["RULE:[1:$1](alice)s/alice/al\udce9/"], "makes of alice@KRBTEST.COM a name that is not UTF-8"),
    ],
)
def test_rules_that_cannot_be_used(rules: Rules, given: list[str], told: str) -> None:
    """A rule that is wrong is told, and no user without a name, which GSSAPI would say."""
    path = rules(*given)
    with pytest.raises(AcquireError, match=told) as raised:
        local_name("alice@KRBTEST.COM")
    assert raised.value.reason is Reason.KRB5_CONF
    assert str(raised.value).startswith(f"{path}: ")


def test_unusable_configuration(rules: Rules) -> None:
    """Nor is anybody without a name where the library cannot read its configuration."""
    path = rules(more="[capaths\n")
    with pytest.raises(AcquireError, match=f"{path}: ") as raised:
        local_name("alice@KRBTEST.COM")
    assert raised.value.reason is Reason.KRB5_CONF


def test_error_of_the_library(rules: Rules, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor where the library fails, or cannot be called."""
    rules()
    too_long = "x" * 10_000
    with pytest.raises(AcquireError, match="Insufficient space to return complete information") as raised:
        local_name(f"{too_long}@KRBTEST.COM")
    assert raised.value.reason is Reason.SERVER_FAULT
    monkeypatch.setattr(libkrb5, "loaded_library", lambda: None)
    with pytest.raises(AcquireError, match="MIT's library cannot be called") as raised:
        local_name("alice@KRBTEST.COM")
    assert raised.value.reason is Reason.SERVER_FAULT


def test_threads(rules: Rules) -> None:
    """Many threads that ask at once each get the name of the user whom they ask for."""
    rules(ALL_OF_OTHER, "DEFAULT")
    asked = [(f"user{number}@{realm}", realm) for number in range(1000) for realm in ("KRBTEST.COM", "OTHER", "THIRD")]
    start = threading.Barrier(8)

    def ask(_: int) -> list[str | None]:
        start.wait(timeout=30)
        return [local_name(principal) for principal, _ in asked]

    expected = [None if realm == "THIRD" else principal.partition("@")[0] for principal, realm in asked]
    with ThreadPoolExecutor(8) as pool:
        assert all(names == expected for names in pool.map(ask, range(8)))


# --- In a sign-in


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.usefixtures("signed_in")
def test_read_where_it_is_asked_for(door: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The name is read in the step, on its thread, and only by the service that asks for it."""
    threads: list[int] = []

    def account_of(principal: str) -> bytes | None:
        threads.append(threading.get_ident())
        return libkrb5.account_of(principal)

    monkeypatch.setattr(names, "account_of", account_of)
    asking, other = Kerberos(hostname=HOSTNAME, details=LOCAL), Kerberos(hostname=HOSTNAME)
    identity = identity_of(decide(other, door, fresh()))
    assert (identity.details, threads) == ({}, [])
    with pytest.raises(AttributeError, match=r"give Kerberos details=TicketDetails\(local_name=True\)"):
        _ = identity.local_name
    identity = identity_of(decide(asking, door, fresh()))
    assert identity.local_name == "al"  # by the realm's rules
    assert len(threads) == 1
    assert (threads[0] == threading.get_ident()) == (door == "thread")
    asking.close()
    other.close()


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.usefixtures("signed_in")
def test_rules_of_the_host(rules: Rules, door: str, caplog: pytest.LogCaptureFixture) -> None:
    """A user has the name that the rules give, none where they give none, and is refused where they are wrong."""
    header, again, third = fresh(), fresh(), fresh()
    kerberos = Kerberos(hostname=HOSTNAME, details=LOCAL)
    rules("RULE:[1:$1](alice)s/alice/wonderland/")
    assert identity_of(decide(kerberos, door, header)).local_name == "wonderland"
    rules("RULE:[1:$1](bob)")
    assert identity_of(decide(kerberos, door, again)).local_name is None
    path = rules("NONSENSE")
    outcome = denied(decide(kerberos, door, third))
    assert (outcome.status, outcome.reason, outcome.body) == (500, Reason.KRB5_CONF, b"Internal Server Error")
    assert f"{path}: a rule of auth_to_local" in caplog.text
    kerberos.close()


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.usefixtures("signed_in")
def test_username(rules: Rules, door: str, caplog: pytest.LogCaptureFixture) -> None:
    """With the local name for its name, a user without one is refused."""
    header, again = fresh(), fresh()
    kerberos = Kerberos(hostname=HOSTNAME, details=LOCAL, username="local_name")
    rules("RULE:[1:$1](alice)s/alice/wonderland/")
    first = accepted(decide(kerberos, door, header))
    assert (first.username, identity_of(first).principal) == ("wonderland", "alice@KRBTEST.COM")
    assert accepted(decide(kerberos, door, header, earlier=first)).username == "wonderland"
    rules("RULE:[1:$1](bob)")
    outcome = denied(decide(kerberos, door, again))
    assert (outcome.status, outcome.reason) == (403, Reason.NOT_AUTHORISED)
    assert "alice@KRBTEST.COM has no local name: no rule of auth_to_local" in caplog.text
    kerberos.close()


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.usefixtures("signed_in")
def test_user_of_another_realm(crossing: Crossing, rules: Rules, door: str) -> None:
    """Alice of another realm is nobody here, or whom a rule makes of her: an operator, say."""
    trusting = "[capaths]\n\tONE.TEST = {\n\t\tTHREE.TEST = TWO.TEST\n\t}\n"
    kerberos = Kerberos(hostname=HOST, details=LOCAL, username="local_name")
    rules("DEFAULT", more=trusting)
    outcome = denied(decide(kerberos, door, crossing.fresh()))
    assert (outcome.status, outcome.reason) == (403, Reason.NOT_AUTHORISED)
    rules(r"RULE:[1:$1@$0](alice@ONE\.TEST)s/.*/operator/", "DEFAULT", more=trusting)
    entered = accepted(decide(kerberos, door, crossing.fresh()))
    identity = identity_of(entered)
    assert (entered.username, identity.local_name, identity.realm) == ("operator", "operator", "ONE.TEST")
    kerberos.close()


@pytest.mark.parametrize("door", DOORS)
def test_name_that_is_no_user(door: str, caplog: pytest.LogCaptureFixture) -> None:
    """A name with control characters does not get into a variable, or a header."""
    kerberos = Kerberos(hostname=HOSTNAME, details=LOCAL, username="local_name")
    identity = Identity(r"a\nb@X", details={"local_name": "a\nb"})
    header = negotiate(b"\x60")
    outcome = denied(decide(kerberos, door, header, earlier=found(identity, (), kerberos, (header,))))
    assert (outcome.status, outcome.reason) == (403, Reason.NOT_AUTHORISED)
    assert r"has characters that no name has, 'a\nb'" in caplog.text


def test_no_default_realm(rules: Rules, caplog: pytest.LogCaptureFixture) -> None:
    """Without a default realm there are no rules; the log says so when the application is set up."""
    rules(default_realm='""')
    Kerberos(hostname=HOSTNAME, details=LOCAL, username="local_name").log_setup()
    assert "username='local_name': krb5.conf sets no default_realm" in caplog.text


# --- After an outer check that has not read it


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.usefixtures("signed_in")
def test_outer_check_without_it(
    rules: Rules, door: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A service that takes over another's check reads what that has not read: on a worker, and by the same rules."""
    threads: list[int] = []

    def account_of(principal: str) -> bytes | None:
        threads.append(threading.get_ident())
        return libkrb5.account_of(principal)

    monkeypatch.setattr(names, "account_of", account_of)
    outer = Kerberos(hostname=HOSTNAME)
    inner = Kerberos(hostname=HOSTNAME, details=LOCAL, username="local_name")
    first = accepted(decide(outer, door, header := fresh()))
    second = accepted(decide(inner, door, header, earlier=first))
    assert (second.username, identity_of(second).local_name) == ("al", "al")
    assert (second.identity, identity_of(second).until) == (first.identity, identity_of(first).until)
    assert len(threads) == 1
    assert (threads[0] == threading.get_ident()) == (door == "thread")
    # What was read by the outer check is not read again.
    first = accepted(decide(Kerberos(hostname=HOSTNAME, details=LOCAL), "thread", header := fresh()))
    assert accepted(decide(inner, door, header, earlier=first)).username == "al"
    assert len(threads) == 2
    # Nobody without a name, and nobody where the rules are wrong.
    first = accepted(decide(outer, door, header := fresh()))
    rules("RULE:[1:$1](bob)")
    assert denied(decide(inner, door, header, earlier=first)).reason is Reason.NOT_AUTHORISED
    rules("NONSENSE")
    assert denied(decide(inner, door, header, earlier=first)).reason is Reason.KRB5_CONF
    assert "a rule of auth_to_local" in caplog.text
    outer.close()
    inner.close()


@pytest.mark.parametrize("door", ["asyncio", "trio"])
@pytest.mark.usefixtures("signed_in")
def test_library_that_takes_long(door: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the library does not tell the name in time, the answer is 503, as for a step that takes too long."""
    first = accepted(decide(Kerberos(hostname=HOSTNAME), "thread", header := fresh()))
    held = HeldCall()

    def account_of(_: str) -> bytes:
        return str(held()).encode()

    monkeypatch.setattr(names, "account_of", account_of)
    kerberos = Kerberos(hostname=HOSTNAME, details=LOCAL, workers=WorkerLimits(threads=1, seconds=0.5))
    outcome = denied(decide(kerberos, door, header, earlier=first))
    held.release()
    assert (outcome.status, outcome.reason) == (503, Reason.TIMED_OUT)
    kerberos.close()
