"""Clients with real tickets, and a model of what the acceptor must answer to each request of an exchange.

The model knows nothing of how tokens are checked. It knows which tokens clients have made, and looks for their proofs
in what is sent: the ends of encrypted parts, which nobody could make without a client's or a service's key.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import gssapi.raw as gss

from async_kerberos import Accepted, AuthRequest, Denied, HalfOpenLimits, Kerberos, Outcome, Reason
from async_kerberos._decision.answers import plain_denial
from async_kerberos.methods.half_open import HalfOpenStore
from async_kerberos.request import Peer
from async_kerberos.testing import Realm, User

from .asking import PLAIN, auth_request
from .clocked import Clock
from .grammar import Verdict, judge
from .initiator import MUTUAL, SPNEGO, TWO_LEGS, Initiator, reply_token

T = TypeVar("T")

# An AP-REQ ends in the encrypted authenticator, of about 200 bytes, an AP-REP in an encrypted part of about 65.
_AP_REQ_PROOF = 100
_AP_REP_PROOF = 40

_REFUSALS = frozenset(Reason) - {
    Reason.NO_CREDENTIALS,
    Reason.CONTINUE,
    Reason.TOO_LARGE,
    Reason.HALF_OPEN_LOST,
    # The server is in order, whatever a client makes up.
    Reason.OVERLOADED,
    Reason.TIMED_OUT,
    Reason.MISCONFIGURED,
    Reason.SERVER_FAULT,
}


class Clients:
    """Two users with tickets, and a host whose keytab has the keys of two services.

    Args:
        realm: the realm, in this process's environment.
        name: what tells users and host from those of others.
    """

    def __init__(self, realm: Realm, name: str) -> None:
        self.host = f"{name}.example.test"
        self.users = (realm.user(f"{name}-alice"), realm.user(f"{name}-bob"))
        for service in ("HTTP", "imap"):
            realm.service(f"{service}/{self.host}")

    def attempt(self, user: int = 0, *, service: str = "HTTP", mech: gss.OID = SPNEGO, flags: int = MUTUAL) -> Attempt:
        """A new attempt of one of the users."""
        return Attempt(self.users[user], f"{service}@{self.host}", mech, flags)


class Attempt:
    """One attempt of a user to sign in.

    Attributes:
        ours: whether the ticket is for the service that is tested.
        legs: how many tokens it takes.
        mutual: whether the client waits for the service's proof in the end.
        tokens: the tokens made so far.
        spent: whether the acceptor has taken the first token in, and so knows a replay of it; None where that is open.
        reply: the acceptor's answer to the first token, where it asked for another.
    """

    def __init__(self, user: User, target: str, mech: gss.OID, flags: int) -> None:
        self.user = user
        self.ours = target.startswith("HTTP@")
        self.legs = 2 if flags == TWO_LEGS else 1
        self.mutual = bool(flags & MUTUAL)
        self.spent: bool | None = False
        self.reply: bytes | None = None
        self._initiator = Initiator(target, mech=mech, flags=flags, ccache=user.ccache)
        self.tokens = [self._initiator.step()]

    def go_on(self) -> bytes | None:
        """The second token; None where there is none, or the client would have given up."""
        if len(self.tokens) == 1 and self.reply is not None:
            try:
                self.tokens.append(self._initiator.step(self.reply))
            except gss.GSSError:
                self.reply = None
        return self.tokens[1] if len(self.tokens) == 2 else None

    def verify(self, replies: Sequence[bytes]) -> None:
        """Make sure, as the client, that the service has proved to be what it is, if that was asked for.

        Args:
            replies: what came with the answer: one token, or none.
        """
        if self.mutual and not self._initiator.complete:
            (reply,) = replies
            self._initiator.verify(reply)

    def proven_by(self, token: bytes) -> bool:
        """Whether the first token's proof is in this one."""
        return self.tokens[0][-_AP_REQ_PROOF:] in token

    def completed_by(self, token: bytes) -> bool:
        """Whether the second token's proof is in this one."""
        return len(self.tokens) == 2 and self.tokens[1][-_AP_REP_PROOF:] in token


class WaitingModel(Generic[T]):
    """What waits in a store of half-open contexts: a list in the order in which the exchanges began."""

    def __init__(self, limits: HalfOpenLimits) -> None:
        self.limits = limits
        self.entries: list[tuple[Peer, T, float]] = []

    def put(self, peer: Peer, what: T, now: float, deadline: float | None = None) -> None:
        """Something new waits; the oldest of the address, or of all, gives way where there is no place."""
        self.take(peer, now)
        same_address = [entry for entry in self.entries if entry[0][0] == peer[0]]
        if len(same_address) == self.limits.per_peer:
            self.entries.remove(same_address[0])
        if len(self.entries) == self.limits.total:
            del self.entries[0]
        self.entries.append((peer, what, now + self.limits.seconds if deadline is None else deadline))
        self.entries.sort(key=lambda entry: entry[2])

    def take(self, peer: Peer, now: float) -> tuple[T, float] | None:
        """What waits for the peer and is not over, with its deadline. It waits no more."""
        found = next((entry for entry in self.entries if entry[0] == peer and entry[2] > now), None)
        self.entries = [entry for entry in self.entries if entry[0] != peer and entry[2] > now]
        return None if found is None else found[1:]


@dataclass(frozen=True)
class _Waiting:
    """Whose second token may complete a context; ``certain`` where it then must."""

    attempts: tuple[Attempt, ...]
    certain: bool


@dataclass
class _Log(logging.Handler):
    lines: list[str] = field(default_factory=list[str])

    def __post_init__(self) -> None:
        super().__init__(logging.DEBUG)

    def __hash__(self) -> int:
        return id(self)

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


class Exchange:
    """A ``Kerberos`` with the model beside it. A context manager: entered, it reads the library's log.

    Args:
        clients: who signs in.
        limits: for half-open contexts.
        on_loop: use the asynchronous door.
        options: further ones of ``Kerberos``.

    Attributes:
        attempts: the attempts that were made, and whose proofs count.
        accepted: what was accepted so far.
        reasons: why, of what was not.
    """

    def __init__(self, clients: Clients, limits: HalfOpenLimits, *, on_loop: bool = False, **options: Any) -> None:
        self.clients = clients
        self.clock = Clock()
        self.attempts: list[Attempt] = []
        self.accepted: list[Accepted] = []
        self.reasons: list[Reason] = []
        options.setdefault("hostname", clients.host)
        self.kerberos = Kerberos(half_open=limits, **options)
        self._store: HalfOpenStore[Any] = HalfOpenStore(limits, self.clock)
        setattr(getattr(self.kerberos, "_tickets"), "_half_open", self._store)  # noqa: B009, B010 - no type checker minds
        self._model: WaitingModel[_Waiting] = WaitingModel(limits)
        self._loop = asyncio.new_event_loop() if on_loop else None
        self._log = _Log()
        self._logger = logging.getLogger("async_kerberos")
        self._level = self._logger.level, self._logger.propagate

    def __enter__(self) -> Exchange:
        self._logger.addHandler(self._log)
        self._logger.setLevel(logging.DEBUG)
        self._logger.propagate = False
        return self

    def __exit__(self, *_: object) -> None:
        self._logger.removeHandler(self._log)
        self._logger.setLevel(self._level[0])
        self._logger.propagate = self._level[1]
        self.kerberos.close()
        if self._loop is not None:
            self._loop.close()

    def attempt(self, user: int = 0, **options: Any) -> Attempt:
        """A new attempt, whose proofs count from now on."""
        attempt = self.clients.attempt(user, **options)
        self.attempts.append(attempt)
        return attempt

    @property
    def waiting(self) -> list[Attempt]:
        """The attempts whose second token the acceptor waits for."""
        return [attempt for _, waiting, _ in self._model.entries for attempt in waiting.attempts]

    def send(
        self, authorization: Sequence[str], peer: Peer | None = None, earlier: Accepted | None = None, **facts: Any
    ) -> Outcome:
        """Make a request, and fail if what comes of it is not what must.

        Args:
            authorization: as the other arguments, what ``AuthRequest`` has of this name.
            peer: that.
            earlier: that.
            facts: more of it.
        """
        request = auth_request(tuple(authorization), peer, earlier, **facts)
        self._log.lines.clear()
        if self._loop is None:
            outcome = self.kerberos.authenticate_blocking(request)
        else:
            outcome = self._loop.run_until_complete(self.kerberos.authenticate(request))
        if request.earlier is not None and request.earlier.authorization == request.authorization:
            assert earlier is not None
            assert isinstance(outcome, Accepted)
            assert (outcome.identity, outcome.headers) == (earlier.identity, ())
            return outcome
        self._check(request, outcome)
        self._check_log(request)
        self._check_store()
        if isinstance(outcome, Accepted):
            self.accepted.append(outcome)
        else:
            self.reasons.append(outcome.reason)
        return outcome

    def _check(self, request: AuthRequest, outcome: Outcome) -> None:
        verdicts = judge(request.authorization, self.kerberos.max_token_size)
        errors = {Verdict.MALFORMED: (400, Reason.MALFORMED_HEADER), Verdict.TOO_LARGE: (431, Reason.TOO_LARGE)}
        (token,) = verdicts if len(verdicts) == 1 else (Verdict.MALFORMED,)
        if isinstance(token, Verdict):
            allowed = [errors[verdict] for verdict in verdicts if isinstance(verdict, Verdict)]
            assert isinstance(outcome, Denied)
            assert (outcome.status, outcome.reason) in allowed
            assert outcome.headers == PLAIN
        elif token is None:
            challenges = ("Negotiate", *self.kerberos.other_challenges)
            headers = tuple(("WWW-Authenticate", value) for value in challenges)
            assert outcome == plain_denial(401, Reason.NO_CREDENTIALS, headers)
        elif token.startswith(b"NTLMSSP\0"):
            self._check_refused(outcome, [Reason.WRONG_MECHANISM])
        elif token[0] in (0x60, 0x6E):
            connection = _connection(request)
            if connection is not None and not (self._is_no_token(outcome) and connection in self._waiting()):
                self._model.take(connection, self.clock.now)
            self._check_first(token, connection, outcome)
        elif token[0] in (0xA1, 0x6F):
            connection = _connection(request)
            waiting = None if connection is None else self._model.take(connection, self.clock.now)
            if connection is None or waiting is None:
                self._check_refused(outcome, [Reason.HALF_OPEN_LOST])
            else:
                self._check_later(token, connection, *waiting, outcome)
        else:
            self._check_refused(outcome, [Reason.MALFORMED])

    def _check_first(self, token: bytes, connection: Peer | None, outcome: Outcome) -> None:
        proven = [attempt for attempt in self.attempts if attempt.proven_by(token)]
        genuine = next((attempt for attempt in proven if attempt.tokens[0] == token), None)
        if genuine is not None and genuine.spent is not None:
            self._check_genuine(genuine, connection, outcome)
            return
        candidates = [attempt for attempt in proven if not attempt.spent]
        if isinstance(outcome, Accepted):
            self._check_accepted(outcome, [attempt for attempt in candidates if attempt.legs == 1])
        elif outcome.reason in (Reason.CONTINUE, Reason.HALF_OPEN_LOST):
            two_legs = tuple(attempt for attempt in candidates if attempt.legs == 2)
            self._check_continued(outcome, connection, _Waiting(two_legs, certain=False))
        else:
            self._check_refused(outcome)
        _leave_open(proven)

    def _check_genuine(self, attempt: Attempt, connection: Peer | None, outcome: Outcome) -> None:
        # No key of another service's is there to be tried.
        if not attempt.ours:
            self._check_refused(outcome, [Reason.WRONG_SERVICE])
        elif attempt.spent:
            self._check_refused(outcome, [Reason.REPLAY])
        elif attempt.legs == 2:
            self._check_continued(outcome, connection, _Waiting((attempt,), certain=True))
        else:
            self._check_accepted(outcome, [attempt])
        attempt.spent = True

    def _check_later(self, token: bytes, peer: Peer, waiting: _Waiting, deadline: float, outcome: Outcome) -> None:
        completed = [attempt for attempt in waiting.attempts if attempt.completed_by(token)]
        if waiting.certain and any(attempt.tokens[1] == token for attempt in completed):
            self._check_accepted(outcome, completed)
            return
        # A client may also begin with no token of Kerberos, and send its first in the second leg.
        proven = [attempt for attempt in self.attempts if attempt.proven_by(token)]
        candidates = [attempt for attempt in proven if not attempt.spent]
        if isinstance(outcome, Accepted):
            self._check_accepted(outcome, completed or [attempt for attempt in candidates if attempt.legs == 1])
        elif outcome.reason is Reason.CONTINUE:
            attempts = waiting.attempts + tuple(attempt for attempt in candidates if attempt.legs == 2)
            self._check_continued(outcome, peer, _Waiting(attempts, certain=False), deadline)
        else:
            self._check_refused(outcome)
        _leave_open(proven)

    def _check_accepted(self, outcome: Outcome, attempts: Sequence[Attempt]) -> None:
        assert isinstance(outcome, Accepted), outcome
        assert outcome.identity is not None
        principal = outcome.identity.principal
        owners = [attempt for attempt in attempts if attempt.ours and attempt.user.principal == principal]
        assert owners, f"{outcome.identity} has proved nothing"
        service, _, _ = outcome.identity.service_principal.partition("@")
        assert service == f"HTTP/{self.clients.host}"
        assert outcome.checked is not None
        assert outcome.checked.by is self.kerberos.rules
        assert len(outcome.headers) <= 1
        for name, value in outcome.headers:
            assert name == "WWW-Authenticate"
            assert reply_token([value])
        for attempt in owners:
            attempt.spent = True if len(owners) == 1 else None

    def _check_continued(
        self, outcome: Outcome, connection: Peer | None, waiting: _Waiting, deadline: float | None = None
    ) -> None:
        if connection is None:
            self._check_refused(outcome, [Reason.HALF_OPEN_LOST])
            return
        assert isinstance(outcome, Denied)
        assert (outcome.status, outcome.reason) == (401, Reason.CONTINUE)
        # Without a reply, a client has nothing to go on with.
        ((name, value), *others) = outcome.headers
        assert tuple(others) == PLAIN
        assert name == "WWW-Authenticate"
        reply = reply_token([value])
        assert reply
        for attempt in waiting.attempts:
            attempt.reply = reply
        self._model.put(connection, waiting, self.clock.now, deadline)

    def _check_refused(self, outcome: Outcome, reasons: Sequence[Reason] = tuple(_REFUSALS)) -> None:
        assert isinstance(outcome, Denied), outcome
        assert outcome.reason in reasons
        challenges = self.kerberos.other_challenges
        if challenges or self.kerberos.failure_status == 401:
            headers = tuple(("WWW-Authenticate", value) for value in challenges or ("Negotiate",))
            assert (outcome.status, outcome.headers) == (401, (*headers, *PLAIN))
        else:
            assert (outcome.status, outcome.headers) == (403, PLAIN)

    def _check_log(self, request: AuthRequest) -> None:
        assert len(self._log.lines) == 1
        (line,) = self._log.lines
        assert line.isprintable()
        for value in request.authorization:
            # Short words of a made-up header may be in any text; a token that proves anything is longer.
            for word in value.split():
                assert len(word) < 32 or word not in line

    def _is_no_token(self, outcome: Outcome) -> bool:
        """Whether it may have been seen without a step that this begins nothing. What waits may then go on to wait."""
        return isinstance(outcome, Denied) and outcome.reason in (Reason.MALFORMED, Reason.WRONG_MECHANISM)

    def _waiting(self) -> dict[Peer, Any]:
        waiting: dict[Peer, Any] = getattr(self._store, "_waiting")  # noqa: B009 - a private look
        return waiting

    def _check_store(self) -> None:
        waiting = self._waiting()
        now = self.clock.now
        alive = [peer for peer, half_open in waiting.items() if half_open.deadline > now]
        assert alive == [peer for peer, _, deadline in self._model.entries if deadline > now]
        limits = self._model.limits
        assert len(waiting) <= limits.total
        for address in {peer[0] for peer in waiting}:
            assert sum(peer[0] == address for peer in waiting) <= limits.per_peer


def _connection(request: AuthRequest) -> Peer | None:
    shared = not request.exclusive or request.forwarded_for
    return None if request.peer is None or not request.peer[1] or shared else request.peer


def _leave_open(attempts: Sequence[Attempt]) -> None:
    # A token that was changed and refused may have been read far enough to be known again.
    for attempt in attempts:
        if attempt.spent is False:
            attempt.spent = None
