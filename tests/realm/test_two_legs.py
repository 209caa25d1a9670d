"""Exchanges of two legs: a sign-in that takes two requests on one connection."""

from __future__ import annotations

import sys

import pytest

from async_kerberos import HalfOpenLimits, Kerberos, Reason
from async_kerberos._gss.acceptor import Acceptor
from async_kerberos._gss.steps import Continued
from async_kerberos.testing import Realm, User

from ..support import HOSTNAME
from ..support.asking import PLAIN, accepted, auth_request, denied, reply_of, token_request
from ..support.clocked import Clock
from ..support.initiator import KRB5, TWO_LEGS, Initiator
from ..support.tokens import neg_token_init, neg_token_resp, take_response_token

PEER = ("192.0.2.7", 40_000)

pytestmark = pytest.mark.usefixtures("signed_in")


def test_two_legs(kerberos: Kerberos, alice: User) -> None:
    """An exchange of two legs completes on its connection, and the client is sure of the server."""
    initiator = Initiator(flags=TWO_LEGS)
    first = denied(kerberos.authenticate_blocking(token_request(initiator.step(), PEER)))
    assert (first.status, first.reason) == (401, Reason.CONTINUE)
    second = kerberos.authenticate_blocking(token_request(initiator.step(reply_of(first)), PEER))
    assert accepted(second).principal == alice.principal
    initiator.step(reply_of(second))
    assert initiator.complete


@pytest.mark.parametrize("first_peer", [PEER, None, (PEER[0], 0), (PEER[0], PEER[1] + 1)])
def test_continuation_elsewhere(kerberos: Kerberos, first_peer: tuple[str, int] | None) -> None:
    """A leg is known by its connection alone: from another one, or from none of its own, the exchange is lost."""
    initiator = Initiator(flags=TWO_LEGS)
    first = denied(kerberos.authenticate_blocking(token_request(initiator.step(), first_peer)))
    if first_peer is None or not first_peer[1]:
        assert (first.status, first.reason, first.headers) == (403, Reason.HALF_OPEN_LOST, PLAIN)
        return
    token = initiator.step(reply_of(first))
    peer = (PEER[0], PEER[1] + 2)
    second = denied(kerberos.authenticate_blocking(token_request(token, peer)))
    assert (second.status, second.reason, second.headers) == (403, Reason.HALF_OPEN_LOST, PLAIN)


def test_fresh_start_on_a_spoilt_connection(kerberos: Kerberos) -> None:
    """A half-open context that somebody left on a connection does not spoil the next user's token, and is gone."""
    left = Initiator(flags=TWO_LEGS)
    first = denied(kerberos.authenticate_blocking(token_request(left.step(), PEER)))
    accepted(kerberos.authenticate_blocking(token_request(Initiator().step(), PEER)))
    late = kerberos.authenticate_blocking(token_request(left.step(reply_of(first)), PEER))
    assert denied(late).reason is Reason.HALF_OPEN_LOST


def test_request_without_a_token_keeps_the_exchange(kerberos: Kerberos) -> None:
    """A request without credentials in between, for a picture say, does not end the exchange."""
    initiator = Initiator(flags=TWO_LEGS)
    first = denied(kerberos.authenticate_blocking(token_request(initiator.step(), PEER)))
    assert denied(kerberos.authenticate_blocking(auth_request((), PEER))).reason is Reason.NO_CREDENTIALS
    accepted(kerberos.authenticate_blocking(token_request(initiator.step(reply_of(first)), PEER)))


@pytest.mark.parametrize(("between", "reason"), [(14.0, None), (16.0, Reason.HALF_OPEN_LOST)])
def test_deadline_of_the_exchange(realm: Realm, alice: User, between: float, reason: Reason | None) -> None:
    """An exchange has thirty seconds in all, from its first leg on: another leg does not renew them."""
    kerberos = Kerberos(hostname=HOSTNAME, half_open=HalfOpenLimits(seconds=30.0))
    clock = Clock()
    setattr(getattr(getattr(kerberos, "_tickets"), "_half_open"), "_clock", clock)  # noqa: B009, B010 - no type checker minds
    initiator = Initiator(mech=KRB5, flags=TWO_LEGS)
    # Without a token of Kerberos in it, the first leg only begins an exchange, which then has two more.
    for token in (neg_token_init([KRB5]), neg_token_resp(initiator.step())):
        outcome = denied(kerberos.authenticate_blocking(token_request(token, PEER)))
        assert (outcome.status, outcome.reason) == (401, Reason.CONTINUE)
        clock.now += between
    token = neg_token_resp(initiator.step(take_response_token(reply_of(outcome))))
    last = kerberos.authenticate_blocking(token_request(token, PEER))
    if reason is None:
        assert accepted(last).principal == alice.principal
    else:
        assert denied(last).reason is reason
    kerberos.close()


def test_half_open_limits(realm: Realm) -> None:
    """The limits that were given are kept: here, one context."""
    kerberos = Kerberos(hostname=HOSTNAME, half_open=HalfOpenLimits(total=1))
    initiators = [Initiator(flags=TWO_LEGS), Initiator(flags=TWO_LEGS)]
    firsts = [
        denied(kerberos.authenticate_blocking(token_request(initiator.step(), (f"192.0.2.{number}", 1))))
        for number, initiator in enumerate(initiators)
    ]
    tokens = [initiator.step(reply_of(first)) for initiator, first in zip(initiators, firsts, strict=True)]
    outcomes = [
        kerberos.authenticate_blocking(token_request(token, (f"192.0.2.{number}", 1)))
        for number, token in enumerate(tokens)
    ]
    assert denied(outcomes[0]).reason is Reason.HALF_OPEN_LOST
    accepted(outcomes[1])


@pytest.mark.parametrize("token", [b"garbage", b"NTLMSSP\0\1\0\0\0"])
def test_hopeless_token_keeps_the_exchange(kerberos: Kerberos, token: bytes) -> None:
    """A token that cannot belong to the exchange does not end it."""
    initiator = Initiator(flags=TWO_LEGS)
    first = denied(kerberos.authenticate_blocking(token_request(initiator.step(), PEER)))
    denied(kerberos.authenticate_blocking(token_request(token, PEER)))
    accepted(kerberos.authenticate_blocking(token_request(initiator.step(reply_of(first)), PEER)))


def test_spoilt_continuation(kerberos: Kerberos) -> None:
    """A second leg that is garbage is refused, and ends the exchange."""
    initiator = Initiator(flags=TWO_LEGS)
    first = denied(kerberos.authenticate_blocking(token_request(initiator.step(), PEER)))
    garbage = kerberos.authenticate_blocking(token_request(b"\xa1\x03\x30\x01\x00", PEER))
    assert (denied(garbage).status, denied(garbage).headers) == (403, PLAIN)
    late = kerberos.authenticate_blocking(token_request(initiator.step(reply_of(first)), PEER))
    assert denied(late).reason is Reason.HALF_OPEN_LOST


def test_nothing_is_kept() -> None:
    """No security context outlives its request."""
    acceptor = Acceptor("HTTP", [HOSTNAME], None)
    step = acceptor.step(Initiator(flags=TWO_LEGS).step())
    assert isinstance(step, Continued)
    context = step.context
    del step
    # Two references: the variable here, and the argument there.
    assert sys.getrefcount(context) == 2
