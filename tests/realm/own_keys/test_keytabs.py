"""The service's own keys, from keytabs as people have them: who gets in, by which key, under which name."""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path
from typing import Any

import pytest

from async_kerberos import Accepted, Denied, Kerberos, Outcome, Reason
from async_kerberos._gss.keytab import Entry
from async_kerberos.testing import Realm, Service

from ...support.asking import auth_request
from ...support.initiator import KRB5, SPNEGO, TWO_LEGS, Initiator, fresh, negotiate, reply_token
from ...support.keytabs import entries_of, renamed, written
from .conftest import HOST, PRINCIPAL, ask, served_as

pytestmark = pytest.mark.usefixtures("signed_in")

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


@pytest.mark.parametrize("hostname", ["*", ["a.realm.test", "b.realm.test"]], ids=["any", "several"])
def test_alias(make: Any, service: Service, hostname: Any) -> None:
    """Who asks for another name of the account gets in by its newest key, however many old ones there are."""
    ours = entries_of(service.keytab)
    versions = [Entry((), "", 1, each.encryption_type, os.urandom(len(each.key))) for _ in range(9) for each in ours]
    entries = [
        renamed(entry, f"HTTP/{name}.realm.test@KRBTEST.COM", number)
        for number, entry in enumerate([*versions, *ours])
        for name in "ab"
    ]
    assert served_as(ask(make(entries, hostname))) == "HTTP/a.realm.test@KRBTEST.COM"


@HOSTNAMES
def test_renamed_realm(make: Any, service: Service, hostname: Any) -> None:
    """Where a ticket's realm goes by another name in the keytab, and others have keys there, the key decides."""
    others = [
        Entry(("HTTP", HOST), "A.TEST", 1, each.encryption_type, each.key[::-1]) for each in entries_of(service.keytab)
    ]
    ours = [renamed(entry, f"HTTP/{HOST}@B.TEST") for entry in entries_of(service.keytab)]
    assert served_as(ask(make([*others, *ours], hostname))) == f"HTTP/{HOST}@B.TEST"


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
    """What stands in the clear proves nothing: the key does, and names the service that it is configured as.

    A name of ours that has another key opens nothing, and of two names with one key a client may choose.
    """
    ours = entries_of(service.keytab)
    same = [renamed(entry, "HTTP/oth.realm.test@KRBTEST.COM") for entry in ours]
    another = [
        Entry(("HTTP", "new.realm.test"), "KRBTEST.COM", 1, each.encryption_type, os.urandom(len(each.key)))
        for each in ours
    ]
    kerberos: Kerberos = make([*ours, *same, *another], hostname)

    def named(name: str) -> Outcome:
        token = Initiator(f"HTTP@{HOST}", mech=mech).step()
        changed = token.replace(HOST.encode(), name.encode())
        assert changed != token or name == HOST
        return kerberos.authenticate_blocking(auth_request((negotiate(changed),)))

    assert served_as(named(HOST)) == PRINCIPAL
    assert served_as(named("cif.realm.test")) == PRINCIPAL
    if hostname == "*":
        assert served_as(named("oth.realm.test")) == "HTTP/oth.realm.test@KRBTEST.COM"
        refused = named("new.realm.test")
        assert isinstance(refused, Denied)
        assert refused.status == 403
    else:
        assert served_as(named("oth.realm.test")) == served_as(named("new.realm.test")) == PRINCIPAL


@HOSTNAMES
@pytest.mark.parametrize("mech", [SPNEGO, KRB5])
def test_two_legs(make: Any, service: Service, hostname: Any, mech: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """An exchange of two legs goes on with the keys that it began with, though they have gone meanwhile."""
    kerberos = make(entries_of(service.keytab), hostname)
    monkeypatch.setattr("async_kerberos._gss.keyring._FRESH_SECONDS", 0.0)
    initiator = Initiator(f"HTTP@{HOST}", flags=TWO_LEGS, mech=mech)
    peer = ("192.0.2.9", 40_000)
    first = kerberos.authenticate_blocking(auth_request((initiator.header,), peer))
    assert isinstance(first, Denied)
    token = reply_token([value for name, value in first.headers if name == "WWW-Authenticate"])
    kerberos.keytab.write_bytes(written([Entry(("HTTP", HOST), "KRBTEST.COM", 9, 18, os.urandom(32))]))
    second = kerberos.authenticate_blocking(auth_request((negotiate(initiator.step(token)),), peer))
    assert served_as(second) == PRINCIPAL


def test_two_legs_with_other_keys(make: Any, service: Service, imap: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """The key of the first leg says which service it is, also where the second one is taken by other credentials."""
    monkeypatch.setattr("async_kerberos._gss.keyring._FRESH_SECONDS", 0.0)
    entries = [*entries_of(imap.keytab), *entries_of(service.keytab)]
    kerberos: Kerberos = make(entries, "*")
    keytab, good = Path(str(kerberos.keytab)), written(entries)
    # What is no text is nothing to the library.
    strange = written([Entry(("nfs", "????"), "KRBTEST.COM", 1, 18, os.urandom(32))])[2:].replace(b"????", b"\xff" * 4)
    for target, expected in ((f"imap@{HOST}", None), (f"HTTP@{HOST}", PRINCIPAL)):
        keytab.write_bytes(good + strange)
        initiator = Initiator(target, flags=TWO_LEGS)
        peer = ("192.0.2.9", 40_000)
        first = kerberos.authenticate_blocking(auth_request((initiator.header,), peer))
        assert isinstance(first, Denied)
        assert first.reason is Reason.CONTINUE
        token = reply_token([value for name, value in first.headers if name == "WWW-Authenticate"])
        keytab.write_bytes(good)
        second = kerberos.authenticate_blocking(auth_request((negotiate(initiator.step(token)),), peer))
        if expected is None:
            assert isinstance(second, Denied)
            assert second.reason is Reason.WRONG_SERVICE
        else:
            assert served_as(second) == expected
        # From here on there are keys of the service's own, which would stay in force.
        kerberos = make(entries, "*")
        keytab = Path(str(kerberos.keytab))


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


@HOSTNAMES
def test_account_name(make: Any, service: Service, hostname: Any, caplog: pytest.LogCaptureFixture) -> None:
    """A keytab with an account's own name has no key of the service; the log tells what is in it, and what to do."""
    entries = [renamed(entry, "WEB$@KRBTEST.COM") for entry in entries_of(service.keytab)]
    kerberos = make(entries, hostname)
    outcome = ask(kerberos)
    assert isinstance(outcome, Denied)
    assert (outcome.status, outcome.reason) == (500, Reason.MISCONFIGURED)
    asked = "HTTP/*" if hostname == "*" else f"HTTP/{HOST}"
    assert f"keytab {kerberos.keytab}: it has keys of WEB$@KRBTEST.COM; these are names of accounts" in caplog.text
    assert f"`ktpass -princ {asked}@REALM -mapuser ACCOUNT ...`" in caplog.text
    assert Reason.MISCONFIGURED.remedy in caplog.text


@HOSTNAMES
def test_realms(make: Any, service: Service, hostname: Any, tmp_path: Path) -> None:
    """A service that has keys in several realms is served in each, as the principal there."""
    with Realm(name="OTHER.TEST") as other:
        theirs = other.service(f"HTTP/{HOST}", keytab=tmp_path / "other.keytab")
        with other.environ(other.user("bob")):
            token = fresh(f"HTTP@{HOST}")
        for entries in ([service, theirs], [theirs, service]):
            kerberos = make([entry for its in entries for entry in entries_of(its.keytab)], hostname)
            assert served_as(ask(kerberos)) == PRINCIPAL
            outcome = kerberos.authenticate_blocking(auth_request((token,)))
            if entries[0] is service:
                assert served_as(outcome) == f"HTTP/{HOST}@OTHER.TEST"
                assert isinstance(outcome, Accepted)
                assert outcome.principal == "bob@OTHER.TEST"
            else:
                assert isinstance(outcome, Denied)
                assert outcome.reason is Reason.REPLAY


@HOSTNAMES
def test_ignored_hostname(
    make: Any, realm: Realm, service: Service, hostname: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``ignore_acceptor_hostname`` in krb5.conf changes nothing: the names are those that are configured."""
    configuration = tmp_path / "krb5.conf"
    configuration.write_text("[libdefaults]\n\tignore_acceptor_hostname = true\n")
    monkeypatch.setenv("KRB5_CONFIG", f"{configuration}:{os.environ['KRB5_CONFIG']}")
    name = {HOST: "one", "*": "any"}.get(str(hostname), "several")
    second = realm.service(f"HTTP/{name}.ignored.test", keytab=tmp_path / "second")
    kerberos = make([*entries_of(second.keytab), *entries_of(service.keytab)], hostname)
    assert served_as(ask(kerberos)) == PRINCIPAL
    outcome = ask(kerberos, second.principal)
    if hostname == "*":
        assert served_as(outcome) == second.principal
    else:
        assert isinstance(outcome, Denied)
        assert outcome.reason is Reason.WRONG_SERVICE


def test_large(make: Any, service: Service, imap: Service, caplog: pytest.LogCaptureFixture) -> None:
    """Of a keytab that is larger than what is read for a message, the log tells what it does of a small one."""
    caplog.set_level(logging.INFO, "async_kerberos")
    others = [Entry(("nfs", f"n{number}.realm.test"), "KRBTEST.COM", 1, 18, os.urandom(32)) for number in range(10_000)]
    kerberos = make([*others, *entries_of(imap.keytab), *entries_of(service.keytab)])
    assert kerberos.keytab.stat().st_size > 600_000
    kerberos.log_setup()
    assert caplog.messages == [f"Kerberos: server is {PRINCIPAL}"]
    outcome = ask(kerberos, f"imap@{HOST}")
    assert isinstance(outcome, Denied)
    assert outcome.reason is Reason.WRONG_SERVICE
    absent = make([*others, *entries_of(service.keytab)], "absent.realm.test")
    outcome = ask(absent)
    assert isinstance(outcome, Denied)
    assert f"no key for HTTP/absent.realm.test; keytab {absent.keytab}: it has keys of nfs/n0." in caplog.text
    assert " and 9998 more" in caplog.text
