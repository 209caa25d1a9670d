"""The service's own keys, from keytabs as people have them: who gets in, by which key, under which name."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from async_kerberos import Accepted, Denied, Kerberos, Outcome, Reason
from async_kerberos._gss.keytab import Entry
from async_kerberos.testing import Realm, Service

from ..support.asking import auth_request
from ..support.initiator import KRB5, SPNEGO, TWO_LEGS, Initiator, fresh, negotiate, reply_token
from ..support.keytabs import entries_of, renamed, written

HOST = "own.realm.test"
PRINCIPAL = f"HTTP/{HOST}@KRBTEST.COM"

pytestmark = pytest.mark.usefixtures("signed_in")


@pytest.fixture(scope="module")
def service(realm: Realm, tmp_path_factory: pytest.TempPathFactory) -> Service:
    """A service with a keytab of its own."""
    return realm.service(f"HTTP/{HOST}", keytab=tmp_path_factory.mktemp("own") / "keytab")


@pytest.fixture(scope="module")
def imap(realm: Realm, tmp_path_factory: pytest.TempPathFactory) -> Service:
    """Another service of the same host."""
    return realm.service(f"imap/{HOST}", keytab=tmp_path_factory.mktemp("imap") / "keytab")


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Kerberos]]:
    """Makes a service of a list of entries."""
    made: list[Kerberos] = []

    def make(entries: Any, hostname: Any = HOST, **options: Any) -> Kerberos:
        keytab = tmp_path / f"keytab{len(made)}"
        keytab.write_bytes(written(entries))
        made.append(Kerberos(hostname=hostname, keytab=keytab, **options))
        return made[-1]

    yield make
    for kerberos in made:
        kerberos.close()


def ask(kerberos: Kerberos, target: str = f"HTTP@{HOST}") -> Outcome:
    return kerberos.authenticate_blocking(auth_request((fresh(target),)))


def served_as(outcome: Outcome) -> str:
    assert isinstance(outcome, Accepted), outcome
    return outcome.identity.service_principal


HOSTNAMES = pytest.mark.parametrize("hostname", [HOST, [HOST, "other.realm.test"], "*"], ids=["one", "several", "any"])


@HOSTNAMES
@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("other", ["host", "cifs"])
def test_shared_key(make: Any, service: Service, hostname: Any, first: bool, other: str) -> None:
    """One key under several names, as an account of Active Directory's has: the order of the entries is nothing."""
    ours = entries_of(service.keytab)
    theirs = [renamed(entry, f"{other}/{HOST}@KRBTEST.COM") for entry in ours]
    kerberos = make([*theirs, *ours] if first else [*ours, *theirs], hostname)
    assert served_as(ask(kerberos)) == PRINCIPAL


@HOSTNAMES
def test_case(make: Any, service: Service, hostname: Any) -> None:
    """Letters' case in the keytab is nothing; the principal is spelled as it is configured, or as in the keytab."""
    entries = [renamed(entry, "HTTP/OWN.Realm.Test@KRBTEST.COM") for entry in entries_of(service.keytab)]
    expected = "HTTP/OWN.Realm.Test@KRBTEST.COM" if hostname == "*" else PRINCIPAL
    assert served_as(ask(make(entries, hostname))) == expected


@HOSTNAMES
@pytest.mark.parametrize("version", [0, 1, 255, 300, 70_000])
def test_version(make: Any, service: Service, hostname: Any, version: int) -> None:
    """The key counts, and not the number that the keytab gives it."""
    entries = [renamed(entry, PRINCIPAL, version) for entry in entries_of(service.keytab)]
    assert served_as(ask(make(entries, hostname))) == PRINCIPAL


@HOSTNAMES
def test_holes_and_order(make: Any, service: Service, hostname: Any) -> None:
    """Entries that were removed, other realms' and other keys' stand beside ours, in any order."""
    ours = entries_of(service.keytab)
    others: list[Entry | int] = []
    for number in range(20):
        others += [Entry(("HTTP", f"n{number}.realm.test"), "OTHER.TEST", 1, 18, os.urandom(32)), number + 1]
    foreign = [renamed(Entry((), "", 1, 18, os.urandom(32)), f"HTTP/{HOST}@OTHER.TEST")]
    for entries in ([*others, *foreign, *ours], [*ours, *others, *foreign], [*foreign, *reversed(ours), *others]):
        assert served_as(ask(make(entries, hostname))) == PRINCIPAL


@HOSTNAMES
def test_other_services(make: Any, service: Service, imap: Service, hostname: Any) -> None:
    """A ticket for another service, or another host, whose key is in the keytab opens nothing."""
    kerberos = make([*entries_of(imap.keytab), *entries_of(service.keytab)], hostname)
    outcome = ask(kerberos, f"imap@{HOST}")
    assert isinstance(outcome, Denied)
    assert (outcome.status, outcome.reason) == (403, Reason.WRONG_SERVICE)


@HOSTNAMES
@pytest.mark.parametrize("mech", [SPNEGO, KRB5])
def test_rewritten_name(make: Any, service: Service, hostname: Any, mech: Any) -> None:
    """What stands in the clear proves nothing: the key does, and names the service that it is configured as."""
    token = Initiator(f"HTTP@{HOST}", mech=mech).step()
    entries = [*entries_of(service.keytab), renamed(entries_of(service.keytab)[0], "HTTP/else.realm.test@KRBTEST.COM")]
    for name in (b"cif.realm.test", b"oth.realm.test"):
        kerberos = make(entries, hostname)
        changed = token.replace(HOST.encode(), name)
        assert changed != token
        outcome = kerberos.authenticate_blocking(auth_request((negotiate(changed),)))
        assert isinstance(outcome, Denied) or served_as(outcome) == PRINCIPAL
        token = Initiator(f"HTTP@{HOST}", mech=mech).step()


@HOSTNAMES
@pytest.mark.parametrize("mech", [SPNEGO, KRB5])
def test_two_legs(make: Any, service: Service, hostname: Any, mech: Any) -> None:
    """An exchange of two legs goes on with the keys that it began with, though they have gone meanwhile."""
    kerberos = make(entries_of(service.keytab), hostname)
    initiator = Initiator(f"HTTP@{HOST}", flags=TWO_LEGS, mech=mech)
    peer = ("192.0.2.9", 40_000)
    first = kerberos.authenticate_blocking(auth_request((initiator.header,), peer))
    assert isinstance(first, Denied)
    token = reply_token([value for name, value in first.headers if name == "WWW-Authenticate"])
    second = kerberos.authenticate_blocking(auth_request((negotiate(initiator.step(token)),), peer))
    assert served_as(second) == PRINCIPAL


@HOSTNAMES
def test_many(make: Any, service: Service, hostname: Any) -> None:
    """Ten thousand other keys make an accept no dearer."""
    ours = entries_of(service.keytab)
    others = [
        Entry(("HTTP", f"n{number}.realm.test"), "KRBTEST.COM", 1, 18, os.urandom(32)) for number in range(10_000)
    ]
    few, many = make(ours, hostname), make([*others, *ours], hostname)
    seconds: dict[Kerberos, list[float]] = {few: [], many: []}
    for kerberos in (few, many):
        assert served_as(ask(kerberos)) == PRINCIPAL
    for _ in range(40):
        for kerberos, took in seconds.items():
            request = auth_request((fresh(f"HTTP@{HOST}"),))
            begun = time.thread_time()
            outcome = kerberos.authenticate_blocking(request)
            took.append(time.thread_time() - begun)
            assert served_as(outcome) == PRINCIPAL
    assert sorted(seconds[many])[20] < 1.5 * sorted(seconds[few])[20]


def test_account_name(make: Any, service: Service) -> None:
    """A keytab with the account's own name has no key of the service, and the log tells what is in it."""
    entries = [renamed(entry, "WEB$@KRBTEST.COM") for entry in entries_of(service.keytab)]
    outcome = ask(make(entries))
    assert isinstance(outcome, Denied)
    assert (outcome.status, outcome.reason) == (500, Reason.MISCONFIGURED)


def test_rotation(
    service: Service, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A keytab that is another one counts a second later; what is gone, or broken, for a moment changes nothing."""
    caplog.set_level(logging.INFO, "async_kerberos")
    keytab, good = tmp_path / "keytab", service.keytab.read_bytes()
    keytab.write_bytes(good)
    monkeypatch.setattr("async_kerberos._gss.keyring._GRACE_SECONDS", 3.0)
    kerberos = Kerberos(hostname=HOST, keytab=keytab)
    assert served_as(ask(kerberos)) == PRINCIPAL
    keytab.write_bytes(good[:60])
    time.sleep(1.1)
    assert served_as(ask(kerberos)) == PRINCIPAL
    assert served_as(ask(kerberos)) == PRINCIPAL
    (warning,) = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert f"keytab {keytab}: " in warning.getMessage()
    time.sleep(3.1)
    outcome = ask(kerberos)
    assert isinstance(outcome, Denied)
    assert outcome.reason is Reason.MISCONFIGURED
    keytab.write_bytes(good)
    time.sleep(1.1)
    assert served_as(ask(kerberos)) == PRINCIPAL
    # An entry that is removed is gone.
    stranger = [
        Entry(("HTTP", HOST), "KRBTEST.COM", 1, entry.encryption_type, os.urandom(len(entry.key)))
        for entry in entries_of(service.keytab)
    ]
    keytab.write_bytes(written(stranger))
    time.sleep(1.1)
    outcome = ask(kerberos)
    assert isinstance(outcome, Denied)
    assert (outcome.status, outcome.reason) == (403, Reason.UNKNOWN_KEY)
    assert f"keytab {keytab} was read again: {PRINCIPAL}, kvno 1 (" in caplog.text
    for entry in entries_of(service.keytab):
        assert entry.key.hex() not in caplog.text
    kerberos.close()


def test_rotation_under_load(service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the keytab is rewritten again and again, no request of four threads is refused."""
    monkeypatch.setattr("async_kerberos._gss.keyring._FRESH_SECONDS", 0.0)
    keytab, ours = tmp_path / "keytab", entries_of(service.keytab)
    keytab.write_bytes(written(ours))
    kerberos = Kerberos(hostname=HOST, keytab=keytab)
    over = threading.Event()
    outcomes: list[Outcome] = []

    def go_on() -> None:
        while not over.is_set():
            outcomes.append(ask(kerberos))

    threads = [threading.Thread(target=go_on) for _ in range(4)]
    for thread in threads:
        thread.start()
    for number in range(100):
        more = [Entry(("HTTP", f"n{number}.realm.test"), "KRBTEST.COM", 1, 18, os.urandom(32))]
        keytab.write_bytes(written([*more, *ours]))
        time.sleep(0.02)
    over.set()
    for thread in threads:
        thread.join()
    assert len(outcomes) > 50
    assert [outcome for outcome in outcomes if not isinstance(outcome, Accepted)] == []
    kerberos.close()
