"""Sign-ins that fail because of the server: its keytab, its replay cache, a call that hangs."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from async_kerberos import Kerberos, Outcome, Reason, WorkerLimits
from async_kerberos._gss.acceptor import Acceptor
from async_kerberos._gss.steps import AcquireError
from async_kerberos.testing import Realm

from ..support import HOSTNAME
from ..support.asking import PLAIN, accepted, denied, token_request
from ..support.initiator import Initiator

PEER = ("192.0.2.7", 40_000)

pytestmark = pytest.mark.usefixtures("signed_in")


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"])
async def test_stuck_worker(anyio_backend: str, tmp_path: Path) -> None:
    """A call that hangs for real (the keytab is a pipe nobody writes to) is answered by 503 when its time is over."""
    before = set(threading.enumerate())
    pipe = tmp_path / "keytab"
    os.mkfifo(pipe)
    kerberos = Kerberos(hostname=HOSTNAME, keytab=pipe, workers=WorkerLimits(threads=1, queue=1, seconds=0.2))
    try:
        outcome = denied(await kerberos.authenticate(token_request(Initiator().step())))
        assert (outcome.status, outcome.reason) == (503, Reason.TIMED_OUT)
        assert outcome.headers == (("Retry-After", "1"), *PLAIN)
    finally:
        kerberos.close()
        release_readers(pipe, set(threading.enumerate()) - before)


def release_readers(pipe: Path, workers: set[threading.Thread]) -> None:
    """Let workers that read a keytab which is a pipe find its end, each time they open it, until they are gone."""
    while any(worker.is_alive() for worker in workers if worker.name.startswith("async-kerberos-")):
        os.close(os.open(pipe, os.O_RDWR))
        time.sleep(0.001)


@pytest.mark.parametrize("hostname", [HOSTNAME, "*"])
def test_no_keytab(hostname: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Without a keytab the answer is 500 and the log says which file; once it is there, users get in."""
    keytab = tmp_path / "late.keytab"
    kerberos = Kerberos(hostname=hostname, keytab=keytab)
    request = token_request(Initiator().step(), PEER)
    outcome = denied(kerberos.authenticate_blocking(request))
    assert (outcome.status, outcome.reason, outcome.headers) == (500, Reason.MISCONFIGURED, PLAIN)
    assert outcome.body == b"Internal Server Error"
    assert str(keytab) in caplog.text
    assert caplog.records[-1].levelname == "ERROR"
    keytab.write_bytes(Path(os.environ["KRB5_KTNAME"].removeprefix("FILE:")).read_bytes())
    accepted(kerberos.authenticate_blocking(request))


def test_no_such_principal() -> None:
    """A keytab without the service principal is the server's own fault: 500."""
    kerberos = Kerberos(hostname="nowhere.example.test")
    outcome = denied(kerberos.authenticate_blocking(token_request(Initiator().step())))
    assert (outcome.status, outcome.reason) == (500, Reason.MISCONFIGURED)


def test_keytab_taken_away_and_put_back(realm: Realm, tmp_path: Path) -> None:
    """A keytab that the library reads and that goes while the server runs makes 500s until it is back."""
    service = realm.service("HTTP/gone.example.test", keytab=tmp_path / "keytab")
    kerberos = Kerberos(hostname="gone.example.test", keytab=f"WRFILE:{service.keytab}")

    def attempt() -> Outcome:
        return kerberos.authenticate_blocking(token_request(Initiator("HTTP@gone.example.test").step()))

    accepted(attempt())
    hidden = service.keytab.rename(tmp_path / "hidden")
    assert denied(attempt()).reason is Reason.MISCONFIGURED
    service.keytab.write_bytes(b"")
    assert denied(attempt()).reason is Reason.MISCONFIGURED
    service.keytab.write_bytes(b"\5\2\0\0")
    assert denied(attempt()).reason is Reason.MISCONFIGURED
    hidden.rename(service.keytab)
    accepted(attempt())


def test_replay_cache_gone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Where no replay cache can be written nobody gets in: 500, and the log says what to mend."""
    monkeypatch.setenv("KRB5RCACHEDIR", str(tmp_path / "missing"))
    outcome = denied(Kerberos(hostname=HOSTNAME).authenticate_blocking(token_request(Initiator().step())))
    assert (outcome.status, outcome.reason) == (500, Reason.SERVER_FAULT)
    assert "KRB5RCACHEDIR" in caplog.text


def test_replay_cache_full(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the replay cache is on a full disk nobody gets in: 500."""
    monkeypatch.setenv("KRB5RCACHENAME", "file2:/dev/full")
    outcome = denied(Kerberos(hostname=HOSTNAME).authenticate_blocking(token_request(Initiator().step())))
    assert (outcome.status, outcome.reason) == (500, Reason.SERVER_FAULT)


@pytest.mark.parametrize("name", ["", "nonsense", "nonsense:"])
def test_replay_cache_misnamed(name: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """A name that is no replay cache's is not blamed on the keytab."""
    monkeypatch.setenv("KRB5RCACHENAME", name)
    outcome = denied(Kerberos(hostname=HOSTNAME).authenticate_blocking(token_request(Initiator().step())))
    assert (outcome.status, outcome.reason) == (500, Reason.SERVER_FAULT)
    assert "KRB5RCACHENAME" in caplog.text


def test_acquire_error_says_which() -> None:
    """The error of a credential that cannot be had is GSSAPI's message, naming the principal."""
    with pytest.raises(AcquireError, match=r"HTTP/nowhere\.example\.test"):
        Acceptor("HTTP", ["nowhere.example.test"], None).describe()
