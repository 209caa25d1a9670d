"""The acceptor and both doors of ``Kerberos`` with real tickets: who gets in, who does not, and what the log says."""

from __future__ import annotations

import base64
import logging
import os
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import gssapi.raw as gss
import krb5
import pytest

from async_kerberos import (
    Accepted,
    Denied,
    HalfOpenLimits,
    Identity,
    Kerberos,
    Outcome,
    Reason,
    WorkerLimits,
)
from async_kerberos._gss.acceptor import Acceptor
from async_kerberos._gss.steps import AcquireError, Continued, Established, Refused
from async_kerberos.testing import Realm, Service, User

from ..support.asking import PLAIN, auth_request
from ..support.clocked import Clock
from ..support.initiator import fresh
from ..support.tokens import neg_token_init, neg_token_resp, take_response_token

KRB5 = gss.OID.from_int_seq("1.2.840.113554.1.2.2")
SPNEGO = gss.OID.from_int_seq("1.3.6.1.5.5.2")
HOST = "www.example.test"
PEER = ("192.0.2.7", 40_000)
DCE = (gss.RequirementFlag.dce_style, gss.RequirementFlag.mutual_authentication)

pytestmark = pytest.mark.usefixtures("signed_in")


class Initiator:
    """A client: one security context on the initiating side."""

    def __init__(
        self, target: str = f"HTTP@{HOST}", mech: gss.OID = SPNEGO, flags: tuple[gss.RequirementFlag, ...] = ()
    ) -> None:
        self.name = gss.import_name(target.encode(), gss.NameType.hostbased_service)
        self.mech = mech
        self.flags = flags or (gss.RequirementFlag.mutual_authentication,)
        self.context: gss.SecurityContext | None = None
        self.complete = False

    def step(self, token: bytes | None = None) -> bytes:
        result = gss.init_sec_context(
            self.name, mech=self.mech, flags=self.flags, context=self.context, input_token=token
        )
        self.context, self.complete = cast("Any", result).context, not result.more_steps
        return result.token or b""


def negotiate(token: bytes) -> tuple[str]:
    return ("Negotiate " + base64.b64encode(token).decode(),)


def reply_of(outcome: Outcome) -> bytes:
    (value,) = [value for name, value in outcome.headers if name == "WWW-Authenticate"]
    return base64.b64decode(value.removeprefix("Negotiate "))


def accepted(outcome: Outcome) -> Accepted:
    assert isinstance(outcome, Accepted), outcome
    return outcome


def denied(outcome: Outcome) -> Denied:
    assert isinstance(outcome, Denied), outcome
    return outcome


@pytest.fixture
def kerberos() -> Iterator[Kerberos]:
    kerberos = Kerberos(hostname=HOST)
    yield kerberos
    kerberos.close()


@pytest.mark.parametrize("mech", [SPNEGO, KRB5])
def test_accepted(alice: User, mech: gss.OID) -> None:
    """A ticket gets its owner in, by SPNEGO and by plain Kerberos, and the reply proves the server to the client."""
    initiator = Initiator(mech=mech)
    outcome = accepted(Kerberos(hostname=HOST).authenticate_blocking(auth_request(negotiate(initiator.step()))))
    assert outcome.identity.principal == alice.principal
    assert outcome.identity.service_principal == f"HTTP/{HOST}"
    initiator.step(reply_of(outcome))
    assert initiator.complete


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"])
async def test_async_door(anyio_backend: str, kerberos: Kerberos, alice: User) -> None:
    """The async door lets the same users in, on asyncio and on trio; its call is made on a worker."""
    outcome = accepted(await kerberos.authenticate(auth_request(negotiate(Initiator().step()))))
    assert outcome.identity.principal == alice.principal


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"])
async def test_stuck_worker(anyio_backend: str, tmp_path: Path) -> None:
    """A call that hangs for real (the keytab is a pipe nobody writes to) is answered by 503 when its time is over."""
    before = set(threading.enumerate())
    pipe = tmp_path / "keytab"
    os.mkfifo(pipe)
    kerberos = Kerberos(hostname=HOST, keytab=pipe, workers=WorkerLimits(threads=1, queue=1, seconds=0.2))
    try:
        outcome = denied(await kerberos.authenticate(auth_request(negotiate(Initiator().step()))))
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


def test_client_that_wants_no_mutual_authentication(alice: User) -> None:
    """A client that did not ask for mutual authentication is served all the same."""
    kerberos = Kerberos(hostname=HOST)
    for mech in (SPNEGO, KRB5):
        token = Initiator(mech=mech, flags=(gss.RequirementFlag.integrity,)).step()
        outcome = accepted(kerberos.authenticate_blocking(auth_request(negotiate(token))))
        assert outcome.identity == Identity(alice.principal, f"HTTP/{HOST}")


def test_replay(caplog: pytest.LogCaptureFixture) -> None:
    """A token is good once, whichever object it was used with."""
    authorization = negotiate(Initiator().step())
    accepted(Kerberos(hostname=HOST).authenticate_blocking(auth_request(authorization, PEER)))
    for kerberos in (Kerberos(hostname=HOST), Kerberos(hostname="*")):
        outcome = denied(kerberos.authenticate_blocking(auth_request(authorization, PEER)))
        assert (outcome.status, outcome.reason, outcome.headers) == (403, Reason.REPLAY, PLAIN)
    assert "Kerberos: 403 for 192.0.2.7: replay (Request is a replay). " + Reason.REPLAY.remedy in caplog.text


def test_one_winner() -> None:
    """Of eight threads with the same token, one gets in."""
    kerberos = Kerberos(hostname=HOST)
    request = auth_request(negotiate(Initiator().step()))
    outcomes: list[Outcome] = []
    barrier = threading.Barrier(8)

    def race() -> None:
        barrier.wait(30)
        outcomes.append(kerberos.authenticate_blocking(request))

    threads = [threading.Thread(target=race) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    reasons = [outcome.reason for outcome in outcomes if isinstance(outcome, Denied)]
    assert reasons == [Reason.REPLAY] * 7
    assert len(outcomes) == 8


@pytest.fixture(scope="session")
def others(realm: Realm, www: Service) -> list[Service]:
    """More services whose keys are in the same keytab."""
    return [realm.service(name) for name in (f"imap/{HOST}", "HTTP/b.acceptor.test", "HTTP/c.acceptor.test")]


@pytest.mark.usefixtures("others")
@pytest.mark.parametrize(
    ("hostname", "target", "principal"),
    [
        (HOST, f"HTTP@{HOST}", f"HTTP/{HOST}"),
        (HOST, f"imap@{HOST}", None),
        (HOST, "HTTP@b.acceptor.test", None),
        ([HOST], f"HTTP@{HOST}", f"HTTP/{HOST}"),
        ([HOST, "b.acceptor.test"], f"HTTP@{HOST}", f"HTTP/{HOST}@KRBTEST.COM"),
        ([HOST, "b.acceptor.test"], "HTTP@b.acceptor.test", "HTTP/b.acceptor.test@KRBTEST.COM"),
        ([HOST, "b.acceptor.test"], "HTTP@c.acceptor.test", None),
        ([HOST, "b.acceptor.test"], f"imap@{HOST}", None),
        ("*", "HTTP@c.acceptor.test", "HTTP/c.acceptor.test@KRBTEST.COM"),
        ("*", f"imap@{HOST}", None),
    ],
)
def test_only_this_service(hostname: str | list[str], target: str, principal: str | None) -> None:
    """A ticket is good for the host names asked for and for no other service, though the keytab has its key."""
    outcome = Kerberos(hostname=hostname).authenticate_blocking(auth_request(negotiate(Initiator(target).step())))
    if principal is not None:
        assert accepted(outcome).identity.service_principal == principal
    else:
        assert (denied(outcome).status, denied(outcome).reason) == (403, Reason.WRONG_SERVICE)


@pytest.mark.usefixtures("others")
@pytest.mark.parametrize("domain", ["acceptor.test", "Acceptor.TEST", "other.test", "", None])
@pytest.mark.parametrize("hostname", [["c", "b"], "*"])
def test_name_without_a_dot(
    domain: str | None, hostname: Any, realm: Realm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside itself a name without a dot stands for its name in the domain of krb5.conf, and for no other that begins
    so; whether a list of names says it, or an inner service below one that takes any."""
    if domain is not None:
        config = tmp_path / "krb5.conf"
        config.write_text(f'[libdefaults]\nqualify_shortname = "{domain}"\n')
        monkeypatch.setenv("KRB5_CONFIG", f"{config}:{realm.env['KRB5_CONFIG']}")
    outer = Kerberos(hostname=hostname)
    request = auth_request(negotiate(Initiator("HTTP@b.acceptor.test").step()))
    outcome = outer.authenticate_blocking(request)
    passes = domain in ("acceptor.test", "Acceptor.TEST")
    if hostname == "*":
        for inner in (Kerberos(hostname="b"), Kerberos(hostname=["c", "b"])):
            again = inner.authenticate_blocking(auth_request(request.authorization, earlier=accepted(outcome)))
            assert isinstance(again, Accepted) is passes
    else:
        assert isinstance(outcome, Accepted) is passes
        if not passes:
            assert denied(outcome).reason is Reason.WRONG_SERVICE


def test_another_service_name() -> None:
    """The service may have another name than HTTP."""
    kerberos = Kerberos(service="imap", hostname="*")
    accepted(kerberos.authenticate_blocking(auth_request(negotiate(Initiator(f"imap@{HOST}").step()))))
    assert denied(kerberos.authenticate_blocking(auth_request(negotiate(Initiator().step())))).status == 403


def test_this_host(realm: Realm, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without a host name the service is this host's, asked for when the first token comes."""
    service = realm.service("HTTP/here.example.test", keytab=tmp_path / "here.keytab")
    kerberos = Kerberos(keytab=service.keytab)
    monkeypatch.setattr("socket.gethostname", lambda: "here.example.test")
    outcome = kerberos.authenticate_blocking(auth_request(negotiate(Initiator("HTTP@here.example.test").step())))
    assert accepted(outcome).identity.service_principal == "HTTP/here.example.test"


def test_two_legs(kerberos: Kerberos, alice: User) -> None:
    """An exchange of two legs completes on its connection, and the client is sure of the server."""
    initiator = Initiator(flags=DCE)
    first = denied(kerberos.authenticate_blocking(auth_request(negotiate(initiator.step()), PEER)))
    assert (first.status, first.reason) == (401, Reason.CONTINUE)
    second = kerberos.authenticate_blocking(auth_request(negotiate(initiator.step(reply_of(first))), PEER))
    assert accepted(second).identity.principal == alice.principal
    initiator.step(reply_of(second))
    assert initiator.complete


@pytest.mark.parametrize("first_peer", [PEER, None, (PEER[0], 0), (PEER[0], PEER[1] + 1)])
def test_continuation_elsewhere(kerberos: Kerberos, first_peer: tuple[str, int] | None) -> None:
    """A leg is known by its connection alone: from another one, or from none of its own, the exchange is lost."""
    initiator = Initiator(flags=DCE)
    first = denied(kerberos.authenticate_blocking(auth_request(negotiate(initiator.step()), first_peer)))
    if first_peer is None or not first_peer[1]:
        assert (first.status, first.reason, first.headers) == (403, Reason.HALF_OPEN_LOST, PLAIN)
        return
    token = initiator.step(reply_of(first))
    peer = (PEER[0], PEER[1] + 2)
    second = denied(kerberos.authenticate_blocking(auth_request(negotiate(token), peer)))
    assert (second.status, second.reason, second.headers) == (403, Reason.HALF_OPEN_LOST, PLAIN)


def test_fresh_start_on_a_spoilt_connection(kerberos: Kerberos) -> None:
    """A half-open context that somebody left on a connection does not spoil the next user's token, and is gone."""
    left = Initiator(flags=DCE)
    first = denied(kerberos.authenticate_blocking(auth_request(negotiate(left.step()), PEER)))
    accepted(kerberos.authenticate_blocking(auth_request(negotiate(Initiator().step()), PEER)))
    late = kerberos.authenticate_blocking(auth_request(negotiate(left.step(reply_of(first))), PEER))
    assert denied(late).reason is Reason.HALF_OPEN_LOST


def test_request_without_a_token_keeps_the_exchange(kerberos: Kerberos) -> None:
    """A request without credentials in between, for a picture say, does not end the exchange."""
    initiator = Initiator(flags=DCE)
    first = denied(kerberos.authenticate_blocking(auth_request(negotiate(initiator.step()), PEER)))
    assert denied(kerberos.authenticate_blocking(auth_request((), PEER))).reason is Reason.NO_CREDENTIALS
    accepted(kerberos.authenticate_blocking(auth_request(negotiate(initiator.step(reply_of(first))), PEER)))


@pytest.mark.parametrize(("between", "reason"), [(14.0, None), (16.0, Reason.HALF_OPEN_LOST)])
def test_deadline_of_the_exchange(realm: Realm, alice: User, between: float, reason: Reason | None) -> None:
    """An exchange has thirty seconds in all, from its first leg on: another leg does not renew them."""
    kerberos = Kerberos(hostname=HOST, half_open=HalfOpenLimits(seconds=30.0))
    clock = Clock()
    setattr(getattr(getattr(kerberos, "_tickets"), "_half_open"), "_clock", clock)  # noqa: B009, B010 - no type checker minds
    initiator = Initiator(mech=KRB5, flags=DCE)
    # Without a token of Kerberos in it, the first leg only begins an exchange, which then has two more.
    for token in (neg_token_init([KRB5]), neg_token_resp(initiator.step())):
        outcome = denied(kerberos.authenticate_blocking(auth_request(negotiate(token), PEER)))
        assert (outcome.status, outcome.reason) == (401, Reason.CONTINUE)
        clock.now += between
    token = neg_token_resp(initiator.step(take_response_token(reply_of(outcome))))
    last = kerberos.authenticate_blocking(auth_request(negotiate(token), PEER))
    if reason is None:
        assert accepted(last).identity.principal == alice.principal
    else:
        assert denied(last).reason is reason
    kerberos.close()


def test_half_open_limits(realm: Realm) -> None:
    """The limits that were given are kept: here, one context."""
    kerberos = Kerberos(hostname=HOST, half_open=HalfOpenLimits(total=1))
    initiators = [Initiator(flags=DCE), Initiator(flags=DCE)]
    firsts = [
        denied(kerberos.authenticate_blocking(auth_request(negotiate(initiator.step()), (f"192.0.2.{number}", 1))))
        for number, initiator in enumerate(initiators)
    ]
    tokens = [initiator.step(reply_of(first)) for initiator, first in zip(initiators, firsts, strict=True)]
    outcomes = [
        kerberos.authenticate_blocking(auth_request(negotiate(token), (f"192.0.2.{number}", 1)))
        for number, token in enumerate(tokens)
    ]
    assert denied(outcomes[0]).reason is Reason.HALF_OPEN_LOST
    accepted(outcomes[1])


@pytest.mark.parametrize("token", [b"garbage", b"NTLMSSP\0\1\0\0\0"])
def test_hopeless_token_keeps_the_exchange(kerberos: Kerberos, token: bytes) -> None:
    """A token that cannot belong to the exchange does not end it."""
    initiator = Initiator(flags=DCE)
    first = denied(kerberos.authenticate_blocking(auth_request(negotiate(initiator.step()), PEER)))
    denied(kerberos.authenticate_blocking(auth_request(negotiate(token), PEER)))
    accepted(kerberos.authenticate_blocking(auth_request(negotiate(initiator.step(reply_of(first))), PEER)))


def test_spoilt_continuation(kerberos: Kerberos) -> None:
    """A second leg that is garbage is refused, and ends the exchange."""
    initiator = Initiator(flags=DCE)
    first = denied(kerberos.authenticate_blocking(auth_request(negotiate(initiator.step()), PEER)))
    garbage = kerberos.authenticate_blocking(auth_request(negotiate(b"\xa1\x03\x30\x01\x00"), PEER))
    assert (denied(garbage).status, denied(garbage).headers) == (403, PLAIN)
    late = kerberos.authenticate_blocking(auth_request(negotiate(initiator.step(reply_of(first))), PEER))
    assert denied(late).reason is Reason.HALF_OPEN_LOST


def test_nothing_is_kept() -> None:
    """No security context outlives its request."""
    acceptor = Acceptor("HTTP", [HOST], None)
    step = acceptor.step(Initiator(flags=DCE).step())
    assert isinstance(step, Continued)
    context = step.context
    del step
    # Two references: the variable here, and the argument there.
    assert sys.getrefcount(context) == 2


@pytest.mark.parametrize(
    "token",
    [
        b"\x60\x03garbage",
        b"\x6e\x03garbage",
        b"\x60",
        b"\x60\x82\xff\xff" + b"\0" * 300,
        b"\x60\x10\x06\x06\x2b\x06\x01\x05\x05\x02\xa0\x06\x30\x04\xa0\x02\x30\x00",
    ],
)
def test_garbage(token: bytes) -> None:
    """What GSSAPI takes for garbage is 403 without a challenge, never an error of the server's."""
    outcome = denied(Kerberos(hostname=HOST).authenticate_blocking(auth_request(negotiate(token))))
    assert (outcome.status, outcome.headers) == (403, PLAIN)


def test_truncated() -> None:
    """A token cut short is refused as malformed: by 403, for the header was well-formed."""
    outcome = denied(Kerberos(hostname=HOST).authenticate_blocking(auth_request(negotiate(Initiator().step()[:100]))))
    assert (outcome.status, outcome.reason) == (403, Reason.MALFORMED)


@pytest.mark.parametrize("text", [b"Key table file!!", b"Clock skew too g", b"(filename: x.tes"])
def test_ticket_that_quotes_an_error(text: bytes) -> None:
    """The service's name in a ticket is anybody's to write: no text in it makes the client's fault the server's."""
    token = Initiator().step()
    assert token.count(b"www.example.test") == 1
    forged = bytearray(token.replace(b"www.example.test", text))
    forged[forged.index(text) + 100] ^= 1  # in the ticket's encrypted part
    outcome = denied(Kerberos(hostname=HOST).authenticate_blocking(auth_request(negotiate(bytes(forged)))))
    assert outcome.status == 403
    assert outcome.reason in (Reason.UNKNOWN_KEY, Reason.WRONG_SERVICE)


def test_ntlm_inside_spnego() -> None:
    """A negotiation that offers NTLM alone does not get anywhere."""
    ntlm_oid = bytes.fromhex("060a2b06010401823702020a")
    message = b"NTLMSSP\0\1\0\0\0" + b"\0" * 28

    def tlv(tag: int, value: bytes) -> bytes:
        return bytes([tag, len(value)]) + value

    init = tlv(0x30, tlv(0xA0, tlv(0x30, ntlm_oid)) + tlv(0xA2, tlv(0x04, message)))
    token = tlv(0x60, bytes.fromhex("06062b0601050502") + tlv(0xA0, init))
    outcome = denied(Kerberos(hostname=HOST).authenticate_blocking(auth_request(negotiate(token))))
    assert (outcome.status, outcome.headers) == (403, PLAIN)


def test_old_key(realm: Realm, tmp_path: Path) -> None:
    """A ticket for a key that the keytab no longer has is refused, and the log names the key's version."""
    service = realm.service("HTTP/rekeyed.example.test", keytab=tmp_path / "keytab")
    kerberos = Kerberos(hostname="rekeyed.example.test", keytab=service.keytab)
    token = Initiator("HTTP@rekeyed.example.test").step()
    service.keytab.unlink()
    realm.rekey(service)
    outcome = denied(kerberos.authenticate_blocking(auth_request(negotiate(token))))
    assert (outcome.status, outcome.reason) == (403, Reason.KEY_VERSION)


def test_wrong_key(realm: Realm, tmp_path: Path) -> None:
    """A ticket made for another key than the keytab's is refused."""
    one = realm.service("HTTP/otherkey.example.test", keytab=tmp_path / "keytab")
    with Realm(name=realm.name) as twin:
        other = twin.service("HTTP/otherkey.example.test", keytab=tmp_path / "other.keytab")
        other.keytab.replace(one.keytab)
    kerberos = Kerberos(hostname="otherkey.example.test", keytab=one.keytab)
    outcome = denied(
        kerberos.authenticate_blocking(auth_request(negotiate(Initiator("HTTP@otherkey.example.test").step())))
    )
    assert (outcome.status, outcome.reason) == (403, Reason.UNKNOWN_KEY)


@pytest.mark.parametrize("hostname", [HOST, "*"])
def test_no_keytab(hostname: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Without a keytab the answer is 500 and the log says which file; once it is there, users get in."""
    keytab = tmp_path / "late.keytab"
    kerberos = Kerberos(hostname=hostname, keytab=keytab)
    request = auth_request(negotiate(Initiator().step()), PEER)
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
    outcome = denied(kerberos.authenticate_blocking(auth_request(negotiate(Initiator().step()))))
    assert (outcome.status, outcome.reason) == (500, Reason.MISCONFIGURED)


def test_keytab_taken_away_and_put_back(realm: Realm, tmp_path: Path) -> None:
    """A keytab that goes while the server runs makes 500s until it is back."""
    service = realm.service("HTTP/gone.example.test", keytab=tmp_path / "keytab")
    kerberos = Kerberos(hostname="gone.example.test", keytab=service.keytab)

    def attempt() -> Outcome:
        return kerberos.authenticate_blocking(auth_request(negotiate(Initiator("HTTP@gone.example.test").step())))

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
    outcome = denied(Kerberos(hostname=HOST).authenticate_blocking(auth_request(negotiate(Initiator().step()))))
    assert (outcome.status, outcome.reason) == (500, Reason.SERVER_FAULT)
    assert "KRB5RCACHEDIR" in caplog.text


def test_replay_cache_full(monkeypatch: pytest.MonkeyPatch) -> None:
    """A replay cache on a full disk likewise."""
    monkeypatch.setenv("KRB5RCACHENAME", "file2:/dev/full")
    outcome = denied(Kerberos(hostname=HOST).authenticate_blocking(auth_request(negotiate(Initiator().step()))))
    assert (outcome.status, outcome.reason) == (500, Reason.SERVER_FAULT)


@pytest.mark.parametrize("name", ["", "nonsense", "nonsense:"])
def test_replay_cache_misnamed(name: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """A name that is no replay cache's is not blamed on the keytab."""
    monkeypatch.setenv("KRB5RCACHENAME", name)
    outcome = denied(Kerberos(hostname=HOST).authenticate_blocking(auth_request(negotiate(Initiator().step()))))
    assert (outcome.status, outcome.reason) == (500, Reason.SERVER_FAULT)
    assert "KRB5RCACHENAME" in caplog.text


def test_acquire_error_says_which() -> None:
    """The error of a credential that cannot be had is GSSAPI's message, naming the principal."""
    with pytest.raises(AcquireError, match=r"HTTP/nowhere\.example\.test"):
        Acceptor("HTTP", ["nowhere.example.test"], None).describe()


@pytest.mark.usefixtures("others")
@pytest.mark.parametrize(
    ("hostname", "level", "message"),
    [
        (HOST, "INFO", f"Kerberos: server is HTTP/{HOST}@KRBTEST.COM"),
        ([HOST, "b.acceptor.test"], "INFO", f"server is HTTP/{HOST}@KRBTEST.COM, HTTP/b.acceptor.test@KRBTEST.COM"),
        ("*", "INFO", "Kerberos: server is HTTP/*, whichever the keytab has a key for"),
        ("nowhere.example.test", "WARNING", "Kerberos: No key table entry found matching HTTP/nowhere.example.test"),
        # One of the names is served.
        (
            [HOST, "nowhere.example.test"],
            "INFO",
            f"server is HTTP/{HOST}@KRBTEST.COM; the keytab has no key for HTTP/nowhere.example.test",
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


def test_log_setup_with_keys_of_another_service(realm: Realm, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Any host of the service is none where the keytab has other services' keys alone, and that is a warning."""
    caplog.set_level(logging.INFO, "async_kerberos")
    keytab = realm.service("imap/b.acceptor.test", keytab=tmp_path / "keytab").keytab
    for hostname in ("*", [HOST, "b.acceptor.test"]):
        caplog.clear()
        Kerberos(hostname=hostname, keytab=keytab).log_setup()
        (record,) = caplog.records
        assert record.levelname == "WARNING"
        assert "no key for HTTP/" in record.getMessage()
        assert f"keytab {keytab}: it has keys of imap/b.acceptor.test@KRBTEST.COM. " in record.getMessage()
    caplog.clear()
    Kerberos(service="imap", hostname="*", keytab=keytab).log_setup()
    assert caplog.messages == ["Kerberos: server is imap/*, whichever the keytab has a key for"]


def test_log_setup_of_a_name_that_is_not_in_small_letters(
    realm: Realm, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Of a list, a key is found as a ticket is, in letters of any case: no warning for what is served."""
    caplog.set_level(logging.INFO, "async_kerberos")
    service = realm.service("HTTP/Capital.acceptor.test", keytab=tmp_path / "keytab")
    kerberos = Kerberos(hostname=["capital.acceptor.test", "b.acceptor.test"], keytab=service.keytab)
    kerberos.log_setup()
    (record,) = caplog.records
    assert record.levelname == "INFO"
    assert f"server is {service.principal};" in record.getMessage()
    accepted(kerberos.authenticate_blocking(auth_request((fresh(service.principal),))))


def test_log_setup_by_a_keytab_in_memory(caplog: pytest.LogCaptureFixture) -> None:
    """Of a keytab that is no file nothing is known but that it can be used."""
    caplog.set_level(logging.INFO, "async_kerberos")
    principal = f"HTTP/{HOST}@KRBTEST.COM"
    context = krb5.init_context()
    source = krb5.kt_default(context)
    keytab = krb5.kt_resolve(context, b"MEMORY:setup")
    for entry in source:
        krb5.kt_add_entry(context, keytab, entry.principal, entry.kvno, entry.timestamp, entry.key)
    for hostname, said in (
        ("*", "HTTP/*, whichever the keytab has a key for"),
        ([HOST, "b.acceptor.test"], f"HTTP/{HOST}, HTTP/b.acceptor.test"),
        (HOST, principal),
    ):
        caplog.clear()
        Kerberos(hostname=hostname, keytab="MEMORY:setup").log_setup()
        assert caplog.messages == [f"Kerberos: server is {said}"]


@pytest.mark.parametrize(
    ("variables", "default", "setting"),
    [
        ({"KRB5RCACHENAME": "none:"}, "", "KRB5RCACHENAME=none:"),
        ({"KRB5RCACHETYPE": "none"}, "", "KRB5RCACHETYPE=none"),
        ({}, "none:", "default_rcache_name = none: in krb5.conf"),
        ({"KRB5RCACHENAME": "dfl:", "KRB5RCACHETYPE": "none"}, "none:", ""),
        ({"KRB5RCACHETYPE": "dfl"}, "none:", ""),
        ({}, "dfl:", ""),
        ({}, "", ""),
    ],
)
def test_log_setup_without_a_replay_cache(
    variables: dict[str, str],
    default: str,
    setting: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Settings by which a token is good any number of times are warned of; and no others: there, it is good once."""
    for variable, value in variables.items():
        monkeypatch.setenv(variable, value)
    if default:
        (tmp_path / "krb5.conf").write_text(f"[libdefaults]\ndefault_rcache_name = {default}\n")
        monkeypatch.setenv("KRB5_CONFIG", f"{tmp_path}/krb5.conf:{os.environ['KRB5_CONFIG']}")
    kerberos = Kerberos(hostname=HOST)
    kerberos.log_setup()
    said = f"Kerberos: {setting}: there is no replay cache, so that a token that was stolen is good again. Unset this."
    assert caplog.messages == ([said] if setting else [])
    request = auth_request((fresh(),))
    accepted(kerberos.authenticate_blocking(request))
    again = kerberos.authenticate_blocking(request)
    assert isinstance(again, Accepted) if setting else denied(again).reason is Reason.REPLAY


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
    Kerberos(hostname=HOST).log_setup()
    assert "Kerberos: set KRB5_KTNAME to your keytab file" in caplog.text
    caplog.clear()
    Kerberos(hostname=HOST, keytab=tmp_path / "missing").log_setup()
    assert "set KRB5_KTNAME" not in caplog.text
    assert f"{tmp_path}/missing" in caplog.text


def test_principal_of_another_realm(
    realm: Realm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A key of another realm than the default one is named without a realm, for the ticket decides it."""
    caplog.set_level(logging.INFO, "async_kerberos")
    config = Path(os.environ["KRB5_CONFIG"]).read_text()
    assert "default_realm = KRBTEST.COM" in config
    (tmp_path / "krb5.conf").write_text(config.replace("default_realm = KRBTEST.COM", "default_realm = OTHER.TEST"))
    monkeypatch.setenv("KRB5_CONFIG", str(tmp_path / "krb5.conf"))
    Kerberos(hostname=HOST).log_setup()
    assert caplog.messages == [f"Kerberos: server is HTTP/{HOST}"]


def test_established_is_plain_data(alice: User) -> None:
    """What a step returns of a complete context is its data, not the context."""
    step = Acceptor("HTTP", [HOST], None).step(Initiator().step())
    assert isinstance(step, Established)
    assert step.identity == Identity(alice.principal, f"HTTP/{HOST}")
    assert not isinstance(Acceptor("HTTP", [HOST], None).step(b"\x60"), (Established, Continued))
    assert isinstance(Acceptor("HTTP", [HOST], None).step(b"\x60"), Refused)
