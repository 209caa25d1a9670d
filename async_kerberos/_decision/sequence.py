"""The decision on one request: who it is, whether they may pass, and how it is said."""

from __future__ import annotations

from .._threads.waits import Waits
from ..methods.tickets import Tickets
from ..outcomes import Accepted, Checked, Denied, Outcome
from ..reasons import Reason, Refusal
from ..request import AuthRequest
from ..telemetry.log import log_denied, log_signed_in
from .answers import Answers
from .guard import Guard
from .origin import CrossSiteRule
from .reuse import Reuse
from .transport import Transport

_NO_CREDENTIALS = Refusal(Reason.NO_CREDENTIALS)


class Sequence:
    """One sequence for every request, through whichever door it came.

    Args:
        transport: over what requests have to come.
        origin: whether another site made a browser send one.
        reuse: when another check of the same request counts here.
        tickets: finds out who it is.
        answers: makes the answers to those who may not pass.
    """

    def __init__(
        self,
        transport: Transport,
        origin: CrossSiteRule,
        reuse: Reuse,
        tickets: Tickets,
        answers: Answers,
    ) -> None:
        self._transport = transport
        self._origin = origin
        self._reuse = reuse
        self._tickets = tickets
        self._answers = answers

    async def decide(self, request: AuthRequest, guard: Guard, waits: Waits) -> Outcome:
        """Decide on a request.

        Args:
            request: the request.
            guard: what is different for this view.
            waits: how the decision waits.
        """
        try:
            earlier = None if request.earlier is None else self._reuse.of_this(request)
            ours = earlier is not None and self._reuse.is_ours(earlier)
            judged = self._origin.check(request, guard, judged=ours and earlier is not None and earlier.judged)
            if earlier is not None and ours:
                return Accepted(earlier.identity, (), earlier)
            self._transport.check(request)
            signed_in = self._reuse.take(earlier) if earlier else await self._tickets.sign_in(request, waits)
            if signed_in is None:
                return self._deny(request, _NO_CREDENTIALS)  # half of all requests: an exception would take longer
            self._transport.check_bindings(signed_in.identity)
            if signed_in.identity.anonymous:
                raise Refusal(Reason.NOT_AUTHORISED, "an anonymous ticket says of nobody who it is")
        except Refusal as refusal:
            return self._deny(request, refusal)
        if earlier is not None:
            return Accepted(signed_in.identity, (), earlier)
        log_signed_in(signed_in.identity, request)
        authorization = tuple(request.fields["authorization"])
        checked = Checked(self._reuse.rules, signed_in.identity, signed_in.spnego, authorization, judged)
        return Accepted(signed_in.identity, signed_in.headers, checked)

    def _deny(self, request: AuthRequest, refusal: Refusal) -> Denied:
        denied = self._answers.denial(refusal)
        log_denied(denied, request, refusal.detail)
        return denied
