"""The decision on requests that no ticket is needed for: what happens before the step, and to results reused."""

from __future__ import annotations

import base64
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anyio
import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from async_kerberos import Accepted, AuthRequest, ConfigurationError, Denied, Identity, Kerberos, Outcome, Reason
from async_kerberos._decision.answers import plain_denial
from async_kerberos.adapters.asgi import KerberosMiddleware

from ...support.asking import PLAIN, auth_request, found
from ...support.certificates import make_certificate, rsa_key
from ...support.initiator import KRB5
from ...support.tokens import neg_token_init, wrap

PEER = ("192.0.2.7", 40_000)
BASIC = 'Basic realm="intranet"'


def next_check(earlier: Accepted) -> AuthRequest:
    """The request of which this was found, at its next check."""
    assert earlier.checked is not None
    return auth_request(earlier.checked.authorization, PEER, earlier)


def decide(kerberos: Kerberos, *authorization: str, peer: tuple[str, int] | None = PEER) -> Denied:
    outcome = kerberos.authenticate_blocking(auth_request(authorization, peer))
    assert isinstance(outcome, Denied)
    return outcome


def negotiate(token: bytes) -> str:
    return "Negotiate " + base64.b64encode(token).decode()


def challenges(outcome: Outcome) -> Sequence[str]:
    return [value for name, value in outcome.headers if name == "WWW-Authenticate"]


@pytest.mark.parametrize("authorization", [[], ["Basic YTpi"], ["Bearer x"], [""]])
def test_no_credentials(authorization: list[str]) -> None:
    """Without credentials, or with another scheme's, the answer is 401 with every challenge that is offered."""
    denied = decide(Kerberos(), *authorization)
    assert (denied.status, denied.reason, challenges(denied)) == (401, Reason.NO_CREDENTIALS, ["Negotiate"])
    denied = decide(Kerberos(other_challenges=[BASIC]), *authorization)
    assert challenges(denied) == ["Negotiate", BASIC]


@pytest.mark.parametrize("authorization", [["Negotiate"], ["Negotiate ?"], ["Negotiate YWJj", "Basic YTpi"]])
@pytest.mark.parametrize("failure_status", [401, 403])
def test_malformed_header(authorization: list[str], failure_status: int) -> None:
    """A malformed header is 400 without a challenge."""
    denied = decide(Kerberos(failure_status=failure_status, other_challenges=[BASIC]), *authorization)
    assert (denied.status, denied.reason, denied.headers) == (400, Reason.MALFORMED_HEADER, PLAIN)


def test_too_large() -> None:
    """A token over the limit is 431."""
    denied = decide(Kerberos(max_token_size=3), negotiate(b"four"))
    assert (denied.status, denied.reason, denied.headers) == (431, Reason.TOO_LARGE, PLAIN)


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        (b"NTLMSSP\0\1\0\0\0", Reason.WRONG_MECHANISM),
        (b"garbage", Reason.MALFORMED),
        (b"\xa1\x07", Reason.HALF_OPEN_LOST),
        (b"\x6f\x07", Reason.HALF_OPEN_LOST),
    ],
)
def test_hopeless_token(token: bytes, reason: Reason) -> None:
    """A token that GSSAPI need not see is refused: 403, or 401 with the challenges that the operator wants."""
    denied = decide(Kerberos(), negotiate(token))
    assert (denied.status, denied.reason, denied.headers) == (403, reason, PLAIN)
    denied = decide(Kerberos(failure_status=401), negotiate(token))
    assert (denied.status, denied.reason, challenges(denied)) == (401, reason, ["Negotiate"])
    for failure_status in (401, 403):
        denied = decide(Kerberos(failure_status=failure_status, other_challenges=[BASIC]), negotiate(token))
        assert (denied.status, denied.reason, challenges(denied)) == (401, reason, [BASIC])


def test_earlier_result_of_the_same_object() -> None:
    """A result is reused by the object that made it, without the reply, which has been brought already."""
    kerberos = Kerberos(hostname="www.example.test")
    reply = (("WWW-Authenticate", "Negotiate cmVwbHk="),)
    earlier = found(Identity("alice@X", "anything at all"), reply, kerberos, ("Negotiate dG9rZW4=",))
    outcome = kerberos.authenticate_blocking(auth_request(("Negotiate dG9rZW4=",), PEER, earlier))
    assert isinstance(outcome, Accepted)
    assert (outcome.identity, outcome.headers, outcome.checked) == (earlier.identity, (), earlier.checked)


@pytest.mark.parametrize("authorization", [(), ("Negotiate b3RoZXI=",), ("Negotiate dG9rZW4=", "Negotiate dG9rZW4=")])
def test_earlier_result_of_another_request(authorization: tuple[str, ...]) -> None:
    """A result says nothing of a request with other credentials, or with none."""
    kerberos = Kerberos(hostname="www.example.test")
    earlier = found(Identity("alice@X", "HTTP/www.example.test@X"), (), kerberos, ("Negotiate dG9rZW4=",))
    assert isinstance(kerberos.authenticate_blocking(auth_request(authorization, PEER, earlier)), Denied)


@pytest.mark.parametrize(
    ("hostname", "service_principal", "passes"),
    [
        ("www.example.test", "HTTP/www.example.test@X", True),
        ("WWW.example.TEST", "HTTP/www.example.test@X", True),
        ("www.example.test", "HTTP/www.example.test", True),
        ("www.example.test", "HTTP/other.example.test@X", False),
        ("www.example.test", "cifs/www.example.test@X", False),
        ("www", "HTTP/www@X", True),
        ("WWW", "HTTP/www@X", True),
        ("www", "HTTP/www.example.test@X", False),
        ("www", "HTTP/www.@X", False),
        (["www", "api"], "HTTP/www.other.test@X", False),
        ("ww", "HTTP/www.example.test@X", False),
        ("www.example", "HTTP/www.example.test@X", False),
        (["a.example", "b.example"], "HTTP/b.example@X", True),
        (["a.example", "b.example"], "HTTP/c.example@X", False),
        ("*", "HTTP/anything@X", True),
        ("*", "host/anything@X", False),
        ("*", "HTTP@X", False),
        ("*", "HTTP/a/b@X", False),
        ("*", "HTTP/a\\/b@X", False),
        ("*", "HTTP\\/a@X", False),
        ("*", "", False),
    ],
)
def test_earlier_result_of_another_object(hostname: str | list[str], service_principal: str, passes: bool) -> None:
    """Another object's result passes only if the ticket was for a service and host of this one; it takes no step."""
    kerberos = Kerberos(hostname=hostname)
    earlier = found(Identity("alice@X", service_principal), (), Kerberos(), ("Negotiate dG9rZW4=",))
    outcome = kerberos.authenticate_blocking(next_check(earlier))
    if passes:
        assert isinstance(outcome, Accepted)
        assert outcome.headers == ()
    else:
        assert isinstance(outcome, Denied)
        assert (outcome.status, outcome.reason) == (403, Reason.WRONG_SERVICE)


def test_this_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a host name, this host's is asked for at the call, and judged by."""
    kerberos = Kerberos()
    earlier = found(
        Identity("alice@X", "HTTP/here.example.test@X"), (), Kerberos(hostname="*"), ("Negotiate dG9rZW4=",)
    )
    request = next_check(earlier)
    monkeypatch.setattr("socket.gethostname", lambda: "here.example.test")
    assert isinstance(kerberos.authenticate_blocking(request), Accepted)
    monkeypatch.setattr("socket.gethostname", lambda: "there.example.test")
    assert isinstance(kerberos.authenticate_blocking(request), Denied)


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"])
async def test_async_door(anyio_backend: str) -> None:
    """The async door comes to the same decisions, and starts no worker for what needs no step."""
    kerberos = Kerberos()
    assert await kerberos.authenticate(auth_request()) == decide(kerberos, peer=None)
    assert await kerberos.authenticate(auth_request((negotiate(b"garbage"),))) == decide(
        kerberos, negotiate(b"garbage")
    )


def test_log(caplog: pytest.LogCaptureFixture) -> None:
    """The log tells the status, the client, the reason and the remedy, in one line, and nothing of the token."""
    caplog.set_level(logging.DEBUG, "async_kerberos")
    decide(Kerberos(), peer=("bad\n\x1b[31mpeer", 1))
    decide(Kerberos(), negotiate(b"NTLMSSP\0\1\0\0\0secret"))
    decide(Kerberos(), "Negotiate secret?", peer=None)
    debug, warning, malformed = caplog.records
    assert debug.levelname == "DEBUG"
    assert "\n" not in debug.getMessage()
    assert "\x1b" not in debug.getMessage()
    assert warning.levelname == "WARNING"
    assert warning.getMessage().startswith("Kerberos: 403 for 192.0.2.7: wrong mechanism (an NTLM token). ")
    assert Reason.WRONG_MECHANISM.remedy in warning.getMessage()
    assert malformed.getMessage().startswith("Kerberos: 400 for a client: malformed header (the token is not base64). ")
    assert "secret" not in caplog.text
    assert base64.b64encode(b"secret").decode()[:6] not in caplog.text


def test_earlier_result_by_another_keytab() -> None:
    """A ticket that another keytab's key has opened proves nothing to this service, whatever its name."""
    mine, other = (Kerberos(hostname="www.example.test", keytab=keytab) for keytab in ("mine", "other"))
    for maker in (other, None):
        earlier = found(Identity("alice@X", "HTTP/www.example.test@X"), (), maker, ("Negotiate dG9rZW4=",))
        assert isinstance(mine.authenticate_blocking(next_check(earlier)), Denied)


def test_earlier_result_of_an_equal_object() -> None:
    """Two objects with the same service and keytab agree, also where the library has made another name of an alias."""
    one, two = (Kerberos(hostname="alias.example.test") for _ in range(2))
    earlier = found(Identity("alice@X", "HTTP/real.example.test"), (), one, ("Negotiate dG9rZW4=",))
    assert isinstance(two.authenticate_blocking(next_check(earlier)), Accepted)


SPNEGO = negotiate(neg_token_init([KRB5]))
RAW = negotiate(wrap(KRB5, b"rest"))


@pytest.mark.parametrize("token", [b"\x6e\x03raw", b"\x6f\x03raw", wrap(KRB5, b"rest")])
def test_raw_kerberos_refused(token: bytes, caplog: pytest.LogCaptureFixture) -> None:
    """Where raw Kerberos is off, a token without SPNEGO around it does not get as far as GSSAPI."""
    denied = decide(Kerberos(raw_kerberos=False), negotiate(token))
    assert (denied.status, denied.reason, denied.headers) == (403, Reason.WRONG_MECHANISM, PLAIN)
    assert "raw_kerberos is off" in caplog.text


@pytest.mark.parametrize("spnego", [True, False])
def test_earlier_result_of_a_raw_token(spnego: bool) -> None:
    """Where raw Kerberos is off, another object's result from a raw token does not count either."""
    other, strict = Kerberos(), Kerberos(raw_kerberos=False)
    earlier = found(Identity("alice@X"), (), other, (SPNEGO if spnego else RAW,), spnego=spnego)
    outcome = strict.authenticate_blocking(next_check(earlier))
    assert isinstance(outcome, Accepted) is spnego


def test_earlier_result_over_plain_http() -> None:
    """Another object's result does not make up for the TLS that this one demands."""
    other, strict = Kerberos(), Kerberos(require_tls=True)
    earlier = found(Identity("alice@X"), (), other, (SPNEGO,))
    outcome = strict.authenticate_blocking(next_check(earlier))
    assert outcome == plain_denial(403, Reason.NOT_TLS)


def test_earlier_result_is_not_judged_again() -> None:
    """What this same object has let in is in, also where a bridge has lost what showed that it came over TLS."""
    kerberos = Kerberos(require_tls=True)
    earlier = found(Identity("alice@X"), (), kerberos, (SPNEGO,))
    assert isinstance(kerberos.authenticate_blocking(auth_request((SPNEGO,), None, earlier)), Accepted)
    assert isinstance(kerberos.authenticate_blocking(auth_request((RAW,), None, earlier)), Denied)


def test_earlier_result_and_bindings(tmp_path: Path) -> None:
    """Where bindings are required, an unbound result does not count, nor one bound to another certificate."""
    paths = [tmp_path / "one.pem", tmp_path / "two.pem"]
    for path in paths:
        path.write_bytes(make_certificate(rsa_key()).public_bytes(Encoding.PEM))
    one, again, two = (
        Kerberos(channel_bindings="require", certificate=path) for path in (paths[0], str(paths[0]), paths[1])
    )
    plain = Kerberos()
    for maker, bound, reason in (
        (one, True, None),
        (again, True, None),
        (again, False, Reason.BAD_BINDINGS),
        (two, True, Reason.WRONG_SERVICE),
        (plain, True, Reason.WRONG_SERVICE),
    ):
        earlier = found(Identity("alice@X", channel_bound=bound), (), maker, (SPNEGO,))
        outcome = one.authenticate_blocking(next_check(earlier))
        assert getattr(outcome, "reason", None) is reason
    # What is demanded there matters to nobody else.
    earlier = found(Identity("alice@X", channel_bound=True), (), one, (SPNEGO,))
    assert isinstance(plain.authenticate_blocking(next_check(earlier)), Accepted)


@pytest.mark.parametrize("realm", ["WELLKNOWN:ANONYMOUS", "EXAMPLE.COM"])
def test_anonymous(realm: str, caplog: pytest.LogCaptureFixture) -> None:
    """A ticket that does not say whose it is lets nobody in: 403 whatever the operator wants for refused tokens."""
    for kerberos in (Kerberos(), Kerberos(failure_status=401), Kerberos(other_challenges=[BASIC])):
        earlier = found(Identity(f"WELLKNOWN/ANONYMOUS@{realm}"), (), Kerberos(), (SPNEGO,))
        outcome = kerberos.authenticate_blocking(next_check(earlier))
        assert outcome == plain_denial(403, Reason.NOT_AUTHORISED)
    assert "an anonymous ticket" in caplog.text


def test_long_detail(caplog: pytest.LogCaptureFixture) -> None:
    """However much a client has to say, the log's line is short."""
    decide(Kerberos(), negotiate(b"garbage"), peer=("x" * 100_000, 1))
    assert len(caplog.records[0].getMessage()) < 1000


@pytest.mark.parametrize("kerberos", ["HTTP", "", 0, Kerberos])
def test_wrong_kerberos(kerberos: Any) -> None:
    """What is given for a ``Kerberos`` and is none is refused at once, not with the first request."""
    with pytest.raises(ConfigurationError, match=r"^kerberos: "):
        KerberosMiddleware(anyio.sleep, kerberos)  # type: ignore[arg-type] # it is never called
