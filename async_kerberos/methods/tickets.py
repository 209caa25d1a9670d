"""Negotiate: a token, a step of a security context, and a reply (RFC 4559)."""

from __future__ import annotations

from time import perf_counter

from .._checks import check_count, check_flag
from .._gss.steps import Continued, Refused, Step, Steps
from .._protocol.header import MalformedHeaderError, TokenTooLargeError, challenge, parse_authorization
from .._protocol.tokens import ForbiddenMechanismError, MalformedTokenError, classify
from .._threads.waits import Waits
from ..errors import WorkersError
from ..outcomes import Headers, SignedIn
from ..reasons import Reason, Refusal, Times
from ..request import AuthRequest
from .half_open import HalfOpen, HalfOpenLimits, HalfOpenStore


class _Timed:
    """The times of a call: when it was asked for, when it began, and when it ended."""

    __slots__ = ("_asked", "_begun", "_ended")

    _asked: float
    _begun: float
    _ended: float

    def times(self) -> Times:
        """How long the call was waited for, and how long it has taken: until now, if it goes on."""
        begun, ended = self._begun, self._ended
        if not begun:
            return perf_counter() - self._asked, 0.0
        return begun - self._asked, (ended or perf_counter()) - begun


class Leg(_Timed):
    """A token that passed the checks of its form, and the half-open context that it continues."""

    __slots__ = ("half_open", "spnego", "steps", "token")

    def __init__(self, steps: Steps, token: bytes, half_open: HalfOpen[object] | None, spnego: bool) -> None:
        self.steps: Steps = steps
        self.token: bytes = token
        self.half_open: HalfOpen[object] | None = half_open
        self.spnego: bool = spnego  # whether the token is wrapped in SPNEGO
        self._asked = perf_counter()
        self._begun = self._ended = 0.0

    def step(self) -> Step:
        """The one blocking call of a request."""
        self._begun = perf_counter()
        step = self.steps.step(self.token, None if self.half_open is None else self.half_open.context)
        self._ended = perf_counter()
        return step

    def __repr__(self) -> str:
        return "<leg of an exchange>"  # a token must not get into a log


class Tickets:
    """Signs users in by their Kerberos tickets.

    Args:
        steps: makes the steps.
        max_token_size: the option of this name.
        raw_kerberos: the option of this name.
        limits: the option ``half_open``.

    Raises:
        ConfigurationError: an option is wrong.
    """

    def __init__(self, steps: Steps, max_token_size: int, raw_kerberos: bool, limits: HalfOpenLimits) -> None:
        check_count("max_token_size", max_token_size)
        check_flag("raw_kerberos", raw_kerberos)
        self._steps = steps
        self._max_token_size = max_token_size
        self._raw_kerberos = raw_kerberos
        self._half_open: HalfOpenStore[object] = HalfOpenStore(limits)

    async def sign_in(self, request: AuthRequest, waits: Waits) -> SignedIn | None:
        """Take one leg of an exchange.

        Args:
            request: the request.
            waits: how the step is waited for.

        Returns:
            The user; None if the request has no credentials for Negotiate.

        Raises:
            Refusal: the token is refused, another leg is needed, or a fault of the server prevents the check.
        """
        leg = self._leg(request)
        if leg is None:
            return None
        try:
            step = await waits.compute(leg.step)
        except WorkersError as error:
            # If one worker waits for DNS all do, since none has a credential yet.
            reason = Reason.DNS if self._steps.waits_for_dns else error.reason
            raise Refusal(reason, str(error), times=leg.times()) from None
        times = leg.times()
        if isinstance(step, Refused):
            raise Refusal(step.reason, step.detail, times=times)
        if isinstance(step, Continued):
            self._keep(request, leg, step)
            raise Refusal(Reason.CONTINUE, token=step.token, times=times)
        headers: Headers = (("WWW-Authenticate", challenge(step.token)),) if step.token else ()
        return SignedIn(step.identity, headers, leg.spnego, times)

    def clear(self) -> None:
        """Drop the exchanges that wait for another leg."""
        self._half_open.clear()

    def _leg(self, request: AuthRequest) -> Leg | None:
        """Check the form of the token; None if the request has no credentials for Negotiate."""
        try:
            token = parse_authorization(request.fields.get("authorization", ()), self._max_token_size)
            if token is None:
                return None
            kind = classify(token)
        except MalformedHeaderError as error:
            raise Refusal(Reason.MALFORMED_HEADER, str(error)) from None
        except TokenTooLargeError as error:
            raise Refusal(Reason.TOO_LARGE, str(error)) from None
        except ForbiddenMechanismError as error:
            raise Refusal(Reason.WRONG_MECHANISM, str(error)) from None
        except MalformedTokenError as error:
            raise Refusal(Reason.MALFORMED, str(error)) from None
        if not kind.spnego and not self._raw_kerberos:
            raise Refusal(Reason.WRONG_MECHANISM, "not SPNEGO, and raw_kerberos is off")
        peer = request.connection
        half_open = None if peer is None else self._half_open.take(peer)
        if kind.begins:
            # The old context is another user's, or of a failed attempt. A new exchange must not continue it.
            half_open = None
        elif half_open is None:
            raise Refusal(Reason.HALF_OPEN_LOST, "no context waits on this connection")
        return Leg(self._steps, token, half_open, kind.spnego)

    def _keep(self, request: AuthRequest, leg: Leg, step: Continued) -> None:
        peer = request.connection
        if peer is None:
            raise Refusal(Reason.HALF_OPEN_LOST, "the exchange has no connection of its own", times=leg.times())
        self._half_open.put(peer, step.context, None if leg.half_open is None else leg.half_open.deadline)
