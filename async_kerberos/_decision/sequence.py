"""The decision on one request: who the user is, whether they may pass, and what the answer is."""

from __future__ import annotations

from dataclasses import replace

from .._threads.waits import Waits
from ..methods.tickets import Tickets
from ..outcomes import Accepted, Checked, Denied, Outcome, SignedIn
from ..reasons import Reason, Refusal
from ..request import AuthRequest
from ..rights.access import Access, ForeignRealms
from ..rights.usernames import Usernames
from ..telemetry.telling import Telling
from .answers import Answers
from .challenges import ChallengeRule
from .guard import Guard
from .origin import CrossSiteRule
from .pages import Bodies
from .reuse import Reuse
from .transport import Transport

_NO_CREDENTIALS = Refusal(Reason.NO_CREDENTIALS)


class Sequence:
    """The stages of the decision, in order, for event loops and for threads.

    Args:
        transport: checks, where options demand it, that the request came over TLS.
        origin: checks that no other site made a browser send it.
        reuse: takes over an earlier check of the same request.
        tickets: finds out who the user is.
        access: says who may enter; None for all.
        usernames: gives users their names.
        answers: makes the answers to refused requests.
        telling: tells what has come of each request.
        bodies: what people see of them.
        challenges: says who is asked for a ticket; None for all.
    """

    def __init__(
        self,
        transport: Transport,
        origin: CrossSiteRule,
        reuse: Reuse,
        tickets: Tickets,
        access: Access | None,
        usernames: Usernames,
        answers: Answers,
        telling: Telling,
        bodies: Bodies,
        challenges: ChallengeRule | None = None,
    ) -> None:
        self._transport = transport
        self._origin = origin
        self._reuse = reuse
        self._tickets = tickets
        self._access = access
        self._foreign = None if access is not None and access.names_realms else ForeignRealms()
        self._usernames = None if usernames.are_principals else usernames
        self._answers = answers
        self._telling = telling
        self._bodies = bodies
        self._challenges = challenges

    async def decide(self, request: AuthRequest, guard: Guard, waits: Waits) -> Outcome:
        """Decide on a request.

        Args:
            request: the request.
            guard: the options of this view.
            waits: how the decision waits.
        """
        usernames, ticket, signed_in = self._usernames, None, None
        earlier = None if request.earlier is None else self._reuse.of_this(request)
        ours = earlier is not None and self._reuse.is_ours(earlier)
        try:
            if guard.exempts_some and await guard.exempts(request, waits):
                return Accepted(None, exempt=True)
            judged = False
            # Without credentials, what another site sends to an optional place is nobody's.
            if not guard.optional or request.fields.get("authorization"):
                judged = self._origin.check(request, guard, judged=ours and earlier is not None and earlier.judged)
            if earlier is not None and ours:
                if self._access is not None and earlier.asked_for != (request.method, request.path):
                    await self._access.check(earlier.identity, request, waits)
                if guard.access is not None:
                    await guard.access.check(earlier.identity, request, waits)
                username = None if usernames is None else await usernames.of(earlier.identity, waits)
                return Accepted(earlier.identity, (), earlier, username)
            self._transport.check(request)
            ticket = await (self._reuse.take(earlier, waits) if earlier else self._tickets.sign_in(request, waits))
            if ticket is None:
                if guard.optional:
                    return Accepted(None)
                if self._challenges is not None:
                    await self._challenges.check(request, waits)
                denied = self._answers.denial(_NO_CREDENTIALS)  # not raised: this is half of all requests
                self._telling.challenged(request, denied, guard.adapter)
                at_once = self._bodies.at_once(denied, request, guard)
                return at_once or await self._bodies.in_time(denied, request, waits)
            if self._transport.requires_bindings and not ticket.identity.channel_bound:
                raise Refusal(Reason.BAD_BINDINGS, "the client sent none")
            # Only now: with the reply, somebody who passes on another's ticket could pretend to be this server.
            signed_in = ticket
            if signed_in.identity.anonymous:
                raise Refusal(Reason.NOT_AUTHORISED, "an anonymous ticket does not say who the user is")
            if self._access is not None:
                await self._access.check(signed_in.identity, request, waits)
            if guard.access is not None:
                await guard.access.check(signed_in.identity, request, waits)
            username = None if usernames is None else await usernames.of(signed_in.identity, waits)
        except Refusal as refusal:
            # A check by this same service has found earlier who it is.
            known = ticket or (SignedIn(earlier.identity) if earlier is not None and ours else None)
            return await self._deny(request, guard, waits, refusal, known, signed_in)
        if self._foreign is not None and (guard.access is None or not guard.access.names_realms):
            self._foreign.note(signed_in.identity)
        if earlier is not None:
            return Accepted(signed_in.identity, (), earlier, username)
        self._telling.accepted(request, signed_in, guard.adapter)
        authorization = tuple(request.fields.get("authorization", ()))
        asked_for = request.method, request.path
        checked = Checked(self._reuse.rules, signed_in.identity, signed_in.spnego, authorization, judged, asked_for)
        return Accepted(signed_in.identity, signed_in.headers, checked, username)

    async def refuse(self, request: AuthRequest, guard: Guard, waits: Waits, refusal: Refusal) -> Denied:
        """Refuse a request that this service has let in: the answer.

        Args:
            request: the request, with the result of the check.
            guard: the options of the place.
            waits: how the answer's body is waited for.
            refusal: why.
        """
        earlier = request.earlier
        known = None if earlier is None else SignedIn(earlier.identity)
        return await self._deny(request, guard, waits, refusal, known, None)

    async def _deny(
        self,
        request: AuthRequest,
        guard: Guard,
        waits: Waits,
        refusal: Refusal,
        known: SignedIn | None,
        signed_in: SignedIn | None,
    ) -> Denied:
        denied = self._answers.denial(refusal)
        if signed_in is not None and denied.status != 401:
            # Also to somebody who may not enter, the reply proves who says so. With a 401 it would be another leg.
            denied = replace(denied, headers=(*signed_in.headers, *denied.headers))
        identity, times = (None, refusal.times) if known is None else (known.identity, known.times)
        self._telling.denied(request, denied, refusal, identity, times, guard.adapter)
        return await self._with_body(denied, request, guard, waits)

    async def _with_body(self, denied: Denied, request: AuthRequest, guard: Guard, waits: Waits) -> Denied:
        return self._bodies.at_once(denied, request, guard) or await self._bodies.in_time(denied, request, waits)
