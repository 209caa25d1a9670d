"""Properties of the exchange: any number of clients, on any connections, in any order, as time passes."""

from __future__ import annotations

from collections import Counter
from typing import Any, ClassVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from async_kerberos import Accepted, HalfOpenLimits, Outcome, Reason
from async_kerberos.methods.half_open import HalfOpenStore
from async_kerberos.request import Peer
from async_kerberos.testing import Realm

from ..support.clocked import Clock
from ..support.exchange import Attempt, Clients, Exchange, WaitingModel
from ..support.initiator import KRB5, MUTUAL, NTLM, ONE_WAY, SPNEGO, TWO_LEGS, negotiate, reply_token
from ..support.tokens import neg_token_init, neg_token_resp
from . import SETTINGS

LIMITS = HalfOpenLimits(total=3, per_peer=2, seconds=30.0)
OPTIONS = st.fixed_dictionaries(
    {
        "user": st.integers(0, 1),
        "service": st.sampled_from(["HTTP", "HTTP", "HTTP", "imap"]),
        "mech": st.sampled_from([SPNEGO, KRB5]),
        "flags": st.sampled_from([MUTUAL, ONE_WAY, TWO_LEGS, TWO_LEGS]),
    }
)
PEERS = st.sampled_from([("a", 1), ("a", 2), ("a", 3), ("b", 1), ("c", 1), ("a", 0), None])
ALL_OF_A_KIND = {
    Reason.NO_CREDENTIALS,
    Reason.CONTINUE,
    Reason.MALFORMED,
    Reason.WRONG_MECHANISM,
    Reason.REPLAY,
    Reason.WRONG_SERVICE,
    Reason.HALF_OPEN_LOST,
}


@pytest.fixture(scope="session")
def clients(realm: Realm) -> Clients:
    return Clients(realm, "properties")


class ExchangeMachine(RuleBasedStateMachine):
    """Clients with tickets and others with none. :class:`Exchange` has the model, and fails where it is not met."""

    attempts: Bundle[Attempt] = Bundle("attempts")

    clients: ClassVar[Clients]
    seen: ClassVar[Counter[object]]

    @initialize(on_loop=st.booleans(), hostname=st.sampled_from([None, "*"]), status=st.sampled_from([401, 403]))
    def start(self, on_loop: bool, hostname: str | None, status: int) -> None:
        options: dict[str, Any] = {} if hostname is None else {"hostname": hostname}
        self.exchange = Exchange(self.clients, LIMITS, on_loop=on_loop, failure_status=status, **options)
        self.exchange.__enter__()

    def teardown(self) -> None:
        self.exchange.__exit__()

    @rule(target=attempts, options=OPTIONS)
    def make_token(self, options: dict[str, Any]) -> Attempt:
        return self.exchange.attempt(**options)

    @rule(target=attempts, options=OPTIONS, peer=PEERS)
    def begin(self, options: dict[str, Any], peer: Peer | None) -> Attempt:
        return self._begin(options, peer)

    @rule(target=attempts, options=OPTIONS, peer=PEERS)
    def sign_in(self, options: dict[str, Any], peer: Peer | None) -> Attempt:
        """All legs, with nothing in between."""
        attempt = self._begin(options, peer)
        self.send_second(attempt, peer)
        return attempt

    @rule(attempt=attempts, peer=PEERS)
    def send_first(self, attempt: Attempt, peer: Peer | None) -> None:
        self._send(attempt.tokens[0], peer, attempt)

    @rule(attempt=attempts, peer=PEERS)
    def send_second(self, attempt: Attempt, peer: Peer | None) -> None:
        token = attempt.go_on()
        if token is not None:
            self._send(token, peer, attempt)

    @rule(attempt=attempts, peer=PEERS, place=st.integers(0, 1_000), mask=st.integers(1, 255))
    def send_changed(self, attempt: Attempt, peer: Peer | None, place: int, mask: int) -> None:
        token = bytearray(attempt.tokens[-1])
        token[place % len(token)] ^= mask
        self._send(bytes(token), peer)

    @rule(attempt=attempts, peer=PEERS, length=st.integers(1, 1_000))
    def send_cut(self, attempt: Attempt, peer: Peer | None, length: int) -> None:
        token = attempt.tokens[-1]
        outcome = self._send(token[: length % len(token) or 1], peer)
        assert not isinstance(outcome, Accepted)

    @rule(peer=PEERS)
    def begin_without_token(self, peer: Peer | None) -> None:
        self._send(neg_token_init([KRB5]), peer)

    @rule(attempt=attempts, peer=PEERS)
    def begin_in_second_leg(self, attempt: Attempt, peer: Peer | None) -> None:
        self._send(neg_token_resp(attempt.tokens[0]), peer)

    @rule(token=st.sampled_from([b"\x60", b"\xa1\x03\x30\x01\x00", b"\x6e\x00", b"\x6f\x00", NTLM, b"?"]), peer=PEERS)
    def send_garbage(self, token: bytes, peer: Peer | None) -> None:
        assert not isinstance(self._send(token, peer), Accepted)

    @rule(values=st.sampled_from([[], ["Basic YTpi"], ["Negotiate !"], ["Negotiate YWJj"] * 2]), peer=PEERS)
    def send_header(self, values: list[str], peer: Peer | None) -> None:
        self._note(self.exchange.send(values, peer))

    @rule(seconds=st.sampled_from([1.0, 14.0, 15.0, 30.0]))
    def wait(self, seconds: float) -> None:
        self.exchange.clock.now += seconds

    def _begin(self, options: dict[str, Any], peer: Peer | None) -> Attempt:
        attempt = self.exchange.attempt(**options)
        self._send(attempt.tokens[0], peer, attempt)
        return attempt

    def _send(self, token: bytes, peer: Peer | None, attempt: Attempt | None = None) -> Outcome:
        outcome = self.exchange.send([negotiate(token)], peer)
        self._note(outcome)
        if isinstance(outcome, Accepted) and attempt is not None:
            self.seen[len(attempt.tokens)] += 1
            attempt.verify([reply_token([value]) for _, value in outcome.headers])
        return outcome

    def _note(self, outcome: Outcome) -> None:
        self.seen[Accepted if isinstance(outcome, Accepted) else outcome.reason] += 1


# hypothesis makes what has failed smaller for up to five minutes.
pytestmark = pytest.mark.timeout(600)


def run(machine: type[RuleBasedStateMachine], examples: int) -> None:
    run_state_machine_as_test(machine, settings=settings(SETTINGS, max_examples=examples, stateful_step_count=40))


def test_exchange(clients: Clients) -> None:
    """A client is signed in as the user that it proves to be, once, and as no other; none spoils another's exchange."""

    class Machine(ExchangeMachine):
        pass

    Machine.clients = clients
    Machine.seen = Counter()
    run(Machine, examples=100)
    assert Machine.seen[1] > 50
    assert Machine.seen[2] > 20
    assert Machine.seen.keys() >= ALL_OF_A_KIND


class StoreMachine(RuleBasedStateMachine):
    """The store against the model, which says exactly what is found and what is lost."""

    @initialize(total=st.integers(2, 4), per_peer=st.integers(1, 2))
    def start(self, total: int, per_peer: int) -> None:
        limits = HalfOpenLimits(total=total, per_peer=per_peer, seconds=30.0)
        self.clock = Clock()
        self.store: HalfOpenStore[int] = HalfOpenStore(limits, self.clock)
        self.model: WaitingModel[int] = WaitingModel(limits)
        self.count = 0

    def teardown(self) -> None:
        self.store.clear()

    @rule(address=st.sampled_from("aab"), port=st.integers(1, 3), seconds=st.sampled_from([1.0, 0.0, 9.0]))
    def put(self, address: str, port: int, seconds: float) -> None:
        self.clock.now += seconds
        self._put((address, port), None)

    @precondition(lambda self: self.model.entries)
    @rule(number=st.integers(0, 1))
    def go_on(self, number: int) -> None:
        """Another leg of an exchange, which keeps its deadline."""
        peer = self.model.entries[number % len(self.model.entries)][0]
        expected = self._take(peer)
        if expected is not None:
            self._put(peer, expected[1])

    @rule(address=st.sampled_from("aab"), port=st.integers(1, 3))
    def take(self, address: str, port: int) -> None:
        self._take((address, port))

    @rule(seconds=st.sampled_from([1.0, 9.0, 29.0]))
    def wait(self, seconds: float) -> None:
        self.clock.now += seconds

    def _take(self, peer: Peer) -> tuple[int, float] | None:
        found = self.store.take(peer)
        expected = self.model.take(peer, self.clock.now)
        assert (None if found is None else (found.context, found.deadline)) == expected
        self._compare()
        return expected

    def _put(self, peer: Peer, deadline: float | None) -> None:
        self.count += 1
        self.store.put(peer, self.count, deadline)
        self.model.put(peer, self.count, self.clock.now, deadline)
        self._compare()

    def _compare(self) -> None:
        waiting: dict[Peer, Any] = getattr(self.store, "_waiting")  # noqa: B009 - a private look
        assert [(peer, each.context, each.deadline) for peer, each in waiting.items()] == self.model.entries
        assert len(self.store) == len(waiting)


def test_store() -> None:
    """A context is found by its connection, once and in time, unless a limit has taken its place: then the oldest."""
    run(StoreMachine, examples=300)
