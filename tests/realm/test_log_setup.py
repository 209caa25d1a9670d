"""What the log says at set-up: the principal of the server, or what is missing."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import krb5
import pytest

from async_kerberos import Kerberos
from async_kerberos.testing import Realm

from ..support import HOSTNAME
from ..support.asking import accepted, auth_request
from ..support.initiator import fresh

pytestmark = pytest.mark.usefixtures("signed_in")


@pytest.mark.usefixtures("others")
@pytest.mark.parametrize(
    ("hostname", "level", "message"),
    [
        (HOSTNAME, "INFO", f"Kerberos: server is HTTP/{HOSTNAME}@KRBTEST.COM"),
        (
            [HOSTNAME, "b.acceptor.test"],
            "INFO",
            f"server is HTTP/{HOSTNAME}@KRBTEST.COM, HTTP/b.acceptor.test@KRBTEST.COM",
        ),
        ("*", "INFO", "Kerberos: server is HTTP/*, for every host name that the keytab has a key of"),
        ("nowhere.example.test", "WARNING", "Kerberos: no key for HTTP/nowhere.example.test; keytab "),
        # One of the names is served.
        (
            [HOSTNAME, "nowhere.example.test"],
            "INFO",
            f"server is HTTP/{HOSTNAME}@KRBTEST.COM; the keytab has no key for HTTP/nowhere.example.test",
        ),
        (
            ["nowhere.example.test", "neither.example.test"],
            "WARNING",
            "no key for HTTP/nowhere.example.test, HTTP/neither.example.test; ",
        ),
    ],
)
def test_log_setup(hostname: str | list[str], level: str, message: str, caplog: pytest.LogCaptureFixture) -> None:
    """At set-up the log names the server's principal, or warns that the keytab lacks it."""
    caplog.set_level(logging.INFO, "async_kerberos")
    Kerberos(hostname=hostname).log_setup()
    (record,) = caplog.records
    assert (record.name, record.levelname) == ("async_kerberos", level)
    assert message in record.getMessage()


def test_log_setup_with_keys_of_another_service(realm: Realm, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Any host of the service is none where the keytab has other services' keys alone, and that is a warning."""
    caplog.set_level(logging.INFO, "async_kerberos")
    keytab = realm.service("imap/b.acceptor.test", keytab=tmp_path / "keytab").keytab
    for hostname in ("*", [HOSTNAME, "b.acceptor.test"]):
        caplog.clear()
        Kerberos(hostname=hostname, keytab=keytab).log_setup()
        (record,) = caplog.records
        assert record.levelname == "WARNING"
        assert "no key for HTTP/" in record.getMessage()
        assert f"keytab {keytab}: it has keys of imap/b.acceptor.test@KRBTEST.COM. " in record.getMessage()
    caplog.clear()
    Kerberos(service="imap", hostname="*", keytab=keytab).log_setup()
    assert caplog.messages == ["Kerberos: server is imap/*, for every host name that the keytab has a key of"]


def test_log_setup_of_a_name_that_is_not_in_small_letters(
    realm: Realm, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A list of names finds a key as it finds a ticket, in letters of any case: no warning for what is served."""
    caplog.set_level(logging.INFO, "async_kerberos")
    service = realm.service("HTTP/Capital.acceptor.test", keytab=tmp_path / "keytab")
    kerberos = Kerberos(hostname=["capital.acceptor.test", "b.acceptor.test"], keytab=service.keytab)
    kerberos.log_setup()
    (record,) = caplog.records
    assert record.levelname == "INFO"
    assert "server is HTTP/capital.acceptor.test@KRBTEST.COM;" in record.getMessage()
    accepted(kerberos.authenticate_blocking(auth_request((fresh(service.principal),))))


def test_log_setup_by_a_keytab_in_memory(caplog: pytest.LogCaptureFixture) -> None:
    """Where the keytab is no file, the log tells only that it can be used."""
    caplog.set_level(logging.INFO, "async_kerberos")
    principal = f"HTTP/{HOSTNAME}@KRBTEST.COM"
    context = krb5.init_context()
    source = krb5.kt_default(context)
    keytab = krb5.kt_resolve(context, b"MEMORY:setup")
    for entry in source:
        krb5.kt_add_entry(context, keytab, entry.principal, entry.kvno, entry.timestamp, entry.key)
    for hostname, said in (
        ("*", "HTTP/*, for every host name that the keytab has a key of"),
        ([HOSTNAME, "b.acceptor.test"], f"HTTP/{HOSTNAME}, HTTP/b.acceptor.test"),
        (HOSTNAME, principal),
    ):
        caplog.clear()
        Kerberos(hostname=hostname, keytab="MEMORY:setup").log_setup()
        assert caplog.messages == [f"Kerberos: server is {said}"]


def test_log_setup_without_a_keytab(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Where no keytab is configured, the log says which variable to set."""
    monkeypatch.delenv("KRB5_KTNAME")
    config = Path(os.environ["KRB5_CONFIG"]).read_text()
    (tmp_path / "krb5.conf").write_text(
        config.replace("[libdefaults]", f"[libdefaults]\n\tdefault_keytab_name = FILE:{tmp_path}/missing", 1)
    )
    monkeypatch.setenv("KRB5_CONFIG", str(tmp_path / "krb5.conf"))
    Kerberos(hostname=HOSTNAME).log_setup()
    assert "Kerberos: set KRB5_KTNAME to your keytab file" in caplog.text
    caplog.clear()
    Kerberos(hostname=HOSTNAME, keytab=tmp_path / "missing").log_setup()
    assert "set KRB5_KTNAME" not in caplog.text
    assert f"{tmp_path}/missing" in caplog.text


def test_principal_of_another_realm(
    realm: Realm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A key of another realm than the default one is named with its realm."""
    caplog.set_level(logging.INFO, "async_kerberos")
    config = Path(os.environ["KRB5_CONFIG"]).read_text()
    assert "default_realm = KRBTEST.COM" in config
    (tmp_path / "krb5.conf").write_text(config.replace("default_realm = KRBTEST.COM", "default_realm = OTHER.TEST"))
    monkeypatch.setenv("KRB5_CONFIG", str(tmp_path / "krb5.conf"))
    Kerberos(hostname=HOSTNAME).log_setup()
    assert caplog.messages == [f"Kerberos: server is HTTP/{HOSTNAME}@KRBTEST.COM"]
