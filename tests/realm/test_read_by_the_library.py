"""Where the library reads the keytab, for each token, and the service has no keys of its own."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

from async_kerberos import Kerberos, Reason
from async_kerberos.testing import Realm

from ..support import HOSTNAME
from ..support.asking import denied, identity_of, token_request
from ..support.initiator import Initiator


@pytest.fixture(autouse=True)
def _library(realm: Realm, signed_in: object, others: object, monkeypatch: pytest.MonkeyPatch) -> None:  # pyright: ignore[reportUnusedFunction] (a fixture)
    monkeypatch.setenv("KRB5_KTNAME", f"WRFILE:{realm.keytab}")


@pytest.mark.parametrize(
    ("hostname", "target", "principal"),
    [
        (HOSTNAME, f"HTTP@{HOSTNAME}", f"HTTP/{HOSTNAME}"),
        (HOSTNAME, f"imap@{HOSTNAME}", None),
        (HOSTNAME, "HTTP@b.acceptor.test", None),
        ([HOSTNAME], f"HTTP@{HOSTNAME}", f"HTTP/{HOSTNAME}"),
        ([HOSTNAME, "b.acceptor.test"], f"HTTP@{HOSTNAME}", f"HTTP/{HOSTNAME}@KRBTEST.COM"),
        ([HOSTNAME, "b.acceptor.test"], "HTTP@b.acceptor.test", "HTTP/b.acceptor.test@KRBTEST.COM"),
        ([HOSTNAME, "b.acceptor.test"], "HTTP@c.acceptor.test", None),
        ([HOSTNAME, "b.acceptor.test"], f"imap@{HOSTNAME}", None),
        ("*", "HTTP@c.acceptor.test", "HTTP/c.acceptor.test@KRBTEST.COM"),
        ("*", f"imap@{HOSTNAME}", None),
    ],
)
def test_only_this_service(hostname: str | list[str], target: str, principal: str | None) -> None:
    """A ticket is good for the host names asked for and for no other service; of one, it tells no realm."""
    outcome = Kerberos(hostname=hostname).authenticate_blocking(token_request(Initiator(target).step()))
    if principal is not None:
        assert identity_of(outcome).service_principal == principal
    else:
        assert (denied(outcome).status, denied(outcome).reason) == (403, Reason.WRONG_SERVICE)


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
        ("nowhere.example.test", "WARNING", "Kerberos: No key table entry found matching HTTP/nowhere.example.test"),
        (
            [HOSTNAME, "nowhere.example.test"],
            "INFO",
            f"server is HTTP/{HOSTNAME}@KRBTEST.COM; the keytab has no key for HTTP/nowhere.example.test",
        ),
        (["nowhere.example.test", "neither.example.test"], "WARNING", "no key for HTTP/nowhere.example.test, neither."),
    ],
)
def test_log_setup(hostname: str | list[str], level: str, message: str, caplog: pytest.LogCaptureFixture) -> None:
    """At set-up the log names the server's principal, or warns that the keytab lacks it."""
    caplog.set_level(logging.INFO, "async_kerberos")
    Kerberos(hostname=hostname).log_setup()
    (record,) = caplog.records
    assert (record.name, record.levelname) == ("async_kerberos", level)
    assert message in record.getMessage()


def test_principal_of_another_realm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A key of another realm than the default one is named without a realm, for the ticket decides it."""
    caplog.set_level(logging.INFO, "async_kerberos")
    config = Path(os.environ["KRB5_CONFIG"]).read_text()
    (tmp_path / "krb5.conf").write_text(config.replace("default_realm = KRBTEST.COM", "default_realm = OTHER.TEST"))
    monkeypatch.setenv("KRB5_CONFIG", str(tmp_path / "krb5.conf"))
    Kerberos(hostname=HOSTNAME).log_setup()
    assert caplog.messages == [f"Kerberos: server is HTTP/{HOSTNAME}"]
