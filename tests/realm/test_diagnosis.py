"""What is told of a refusal where less is known than usual."""

from __future__ import annotations

import _ctypes
import ctypes
import errno
import os
import re
import time
from pathlib import Path

import gssapi.raw as gss
import pytest

from async_kerberos import ConfigurationError, Denied, Kerberos, Reason
from async_kerberos._gss import diagnosis, libkrb5
from async_kerberos._gss.acceptor import Acceptor
from async_kerberos._gss.diagnosis import (
    describe_keytab,
    diagnose,
    diagnose_credential,
    principals_in,
    without_replay_cache,
)
from async_kerberos._gss.libkrb5 import configuration_fault, settings, shortname_domain, with_functions
from async_kerberos._gss.steps import Established
from async_kerberos.testing import Service, User

from ..support.asking import auth_request
from ..support.clocked import own_clock
from ..support.initiator import Initiator, negotiate
from ..support.waiting import WITHOUT_CONFIGURATION, free_credentials

KINDS = (Reason.KEY_VERSION, Reason.KEY_TYPE, Reason.UNKNOWN_KEY)


@pytest.fixture
def without_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process in which libkrb5 cannot be asked."""
    monkeypatch.setattr(libkrb5, "loaded_library", lambda: None)
    monkeypatch.setattr(libkrb5, "_last", None)


def test_another_library() -> None:
    """A library without these functions is not asked for anything."""
    assert with_functions(ctypes.CDLL(_ctypes.__file__)) is None


@pytest.mark.usefixtures("without_library", "signed_in")
def test_without_library(www: Service, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where the library cannot be asked, the keytab and the ticket are still looked at."""
    assert configuration_fault() is None
    assert settings() is None
    assert shortname_domain() == ""
    assert without_replay_cache() == ""
    assert describe_keytab(None).startswith(f"keytab FILE:{www.keytab}: it has keys of ")
    monkeypatch.delenv("KRB5_KTNAME")
    assert describe_keytab(None).startswith("keytab /etc/krb5.keytab: ")
    # One file with the ticket's key, and one without any.
    token = Initiator().step()
    empty = tmp_path / "empty"
    empty.write_bytes(b"\5\2")
    for keytab in (www.keytab, empty):
        for reason in (*KINDS, Reason.OTHER):
            assert diagnose(reason, "so", token, str(keytab))[0] is reason


def test_key_that_came_in_between(signed_in: User, www: Service) -> None:
    """Where the keytab has the ticket's key by now, the reason is what GSSAPI has found."""
    token = Initiator().step()
    for reason in KINDS:
        assert diagnose(reason, "so", token, str(www.keytab)) == (reason, "so")
        for keytab in ("MEMORY:none", "/no/such/keytab"):
            assert diagnose(reason, "so", token, keytab) == (reason, "so")
        assert diagnose(reason, "so", b"no token", str(www.keytab)) == (reason, "so")


def test_entry_that_is_broken(signed_in: User, www: Service) -> None:
    """The system's own error for a keytab with a broken entry is blamed on the ticket only if the keytab is whole."""
    token, message = Initiator().step(), os.strerror(errno.EINVAL)
    assert diagnose(Reason.MISCONFIGURED, message, token, str(www.keytab))[0] is Reason.BAD_PAC
    assert diagnose(Reason.MISCONFIGURED, message, token, "/no/such/keytab")[0] is Reason.MISCONFIGURED
    assert diagnose(Reason.MISCONFIGURED, message, b"no token", str(www.keytab))[0] is Reason.MISCONFIGURED


def test_exhausted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system has run out of something, no file is to blame."""
    assert diagnose_credential(os.strerror(errno.EMFILE), None, None, None)[0] is Reason.SERVER_FAULT
    fault = libkrb5.ConfigurationFault(errno.EMFILE, "/etc/krb5.conf", "Too many open files")
    monkeypatch.setattr("async_kerberos._gss.diagnosis.configuration_fault", lambda: fault)
    assert diagnose(Reason.SERVER_FAULT, "so", b"", None) == (Reason.SERVER_FAULT, "so")


def test_configuration_that_may_not_be_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where a file may not be read, its owner and its mode are told."""
    fault = libkrb5.ConfigurationFault(errno.EACCES, str(tmp_path), "Permission denied")
    monkeypatch.setattr("async_kerberos._gss.diagnosis.configuration_fault", lambda: fault)
    reason, detail = diagnose(Reason.OTHER, "so", b"", None)
    assert reason is Reason.KRB5_CONF
    assert detail.startswith(f"so; {tmp_path}: ")
    assert f" may not read it; {tmp_path} belongs to " in detail


def test_name_by_dns(www: Service) -> None:
    """A name that the library made of the configured one is told, unless the letters alone are others."""
    made = "made HTTP/machine.test of HTTP/alias.test"
    assert made in describe_keytab(str(www.keytab), "HTTP/machine.test@", "HTTP/alias.test")
    assert "made" not in describe_keytab(str(www.keytab), "HTTP/alias.test@", "HTTP/Alias.test.")


def test_process_without_descriptors(www: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nobody in the process can open the keytab, nothing is wrong with the file: it is the server's fault."""
    message = "Service key not available"

    def diagnosed(keytab: str) -> tuple[Reason, str]:
        return diagnose(Reason.MISCONFIGURED, message, b"", keytab)

    assert diagnosed(f"WRFILE:{www.keytab}")[0] is Reason.MISCONFIGURED
    assert diagnosed("MEMORY:none") == (Reason.MISCONFIGURED, f"{message}; keytab MEMORY:none")
    for code, reason in ((errno.EMFILE, Reason.SERVER_FAULT), (errno.EACCES, Reason.MISCONFIGURED)):

        def refuse(*_: object, code: int = code) -> int:
            raise OSError(code, os.strerror(code))

        with monkeypatch.context() as patch:
            patch.setattr("os.open", refuse)
            found, said = diagnosed(f"WRFILE:{www.keytab}")
        assert found is reason
        assert said.startswith(message)


def test_slow_dns(
    www: Service, signed_in: User, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Where the library reads the keytab, names that take long are warned of, once for each credential.

    After a fork nobody waits for them.
    """
    monkeypatch.setattr("async_kerberos._gss.dns._SLOW_SECONDS", 0.0)
    acceptor = Acceptor("HTTP", ["www.example.test"], f"WRFILE:{www.keytab}")
    begun = time.monotonic()
    for _ in range(2):
        assert isinstance(acceptor.step(Initiator().step()), Established)
    (said,) = caplog.messages
    took = re.match(r"Kerberos: DNS took (\d+\.\d) seconds for www\.example\.test\. ", said)
    assert took is not None
    assert float(took[1]) <= time.monotonic() - begun + 0.05  # it is rounded
    assert not acceptor.waits_for_dns
    waits = acceptor._waits  # pyright: ignore[reportPrivateUsage] (nothing public waits without a slow DNS)
    with waits.wait("www.example.test"):
        assert acceptor.waits_for_dns
        waits._forget()  # pyright: ignore[reportPrivateUsage] (as a fork does)
        assert not acceptor.waits_for_dns


def test_library_that_lacks_something(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where python-gssapi lacks a function, no acceptor is built (see test_library for a whole process)."""
    monkeypatch.delattr(gss, "set_neg_mechs")
    with pytest.raises(ConfigurationError, match="MIT's Kerberos library"):
        Kerberos()


def test_keytab_that_has_changed(www: Service) -> None:
    """A keytab that is another one by now, or is gone, tells nothing of the one that GSSAPI has read."""
    changed = diagnosis._has_changed  # pyright: ignore[reportPrivateUsage] (no public way is so exact)
    written = www.keytab.stat().st_ctime
    assert [changed(str(www.keytab), written + seconds) for seconds in (-1, 0, 1)] == [True, True, False]
    assert changed(str(www.keytab.parent / "gone"), written + 1)


@WITHOUT_CONFIGURATION
def test_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without a configuration there are no settings; one that permits nothing known permits nothing."""
    free_credentials()
    now = 1000.0
    own_clock(monkeypatch, libkrb5, lambda: now)
    configuration = tmp_path / "krb5.conf"
    monkeypatch.setenv("KRB5_CONFIG", str(configuration))
    configuration.write_text("[libdefaults]\nnonsense\n")
    assert settings() is None
    assert without_replay_cache() == ""
    configuration.write_text("[libdefaults]\npermitted_enctypes = nonsense\n")
    assert settings() is None  # as it was a second ago
    now += 1.5
    found = settings()
    assert found is not None
    assert found.encryption_types == frozenset()
    configuration.unlink()
    assert configuration_fault() is None


def test_nameless_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, signed_in: User) -> None:
    """A user without a name, as in a container, is told by the number."""
    keytab = tmp_path / "keytab"
    keytab.write_bytes(b"")
    monkeypatch.setattr("os.geteuid", lambda: 12_345_678)
    error = PermissionError(errno.EACCES, "no")

    def refuse(path: str) -> None:
        raise error

    monkeypatch.setattr("async_kerberos._gss.diagnosis.read_keys", refuse)
    assert f"keytab: uid 12345678 may not read it; {keytab} belongs to " in describe_keytab(str(keytab))
    # Where the file cannot be looked at, it is the folder that may not be entered.
    assert f"may not read it; {tmp_path} belongs to " in describe_keytab(str(tmp_path / "none"))
    assert principals_in(str(keytab)) is None


@pytest.mark.parametrize("name", ["Key table file", "Replay cache file", "(filename: x", "No space left on device"])
def test_name_in_a_ticket(signed_in: User, www: Service, name: str) -> None:
    """No name that a client writes into a ticket makes its fault the server's."""
    token = Initiator().step().replace(b"www.example.test", name.ljust(16)[:16].encode())
    for reason in KINDS:
        found, detail = diagnose(reason, f"Request ticket server {name}", token, str(www.keytab))
        assert found in KINDS
        assert len(detail) < 1000


def test_bogus_type_in_a_ticket(signed_in: User) -> None:
    """A type of encryption that there is not is refused, and called what it is."""
    token = Initiator().step()
    at = token.index(b"\xa0\x03\x02\x01\x12\xa1\x03\x02\x01") + 4
    request = auth_request((negotiate(token[:at] + b"\x63" + token[at + 1 :]),))
    outcome = Kerberos(hostname="www.example.test").authenticate_blocking(request)
    assert isinstance(outcome, Denied)
    assert (outcome.status, outcome.reason) == (403, Reason.FORBIDDEN_ENCRYPTION)
