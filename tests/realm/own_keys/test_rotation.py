"""A keytab that changes while it is in use."""

from __future__ import annotations

import logging
import os
import struct
import time
from pathlib import Path

import pytest

from async_kerberos import Accepted, Denied, Kerberos, Reason
from async_kerberos._gss.keytab import Entry
from async_kerberos.testing import Service

from ...support.asking import auth_request
from ...support.initiator import fresh
from ...support.keytabs import entries_of, written
from .conftest import HOST, PRINCIPAL, ask, served_as

pytestmark = pytest.mark.usefixtures("signed_in")


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


def test_while_the_configuration_is_at_fault(service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A keytab that changes while krb5.conf is at fault counts afterwards; meanwhile no credential is freed.

    The library could not do it, and Python would write that to stderr.
    """
    keytab, good = tmp_path / "keytab", service.keytab.read_bytes()
    keytab.write_bytes(good)
    kerberos = Kerberos(hostname=HOST, keytab=keytab)
    assert served_as(ask(kerberos)) == PRINCIPAL
    tokens = [fresh(f"HTTP@{HOST}") for _ in range(2)]
    bad = tmp_path / "krb5.conf"
    bad.write_text("[libdefaults]\nthis is no relation\n")
    with monkeypatch.context() as patch:
        patch.setenv("KRB5_CONFIG", str(bad))
        keytab.write_bytes(written([Entry(("HTTP", "other.test"), "KRBTEST.COM", 1, 18, bytes(32))]))
        for token in tokens:
            time.sleep(1.1)
            outcome = kerberos.authenticate_blocking(auth_request((token,)))
            assert isinstance(outcome, Denied)
            assert outcome.reason is Reason.KRB5_CONF
    time.sleep(1.1)
    outcome = ask(kerberos)
    assert isinstance(outcome, Denied)
    assert outcome.reason is Reason.MISCONFIGURED


def test_comes_back(
    service: Service, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long nobody asks, a keytab that is gone leaves the keys before in force for a while, with one line.

    When it is back, though it is the same, there is another.
    """
    caplog.set_level(logging.INFO, "async_kerberos")
    keytab, good = tmp_path / "keytab", service.keytab.read_bytes()
    keytab.write_bytes(good)
    kerberos = Kerberos(hostname=HOST, keytab=keytab)
    assert served_as(ask(kerberos)) == PRINCIPAL
    monkeypatch.setattr("async_kerberos._gss.keyring._FRESH_SECONDS", 0.0)
    monkeypatch.setattr("async_kerberos._gss.keyring._GRACE_SECONDS", 3.0)
    time.sleep(3.1)
    keytab.unlink()
    assert served_as(ask(kerberos)) == PRINCIPAL
    assert served_as(ask(kerberos)) == PRINCIPAL
    said = f"Kerberos: keytab {keytab}: it does not exist. The keys before stay in force for 3 seconds."
    assert caplog.messages == [said]
    time.sleep(3.1)
    for _ in range(2):
        outcome = ask(kerberos)
        assert isinstance(outcome, Denied)
        assert outcome.reason is Reason.MISCONFIGURED
    caplog.clear()
    keytab.write_bytes(good)
    assert served_as(ask(kerberos)) == PRINCIPAL
    assert served_as(ask(kerberos)) == PRINCIPAL
    (message,) = caplog.messages
    assert message.startswith(f"Kerberos: keytab {keytab} was read again: {PRINCIPAL}, kvno 1 (aes256-cts")
    kerberos.close()


def test_grows(service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A keytab that is being written while it is read counts when it is whole; until then the keys before do."""
    monkeypatch.setattr("async_kerberos._gss.keyring._FRESH_SECONDS", 0.0)
    ours = written(entries_of(service.keytab))
    before = written([Entry(("HTTP", HOST), "KRBTEST.COM", 1, 18, os.urandom(32))])
    whole = before + ours[2:]
    keytab = tmp_path / "keytab"
    keytab.write_bytes(before)
    kerberos = Kerberos(hostname=HOST, keytab=keytab)
    assert not isinstance(ask(kerberos), Accepted)
    # The best key comes first.
    (entry,) = struct.unpack_from(">i", ours, 2)
    first = len(before) + 4 + entry
    with keytab.open("ab") as file:
        for size in range(len(before), len(whole), 3):
            file.write(whole[size : size + 3])
            file.flush()
            outcome = ask(kerberos)
            assert isinstance(outcome, Accepted) or outcome.reason in (Reason.UNKNOWN_KEY, Reason.KEY_TYPE), size
            assert isinstance(outcome, Accepted) is (size + 3 >= first), size
    kerberos.close()


def test_look_after_a_refusal(service: Service, tmp_path: Path) -> None:
    """Who comes with a ticket for a new key is served at once, if nobody has been served by it yet."""
    ours = entries_of(service.keytab)
    stranger = [
        Entry(("HTTP", HOST), "KRBTEST.COM", 1, each.encryption_type, os.urandom(len(each.key))) for each in ours
    ]
    keytab = tmp_path / "keytab"
    keytab.write_bytes(written(stranger))
    kerberos = Kerberos(hostname=HOST, keytab=keytab)
    outcome = ask(kerberos)
    assert isinstance(outcome, Denied)
    assert outcome.reason is Reason.UNKNOWN_KEY
    keytab.write_bytes(written([*ours, *stranger]))
    assert served_as(ask(kerberos)) == PRINCIPAL
    kerberos.close()
