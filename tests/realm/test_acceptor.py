"""The acceptor and both doors of ``Kerberos`` with real tickets: who gets in, and who does not."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import gssapi.raw as gss
import pytest

from async_kerberos import Accepted, Denied, Identity, Kerberos, Outcome, Reason
from async_kerberos._gss.acceptor import Acceptor
from async_kerberos._gss.steps import Continued, Established, Refused
from async_kerberos.testing import Realm, User

from ..support import HOSTNAME
from ..support.asking import PLAIN, accepted, auth_request, denied, identity_of, reply_of, token_request
from ..support.guards import GssSpy
from ..support.initiator import KRB5, ONE_WAY, SPNEGO, Initiator, fresh
from ..support.waiting import WITHOUT_CONFIGURATION

PEER = ("192.0.2.7", 40_000)

pytestmark = pytest.mark.usefixtures("signed_in")


@pytest.mark.parametrize("mech", [SPNEGO, KRB5])
def test_accepted(alice: User, mech: gss.OID) -> None:
    """A ticket gets its owner in, by SPNEGO and by plain Kerberos, and the reply proves the server to the client."""
    initiator = Initiator(mech=mech)
    outcome = accepted(Kerberos(hostname=HOSTNAME).authenticate_blocking(token_request(initiator.step())))
    assert outcome.principal == alice.principal
    assert identity_of(outcome).service_principal == f"HTTP/{HOSTNAME}@KRBTEST.COM"
    initiator.step(reply_of(outcome))
    assert initiator.complete


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"])
async def test_async_door(anyio_backend: str, kerberos: Kerberos, alice: User) -> None:
    """The async door lets the same users in, on asyncio and on trio; its call is made on a worker."""
    outcome = accepted(await kerberos.authenticate(token_request(Initiator().step())))
    assert outcome.principal == alice.principal


def test_client_that_wants_no_mutual_authentication(alice: User) -> None:
    """A client that did not ask for mutual authentication is served, too."""
    kerberos = Kerberos(hostname=HOSTNAME)
    for mech in (SPNEGO, KRB5):
        token = Initiator(mech=mech, flags=ONE_WAY).step()
        outcome = accepted(kerberos.authenticate_blocking(token_request(token)))
        assert outcome.identity == Identity(alice.principal, f"HTTP/{HOSTNAME}@KRBTEST.COM")


def test_replay(caplog: pytest.LogCaptureFixture) -> None:
    """A token is good once, whichever object it was used with."""
    authorization = (fresh(),)
    accepted(Kerberos(hostname=HOSTNAME).authenticate_blocking(auth_request(authorization, PEER)))
    for kerberos in (Kerberos(hostname=HOSTNAME), Kerberos(hostname="*")):
        outcome = denied(kerberos.authenticate_blocking(auth_request(authorization, PEER)))
        assert (outcome.status, outcome.reason, outcome.headers) == (403, Reason.REPLAY, PLAIN)
    assert "Kerberos: 403 for 192.0.2.7: replay (Request is a replay). " + Reason.REPLAY.remedy in caplog.text


def test_one_winner() -> None:
    """Of eight threads with the same token, one gets in."""
    kerberos = Kerberos(hostname=HOSTNAME)
    request = token_request(Initiator().step())
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


@pytest.mark.usefixtures("others")
@pytest.mark.parametrize(
    ("hostname", "target", "principal"),
    [
        (HOSTNAME, f"HTTP@{HOSTNAME}", f"HTTP/{HOSTNAME}@KRBTEST.COM"),
        (HOSTNAME, f"imap@{HOSTNAME}", None),
        (HOSTNAME, "HTTP@b.acceptor.test", None),
        ([HOSTNAME], f"HTTP@{HOSTNAME}", f"HTTP/{HOSTNAME}@KRBTEST.COM"),
        ([HOSTNAME, "b.acceptor.test"], f"HTTP@{HOSTNAME}", f"HTTP/{HOSTNAME}@KRBTEST.COM"),
        ([HOSTNAME, "b.acceptor.test"], "HTTP@b.acceptor.test", "HTTP/b.acceptor.test@KRBTEST.COM"),
        ([HOSTNAME, "b.acceptor.test"], "HTTP@c.acceptor.test", None),
        ([HOSTNAME, "b.acceptor.test"], f"imap@{HOSTNAME}", None),
        ("*", "HTTP@c.acceptor.test", "HTTP/c.acceptor.test@KRBTEST.COM"),
        ("*", f"imap@{HOSTNAME}", None),
    ],
)
def test_only_this_service(hostname: str | list[str], target: str, principal: str | None) -> None:
    """A ticket is good for the host names asked for and for no other service, though the keytab has its key."""
    outcome = Kerberos(hostname=hostname).authenticate_blocking(token_request(Initiator(target).step()))
    if principal is not None:
        assert identity_of(outcome).service_principal == principal
    else:
        assert (denied(outcome).status, denied(outcome).reason) == (403, Reason.WRONG_SERVICE)


@pytest.mark.usefixtures("others")
@pytest.mark.parametrize("domain", ["acceptor.test", "Acceptor.TEST", "other.test", "", None])
@pytest.mark.parametrize("hostname", [["c", "b"], "*"])
def test_name_without_a_dot(
    domain: str | None, hostname: Any, realm: Realm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name without a dot stands for itself and for its name in the domain of krb5.conf, and for no other name.

    That holds in a list of names, and for an inner service below one that takes any name.
    """
    if domain is not None:
        config = tmp_path / "krb5.conf"
        config.write_text(f'[libdefaults]\nqualify_shortname = "{domain}"\n')
        monkeypatch.setenv("KRB5_CONFIG", f"{config}:{realm.env['KRB5_CONFIG']}")
    outer = Kerberos(hostname=hostname)
    request = token_request(Initiator("HTTP@b.acceptor.test").step())
    outcome = outer.authenticate_blocking(request)
    passes = domain in ("acceptor.test", "Acceptor.TEST")
    if hostname == "*":
        for inner in (Kerberos(hostname="b"), Kerberos(hostname=["c", "b"])):
            again = inner.authenticate_blocking(auth_request(request.authorization, earlier=accepted(outcome)))
            assert isinstance(again, Accepted) is passes
    else:
        assert isinstance(outcome, Accepted) is passes
        if not passes:
            # The keytab has no key of such a name.
            assert denied(outcome).reason is Reason.MISCONFIGURED


def test_another_service_name() -> None:
    """The service may have another name than HTTP."""
    kerberos = Kerberos(service="imap", hostname="*")
    accepted(kerberos.authenticate_blocking(token_request(Initiator(f"imap@{HOSTNAME}").step())))
    assert denied(kerberos.authenticate_blocking(token_request(Initiator().step()))).status == 403


def test_this_host(realm: Realm, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without a host name the service is this host's, asked for when the first token comes."""
    service = realm.service("HTTP/here.example.test", keytab=tmp_path / "here.keytab")
    kerberos = Kerberos(keytab=service.keytab)
    monkeypatch.setattr("socket.gethostname", lambda: "here.example.test")
    outcome = kerberos.authenticate_blocking(token_request(Initiator("HTTP@here.example.test").step()))
    assert identity_of(outcome).service_principal == "HTTP/here.example.test@KRBTEST.COM"


@WITHOUT_CONFIGURATION
def test_this_host_by_its_short_name(
    realm: Realm, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, gss_spy: GssSpy
) -> None:
    """If the system tells this host's name without a domain, the library is asked for it, once it has told one."""
    service = realm.service("HTTP/short.example.test", keytab=tmp_path / "short.keytab")
    monkeypatch.setattr("socket.gethostname", lambda: "short")
    kerberos = Kerberos(keytab=service.keytab)
    token = token_request(Initiator("HTTP@short.example.test").step())
    assert denied(kerberos.authenticate_blocking(token)).reason is Reason.MISCONFIGURED
    for domain, broken in (("", True), ("example.test", False)):
        config = tmp_path / f"krb5.{broken}.conf"
        config.write_text(
            f"[libdefaults]\nqualify_shortname = {domain}\n{'allow_weak_crypto = perhaps' if broken else ''}\n"
        )
        monkeypatch.setenv("KRB5_CONFIG", f"{config}:{realm.env['KRB5_CONFIG']}")
        kerberos = Kerberos(keytab=service.keytab)
        outcome = kerberos.authenticate_blocking(token)
        if broken:
            assert denied(outcome).reason is Reason.KRB5_CONF
    assert identity_of(outcome).service_principal == service.principal
    asked = gss_spy.calls["canonicalize_name"]
    monkeypatch.setattr("async_kerberos._gss.keyring._FRESH_SECONDS", 0.0)
    realm.service("HTTP/more.example.test", keytab=service.keytab)
    token = token_request(Initiator("HTTP@short.example.test").step())
    accepted(kerberos.authenticate_blocking(token))
    assert gss_spy.calls["canonicalize_name"] == asked


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
    outcome = denied(Kerberos(hostname=HOSTNAME).authenticate_blocking(token_request(token)))
    assert (outcome.status, outcome.headers) == (403, PLAIN)


def test_truncated() -> None:
    """A token cut short is refused as malformed: by 403, for the header was well-formed."""
    outcome = denied(Kerberos(hostname=HOSTNAME).authenticate_blocking(token_request(Initiator().step()[:100])))
    assert (outcome.status, outcome.reason) == (403, Reason.MALFORMED)


@pytest.mark.parametrize("text", [b"Key table file!!", b"Clock skew too g", b"(filename: x.tes"])
def test_ticket_that_quotes_an_error(text: bytes) -> None:
    """The service's name in a ticket is anybody's to write: no text in it makes the client's fault the server's."""
    token = Initiator().step()
    assert token.count(b"www.example.test") == 1
    forged = bytearray(token.replace(b"www.example.test", text))
    forged[forged.index(text) + 100] ^= 1  # in the ticket's encrypted part
    outcome = denied(Kerberos(hostname=HOSTNAME).authenticate_blocking(token_request(bytes(forged))))
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
    outcome = denied(Kerberos(hostname=HOSTNAME).authenticate_blocking(token_request(token)))
    assert (outcome.status, outcome.headers) == (403, PLAIN)


def test_old_key(realm: Realm, tmp_path: Path) -> None:
    """A ticket for a key that the keytab no longer has is refused, and the log names the key's version."""
    service = realm.service("HTTP/rekeyed.example.test", keytab=tmp_path / "keytab")
    kerberos = Kerberos(hostname="rekeyed.example.test", keytab=service.keytab)
    token = Initiator("HTTP@rekeyed.example.test").step()
    service.keytab.unlink()
    realm.rekey(service)
    outcome = denied(kerberos.authenticate_blocking(token_request(token)))
    assert (outcome.status, outcome.reason) == (403, Reason.KEY_VERSION)


def test_wrong_key(realm: Realm, tmp_path: Path) -> None:
    """A ticket made for another key than the keytab's is refused."""
    one = realm.service("HTTP/otherkey.example.test", keytab=tmp_path / "keytab")
    with Realm(name=realm.name) as twin:
        other = twin.service("HTTP/otherkey.example.test", keytab=tmp_path / "other.keytab")
        other.keytab.replace(one.keytab)
    kerberos = Kerberos(hostname="otherkey.example.test", keytab=one.keytab)
    outcome = denied(kerberos.authenticate_blocking(token_request(Initiator("HTTP@otherkey.example.test").step())))
    assert (outcome.status, outcome.reason) == (403, Reason.UNKNOWN_KEY)


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
    kerberos = Kerberos(hostname=HOSTNAME)
    kerberos.log_setup()
    said = f"Kerberos: {setting}: there is no replay cache, so a stolen token can be used again. Unset this."
    assert caplog.messages == ([said] if setting else [])
    request = auth_request((fresh(),))
    accepted(kerberos.authenticate_blocking(request))
    again = kerberos.authenticate_blocking(request)
    assert isinstance(again, Accepted) if setting else denied(again).reason is Reason.REPLAY


def test_established_is_plain_data(alice: User) -> None:
    """What a step returns of a complete context is its data, not the context."""
    step = Acceptor("HTTP", [HOSTNAME], None).step(Initiator().step())
    assert isinstance(step, Established)
    assert step.identity == Identity(alice.principal, f"HTTP/{HOSTNAME}@KRBTEST.COM")
    assert not isinstance(Acceptor("HTTP", [HOSTNAME], None).step(b"\x60"), (Established, Continued))
    assert isinstance(Acceptor("HTTP", [HOSTNAME], None).step(b"\x60"), Refused)
