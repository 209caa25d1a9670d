"""Tokens that GSSAPI refuses, and exchanges that cannot go on."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from async_kerberos.testing import Realm, User

from ..support import HOSTNAME
from ..support.deployments import ADAPTERS, ALL, INTRANET, ONE_SERVER, Deployment, Running, on
from ..support.initiator import KRB5, NTLM, ONE_WAY, TWO_LEGS, Initiator, fresh, negotiate, reply_token, shift_clock
from ..support.waiting import wait_until

TWO_LEGGED = [deployment for deployment in ALL if deployment.two_legs]
ONE_LEGGED = [deployment for deployment in ALL if not deployment.two_legs]


def _flipped() -> str:
    token = bytearray(Initiator(mech=KRB5).step())
    token[-1] ^= 1  # within the authenticator's encrypted part
    return negotiate(bytes(token))


REFUSED: dict[str, tuple[Callable[[], str], str]] = {
    "wrong-service": (lambda: fresh("cifs@www.example.test"), "wrong service principal"),
    "wrong-host": (lambda: fresh("HTTP@second.example.test"), "wrong service principal"),
    "garbage": (lambda: negotiate(b"\x60garbage"), ""),
    "garbage-ap-req": (lambda: negotiate(b"\x6egarbage"), ""),
    "no-gssapi": (lambda: negotiate(b"garbage"), "malformed"),
    "ntlm": (lambda: negotiate(NTLM), "wrong mechanism"),
    "tampered": (_flipped, ""),
    "truncated": (lambda: negotiate(Initiator().step()[:-40]), ""),
}


@on(ALL)
@pytest.mark.parametrize(("authorization", "reason"), REFUSED.values(), ids=REFUSED.keys())
def test_refused(
    deployed: Running,
    user: str,
    authorization: Callable[[], str],
    reason: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """What GSSAPI refuses gets 403 and no challenge, so that a client cannot spin; the log has the reason."""
    caplog.set_level("INFO")
    response = deployed.get("/hello", authorization())
    assert (response.status, response.challenges) == (403, [])
    assert user not in response.text
    assert reason in deployed.logged(caplog)


@on(ALL)
def test_replay(deployed: Running, user: str, caplog: pytest.LogCaptureFixture) -> None:
    """A token is good once."""
    header = fresh()
    assert deployed.get("/hello", header).status == 200
    response = deployed.get("/hello", header)
    assert (response.status, response.challenges) == (403, [])
    assert "replay" in deployed.logged(caplog)


@on(ALL)
@pytest.mark.parametrize(
    ("variant", "reason"), [("stale", "key version mismatch"), ("wrong-key", "unknown key")], ids=["stale", "wrong-key"]
)
def test_wrong_key(deployed: Running, user: str, variant: str, reason: str, caplog: pytest.LogCaptureFixture) -> None:
    """A ticket for a key that the keytab does not have gets 403."""
    response = deployed.get("/hello", fresh(f"HTTP@{variant.replace('-', '')}.example.test"), variant=variant)
    assert (response.status, response.challenges) == (403, [])
    assert reason in deployed.logged(caplog)


@on(ONE_SERVER)
def test_clock_skew(
    deployed: Running, realm: Realm, user: str, alice: User, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A token of an hour from now, by the client's clock, gets 403."""
    ccache = tmp_path / "skewed"
    fresh()  # so that there is a ticket for the service in the cache
    shutil.copy(alice.ccache, ccache)
    shift_clock(ccache, 3600)
    response = deployed.get("/hello", fresh(ccache=ccache))
    assert (response.status, response.challenges) == (403, [])
    assert "clock skew" in deployed.logged(caplog)


@on(ONE_SERVER)
def test_failure_status(deployed: Running, user: str) -> None:
    """With failure_status=401, a refused token gets a new challenge; what is malformed does not."""
    response = deployed.get("/hello", fresh("cifs@www.example.test"), variant="retry")
    assert (response.status, response.challenges) == (401, ["Negotiate"])
    response = deployed.get("/hello", negotiate(NTLM), variant="retry")
    assert (response.status, response.challenges) == (401, ["Negotiate"])
    assert deployed.get("/hello", "Negotiate", variant="retry").status == 400
    assert deployed.get("/hello", fresh(), variant="retry").text == user


@on(ONE_SERVER)
def test_other_scheme_after_a_refusal(deployed: Running, user: str) -> None:
    """Where another scheme is offered too, a refused token gets 401 and that scheme's challenge alone."""
    response = deployed.get("/hello", fresh("cifs@www.example.test"), variant="intranet")
    assert (response.status, response.challenges) == (401, [INTRANET])
    initiator = Initiator()
    response = deployed.get("/hello", initiator.header, variant="intranet")
    assert (response.status, response.text) == (200, user)
    initiator.verify(reply_token(response.challenges))


@on(ONE_SERVER)
def test_hosts(deployed: Running, user: str) -> None:
    """A service of several names, or of any, takes tickets for those, and for no other service."""
    for variant in ("several-hosts", "any-host"):
        assert deployed.get("/hello", fresh(), variant=variant).text == user
        assert deployed.get("/hello", fresh("HTTP@second.example.test"), variant=variant).text == user
        response = deployed.get("/hello", fresh("cifs@www.example.test"), variant=variant)
        assert (response.status, response.challenges) == (403, [])


@on(TWO_LEGGED)
def test_two_legs(deployed: Running, user: str) -> None:
    """An exchange of two legs completes on one connection."""
    initiator = Initiator(flags=TWO_LEGS)
    with deployed.connect() as connection:
        first = connection.request("/hello", initiator.header)
        assert (first.status, first.message) == (401, "Unauthorized")
        second = connection.request("/hello", negotiate(initiator.step(reply_token(first.challenges))))
        assert (second.status, second.text) == (200, user)
        # The view runs for this request alone.
        assert connection.request("/hello").status == 401


@on(TWO_LEGGED)
def test_no_second_leg_from_elsewhere(deployed: Running, user: str, caplog: pytest.LogCaptureFixture) -> None:
    """A continuation on another connection is refused, and does not harm the exchange that waits."""
    initiator = Initiator(flags=TWO_LEGS)
    with deployed.connect() as connection:
        first = connection.request("/hello", initiator.header)
        continuation = negotiate(initiator.step(reply_token(first.challenges)))
        response = deployed.get("/hello", continuation, new_port=True)
        assert (response.status, response.challenges) == (403, [])
        assert "half-open context lost" in deployed.logged(caplog)
        assert connection.request("/hello", continuation).text == user
        # It was good once.
        assert connection.request("/hello", continuation).status == 403


@on(TWO_LEGGED)
@pytest.mark.parametrize("mech", ["spnego", "kerberos"])
def test_fresh_start_beside_a_waiting_context(deployed: Running, user: str, mech: str) -> None:
    """A new token on a connection with a half-open context begins anew, and the context is gone."""
    waiting = Initiator(flags=TWO_LEGS)
    initiator = Initiator() if mech == "spnego" else Initiator(mech=KRB5)
    with deployed.connect() as connection:
        first = connection.request("/hello", waiting.header)
        assert first.status == 401
        response = connection.request("/hello", initiator.header)
        assert (response.status, response.text) == (200, user)
        initiator.verify(reply_token(response.challenges))
        if deployed.deployment.keeps_alive:
            continuation = negotiate(waiting.step(reply_token(first.challenges)))
            assert connection.request("/hello", continuation).status == 403


@on(ONE_LEGGED)
def test_no_two_legs_without_a_connection(deployed: Running, user: str, caplog: pytest.LogCaptureFixture) -> None:
    """Where the connection is unknown, or ends with the request, an exchange of two legs ends in 403."""
    initiator = Initiator(flags=TWO_LEGS)
    with deployed.connect() as connection:
        response = connection.request("/hello", initiator.header)
    if response.status == 401:  # known, but the server closes it
        second = negotiate(initiator.step(reply_token(response.challenges)))
        response = deployed.get("/hello", second, new_port=True)
    assert (response.status, response.challenges) == (403, [])
    assert "half-open context lost" in deployed.logged(caplog)


@on(ALL)
def test_stray_continuation(deployed: Running, user: str, caplog: pytest.LogCaptureFixture) -> None:
    """A continuation of nothing gets 403."""
    for token in (b"\xa1\x07\x30\x05\xa0\x03\x0a\x01\x00", b"\x6fgarbage"):
        response = deployed.get("/hello", negotiate(token), new_port=True)
        assert (response.status, response.challenges) == (403, [])
    assert "half-open context lost" in deployed.logged(caplog)


@on(ONE_SERVER)
def test_one_way_raw_kerberos_has_no_reply(deployed: Running, user: str) -> None:
    """Where the mechanism makes no reply, there is no header."""
    response = deployed.get("/hello", Initiator(mech=KRB5, flags=ONE_WAY).header)
    assert (response.status, response.challenges) == (200, [])


def test_expired(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A ticket that was valid when the token was made, and is no longer, gets 403."""
    skew, lifetime = 1, 6  # seconds: a ticket for the service has to be had meanwhile
    strict = Realm(krb5_conf={"libdefaults": {"clockskew": str(skew)}})
    with strict, pytest.MonkeyPatch.context() as patch:
        patch.setenv("KRB5RCACHEDIR", str(tmp_path))
        strict.service(f"HTTP/{HOSTNAME}")
        bob = strict.user("bob", ticket=False)
        with (
            strict.environ(bob),
            Deployment(ADAPTERS["asgi"], "uvicorn-h11").run_one({"hostname": HOSTNAME}) as running,
        ):
            bob.kinit(lifetime=timedelta(seconds=lifetime))
            authorization = fresh()
            over = time.time() + lifetime + skew + 1  # tickets are dated in whole seconds
            wait_until(lambda: time.time() > over, "the ticket's time is over")
            response = running.get("/hello", authorization)
            assert (response.status, response.challenges) == (403, [])
            assert "expired ticket" in running.logged(caplog)
