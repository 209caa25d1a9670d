"""What may come of a token, whatever is in it."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field

from async_kerberos import Accepted, Identity, Kerberos, Outcome, Reason

from ..support import HOSTNAME
from ..support.asking import PLAIN, auth_request, reply_of
from ..support.initiator import negotiate

HOST = HOSTNAME
PEER = ("192.0.2.7", 40_000)

# The issue's own number: no outcome may take longer.
_SECONDS = 2.0

_STATUS = {Reason.CONTINUE: 401, Reason.TOO_LARGE: 431}


@dataclass
class Trial:
    """Sends tokens to one ``Kerberos``, and fails for whatever must never come of one.

    Attributes:
        kerberos: with the default options but for the names.
        identity: the only one that may come out.
        accepted: which tokens were accepted, in the words of the test that sent them.
        reasons: how many were refused for which reason.
    """

    kerberos: Kerberos
    identity: Identity
    accepted: list[str] = field(default_factory=list[str])
    reasons: Counter[Reason] = field(default_factory=Counter[Reason])

    def send(self, token: bytes, what: str, peer: tuple[str, int] | None = PEER) -> Outcome:
        """Send it through the blocking door."""
        request = auth_request((negotiate(token),), peer)
        for _ in range(2):  # a hang comes again; a moment in which the machine was busy elsewhere does not
            begun = time.monotonic()
            try:
                outcome = self.kerberos.authenticate_blocking(request)
            except Exception as error:
                raise AssertionError(f"{what}: {error!r}") from error
            if time.monotonic() - begun < _SECONDS:
                return self.check(outcome, token, what)
        raise AssertionError(f"{what}: took more than {_SECONDS} seconds, twice")

    async def send_async(self, token: bytes, what: str, peer: tuple[str, int] | None = PEER) -> Outcome:
        """Send it through the door of an event loop."""
        try:
            outcome = await self.kerberos.authenticate(auth_request((negotiate(token),), peer))
        except Exception as error:
            raise AssertionError(f"{what}: {error!r}") from error
        return self.check(outcome, token, what)

    def check(self, outcome: Outcome, token: bytes, what: str) -> Outcome:
        """Fail for an outcome that there must not be, and count the others."""
        if isinstance(outcome, Accepted):
            assert outcome.identity == self.identity, what
            self.accepted.append(what)
            return outcome
        status = 400 if not token else _STATUS.get(outcome.reason, 403)
        assert outcome.status == status, f"{what}: {outcome}"
        assert outcome.reason not in (Reason.MISCONFIGURED, Reason.SERVER_FAULT, Reason.OVERLOADED, Reason.TIMED_OUT)
        if outcome.reason is Reason.CONTINUE:
            assert reply_of(outcome), what  # a challenge without a token would have the client begin anew, for ever
        else:
            assert outcome.headers == PLAIN, f"{what}: {outcome}"
        self.reasons[outcome.reason] += 1
        return outcome
