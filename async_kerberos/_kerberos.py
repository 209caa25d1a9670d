"""What an application configures once, and the decision on every request."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

from ._acceptor import Acceptor, AcquireError, Continued, Refused, Step
from ._checks import (
    check_challenges,
    check_count,
    check_cross_site,
    check_flag,
    check_hostnames,
    check_keytab,
    check_origins,
    check_path,
    check_proxies,
    check_service,
    check_type,
)
from ._errors import ConfigurationError, WorkersError
from ._half_open import HalfOpen, HalfOpenLimits, HalfOpenStore
from ._header import MalformedHeaderError, TokenTooLargeError, challenge, parse_authorization
from ._log import DEBUG, ERROR, WARNING, logger
from ._never_sent import NeverSent
from ._options import ChannelBindings, CrossSite, Hostname
from ._origin import Origin, is_safe
from ._origin import objection as cross_site_objection
from ._outcomes import Accepted, Denied, Headers, Identity, Outcome, Reason
from ._proxies import Network, says_https
from ._proxies import objection as proxy_objection
from ._request import AuthRequest
from ._tokens import ForbiddenMechanismError, MalformedTokenError, classify
from ._workers import WorkerLimits, Workers, without_blocking_a_loop

if TYPE_CHECKING:
    from gssapi.raw import SecurityContext

_STATUS = {
    Reason.NO_CREDENTIALS: 401,
    Reason.CONTINUE: 401,
    Reason.TOO_LARGE: 431,
    Reason.NOT_TLS: 403,
    Reason.CROSS_SITE: 403,
    Reason.NOT_AUTHORISED: 403,
    Reason.OVERLOADED: 503,
    Reason.TIMED_OUT: 503,
    Reason.DNS: 503,
    Reason.MISCONFIGURED: 500,
    Reason.KRB5_CONF: 500,
    Reason.SERVER_FAULT: 500,
}
"""The status for each reason; for any other, the token was refused, and the operator chooses (``failure_status``)."""

_LEVEL = {
    Reason.NO_CREDENTIALS: DEBUG,
    Reason.CONTINUE: DEBUG,
    Reason.OVERLOADED: ERROR,
    Reason.TIMED_OUT: ERROR,
    Reason.DNS: ERROR,
    Reason.MISCONFIGURED: ERROR,
    Reason.KRB5_CONF: ERROR,
    Reason.SERVER_FAULT: ERROR,
}

_LEVEL_OF_CHALLENGES = _LEVEL[Reason.NO_CREDENTIALS]

# A message of GSSAPI's that names a file and two principals takes less.
_LONGEST_DETAIL = 600

_RETRY_AFTER_SECONDS = "1"  # the queue of a server that works is empty again after a fraction of a second


class _Exchange(NamedTuple):
    """A token that is worth a step, and the half-open context it continues."""

    acceptor: Acceptor
    request: AuthRequest
    token: bytes
    half_open: HalfOpen[SecurityContext] | None
    # Whether it was made sure that no other site made the request.
    judged: bool

    def step(self) -> Step:
        """The one blocking call of a request."""
        return self.acceptor.step(self.token, None if self.half_open is None else self.half_open.context)

    def __repr__(self) -> str:
        return f"<exchange of {_client(self.request)}>"  # a token must not get into a log


@dataclass(frozen=True, kw_only=True, eq=False)
class Kerberos(NeverSent):
    """One service that demands Kerberos authentication.

    Building one checks the arguments alone: no keytab is read, no name looked up, nothing written; of files only
    ``certificate`` is read. Credentials are acquired when the first token comes.

    Attributes:
        service: the service's name, the first component of its principal. Browsers ask for ``HTTP``.
        hostname: the host name that clients use, or several; ``"*"`` takes a ticket for any host name that the keytab
            has a key of this service for. None is this host's name, asked for when it is needed. Of several, a name
            without a dot stands for itself, and for its name in the domain that krb5.conf has (``qualify_shortname``).
        keytab: the keytab, as a path or ``TYPE:name``. None is what ``KRB5_KTNAME`` names, then the system's default.
        max_token_size: the largest token to look at, in bytes. A ticket of a user in 1,000 groups takes 10 kB, and
            Active Directory makes none above 64 KiB.
        failure_status: the answer to a token that is refused: 403, which no client takes for an invitation to try
            again, or 401 with a new challenge, as RFC 9110, section 15.5.2, has it.
        other_challenges: the values of ``WWW-Authenticate`` for other schemes that the application offers beside this
            one, such as ``'Basic realm="intranet"'``. A client whose token is refused gets a 401 with these alone.
        raw_kerberos: whether to take Kerberos tokens that no SPNEGO is wrapped around, as some clients send them.
            RFC 4559 has SPNEGO alone.
        require_tls: whether to refuse, by 403 and without a look at the token, what did not come over TLS.
        trusted_proxies: addresses, or networks, of the proxies whose ``X-Forwarded-Proto`` and ``X-Forwarded-Host``
            are believed. Where the server itself puts what a proxy says into the request's scheme and peer, that alone
            counts.
        channel_bindings: ``"require"`` refuses a ticket that was not made for this TLS connection: one that a
            man in the middle passes on. ``"allow"`` lets in clients that send no bindings, as browsers other than those
            of Windows do, and refuses those that send other ones. ``"off"`` looks at none. (RFC 5929, section 4.)
        certificate: the certificate that clients see, PEM or DER, where there are ``channel_bindings``. It is read now,
            and again when the file has changed. Needs the extra ``tls``.
        half_open: limits for exchanges of several legs.
        workers: limits for the worker threads.
        cross_site: ``"refuse"`` answers 403 to what another site made a browser send, before any credentials are looked
            at: a browser sends a ticket by itself to a site that it trusts, also if another's page asks. Requests that
            are safe (GET, HEAD, OPTIONS, QUERY, TRACE) pass, and those of clients other than browsers. ``"allow"``
            lets all pass.
        trusted_origins: origins, such as ``https://app.example.com`` or ``app://desk``, whose pages may make requests
            like this site's own.

    Raises:
        ConfigurationError: an option is wrong.
    """

    service: str = "HTTP"
    hostname: Hostname = None
    keytab: str | os.PathLike[str] | None = None
    max_token_size: int = 64 * 1024
    failure_status: int = 403
    other_challenges: Sequence[str] = ()
    raw_kerberos: bool = True
    require_tls: bool = False
    trusted_proxies: Sequence[str] = ()
    channel_bindings: ChannelBindings = "off"
    certificate: str | os.PathLike[str] | None = None
    half_open: HalfOpenLimits = field(default_factory=HalfOpenLimits)
    workers: WorkerLimits = field(default_factory=WorkerLimits)
    cross_site: CrossSite = "refuse"
    trusted_origins: Sequence[str] = ()
    _acceptor: Acceptor = field(init=False, repr=False)
    _workers: Workers = field(init=False, repr=False)
    _half_open: HalfOpenStore[SecurityContext] = field(init=False, repr=False)
    _proxies: tuple[Network, ...] = field(init=False, repr=False)
    _origins: frozenset[Origin] = field(init=False, repr=False)
    # The answer to whoever comes without a token: to half of all requests, and always the same.
    _challenged: Denied = field(init=False, repr=False)
    _setup_is_logged: bool = field(init=False, repr=False, default=False)

    def __post_init__(self) -> None:
        hostnames = check_hostnames("hostname", self.hostname)
        check_service("service", self.service)
        keytab = check_keytab("keytab", self.keytab)
        check_count("max_token_size", self.max_token_size)
        if type(self.failure_status) is not int or self.failure_status not in (401, 403):
            raise ConfigurationError("failure_status", f"must be 401 or 403, not {self.failure_status!r}")
        challenges = check_challenges("other_challenges", self.other_challenges)
        check_flag("raw_kerberos", self.raw_kerberos)
        check_flag("require_tls", self.require_tls)
        proxies = check_proxies("trusted_proxies", self.trusted_proxies)
        check_cross_site("cross_site", self.cross_site)
        origins = check_origins("trusted_origins", self.trusted_origins)
        bindings = self._check_bindings()
        check_type("half_open", self.half_open, HalfOpenLimits)
        check_type("workers", self.workers, WorkerLimits)
        settle = functools.partial(object.__setattr__, self)
        if self.hostname is not None and not isinstance(self.hostname, str):
            settle("hostname", hostnames)
        settle("other_challenges", challenges)
        settle("trusted_proxies", tuple(map(str, proxies)))
        settle("_proxies", proxies)
        settle("trusted_origins", tuple(origins.values()))
        settle("_origins", frozenset(origins))
        settle("_acceptor", Acceptor(self.service, hostnames, keytab, bindings))
        settle("_workers", Workers(self.workers))
        store: HalfOpenStore[SecurityContext] = HalfOpenStore(self.half_open)
        settle("_half_open", store)
        settle("_challenged", self._answer(Reason.NO_CREDENTIALS))

    def _check_bindings(self) -> Callable[[], bytes | None] | None:
        if self.channel_bindings not in ("off", "allow", "require"):
            problem = f"must be 'off', 'allow' or 'require', not {self.channel_bindings!r}"
            raise ConfigurationError("channel_bindings", problem)
        if self.channel_bindings == "off":
            if self.certificate is not None:
                problem = "has no effect with channel_bindings='off': choose 'allow' or 'require', or leave this out"
                raise ConfigurationError("certificate", problem)
            return None
        if self.certificate is None:
            problem = f"{self.channel_bindings!r} needs certificate, the file of the certificate that clients see"
            raise ConfigurationError("channel_bindings", problem)
        from ._certificate import ServerEndPoint  # for those who have it; and it takes long

        path = check_path("certificate", self.certificate)
        return ServerEndPoint(path, required=self.channel_bindings == "require").current

    async def authenticate(self, request: AuthRequest, cross_site: CrossSite | None = None) -> Outcome:
        """Decide on a request, on an event loop of asyncio or trio. The loop never waits for GSSAPI.

        Args:
            request: the request.
            cross_site: instead of the option of this name, for one view.

        Returns:
            Whether it may pass, and as whom; a request that may not comes back with the answer to it. Nothing is
            raised for what a client sends.
        """
        begun = self._begin(request, cross_site)
        if not isinstance(begun, _Exchange):
            return begun
        try:
            step = await self._workers.run(begun.step)
        except WorkersError as error:
            # Where one waits for DNS all do: no worker has a credential yet.
            return self._deny(request, Reason.DNS if self._acceptor.waits_for_dns else error.reason, str(error))
        return self._finish(begun, step)

    def authenticate_blocking(self, request: AuthRequest, cross_site: CrossSite | None = None) -> Outcome:
        """Decide on a request, on a thread that may wait: the same decision, made on the calling thread.

        Args:
            request: the request.
            cross_site: instead of the option of this name, for one view.

        Returns:
            As :meth:`authenticate`. There is no queue and no deadline: the thread waits for its own step.
        """
        begun = self._begin(request, cross_site)
        if not isinstance(begun, _Exchange):
            return begun
        return self._finish(begun, begun.step())

    def close(self) -> None:
        """Let the worker threads end, once they have made the calls that wait. The next request starts new ones.

        Exchanges that wait for another leg are lost.
        """
        self._workers.close()
        self._half_open.clear()

    def log_setup(self) -> None:
        """Log the service principal, or a warning where no keytab, or none with the principal, is to be had.

        On a thread with an event loop it returns at once, and the line is logged later.
        """
        object.__setattr__(self, "_setup_is_logged", True)
        without_blocking_a_loop(self._log_setup)

    def log_setup_once(self) -> None:
        """As :meth:`log_setup`, unless that was called before."""
        if not self._setup_is_logged:
            self.log_setup()

    def _log_setup(self) -> None:
        try:
            principal = self._acceptor.describe()
        except AcquireError as error:
            problem = _one_line(str(error))
            no_keytab = error.reason is Reason.MISCONFIGURED and self.keytab is None
            if no_keytab and "KRB5_KTNAME" not in os.environ:
                problem = f"set KRB5_KTNAME to your keytab file ({problem})"
            logger().warning("Kerberos: %s. %s", problem, error.reason.remedy)
        else:
            logger().info("Kerberos: server is %s", principal)
        for warning in self._acceptor.warnings():
            logger().warning("Kerberos: %s", warning)

    def _begin(self, request: AuthRequest, cross_site: CrossSite | None) -> Outcome | _Exchange:
        """All that is decided before the step."""
        earlier = request.earlier
        if earlier is not None and earlier.authorization != request.authorization:
            earlier = None  # it says nothing of this request
        again = earlier is not None and earlier.kerberos is self
        judge = (cross_site or self.cross_site) == "refuse"
        # What this object has judged, it need not judge again: a bridge to WSGI may have lost what it was judged by.
        if judge and not (again and earlier is not None and earlier.judged):
            problem = cross_site_objection(request, self._origins, self._proxies)
            if problem:
                return self._deny(request, Reason.CROSS_SITE, problem)
        # A middleware may make a POST of a GET on the way to the next check.
        judge = judge and not is_safe(request)
        if earlier is not None and again:
            return replace(earlier, headers=())
        if self.require_tls and not request.secure:
            problem = self._distrust(request)
            if problem:
                return self._deny(request, Reason.NOT_TLS, problem)
        if earlier is not None:
            return self._check_earlier(request, earlier)
        try:
            token = parse_authorization(request.authorization, self.max_token_size)
        except MalformedHeaderError as error:
            return self._deny(request, Reason.MALFORMED, str(error), status=400)
        except TokenTooLargeError as error:
            return self._deny(request, Reason.TOO_LARGE, str(error))
        if token is None:
            return self._challenge(request)
        try:
            kind = classify(token)
        except ForbiddenMechanismError as error:
            return self._deny(request, Reason.WRONG_MECHANISM, str(error))
        except MalformedTokenError as error:
            return self._deny(request, Reason.MALFORMED, str(error))
        if not kind.spnego and not self.raw_kerberos:
            return self._deny(request, Reason.WRONG_MECHANISM, "not SPNEGO, and raw_kerberos is off")
        peer = request.connection
        half_open = None if peer is None else self._half_open.take(peer)
        if kind.begins:
            # Whatever waited here was another user's, or this one's failed attempt: a fresh start owes it nothing.
            return _Exchange(self._acceptor, request, token, None, judge)
        if half_open is None:
            return self._deny(request, Reason.HALF_OPEN_LOST, "no context waits on this connection")
        return _Exchange(self._acceptor, request, token, half_open, judge)

    def _finish(self, exchange: _Exchange, step: Step) -> Outcome:
        """All that is decided after the step."""
        request = exchange.request
        if isinstance(step, Refused):
            return self._deny(request, step.reason, step.detail)
        if isinstance(step, Continued):
            peer = request.connection
            if peer is None:
                return self._deny(request, Reason.HALF_OPEN_LOST, "the request has no connection of its own")
            self._half_open.put(peer, step.context, None if exchange.half_open is None else exchange.half_open.deadline)
            return self._deny(request, Reason.CONTINUE, token=step.token)
        denied = self._check_identity(request, step.identity)
        if denied is not None:
            return denied
        if logger().isEnabledFor(DEBUG):
            logger().debug("Kerberos: accepted %s from %s", _one_line(step.identity.principal), _client(request))
        headers: Headers = () if not step.token else (("WWW-Authenticate", challenge(step.token)),)
        return Accepted(step.identity, headers, self, request.authorization, exchange.judged)

    def _check_earlier(self, request: AuthRequest, earlier: Accepted) -> Outcome:
        """Decide by what another object's check of this request found: a token is good for one step only."""
        if not self._trusts(earlier):
            detail = f"an outer check, by other rules, has used the ticket for {earlier.identity.service_principal}"
            return self._deny(request, Reason.WRONG_SERVICE, detail)
        return self._check_identity(request, earlier.identity) or replace(earlier, headers=())

    def _check_identity(self, request: AuthRequest, identity: Identity) -> Denied | None:
        """Apply the rules to a user whose ticket is good."""
        if self.channel_bindings == "require" and not identity.channel_bound:
            return self._deny(request, Reason.BAD_BINDINGS, "the client sent none")
        if identity.anonymous:
            return self._deny(request, Reason.NOT_AUTHORISED, "an anonymous ticket says of nobody who it is")
        return None

    def _distrust(self, request: AuthRequest) -> str:
        """Why no proxy's word is taken that a request came over TLS; empty where it is."""
        forwarded_proto = request.fields.get("x-forwarded-proto", ())
        if not forwarded_proto:
            return "the scheme is http"
        problem = proxy_objection(request.peer, request.forwarded_for, self._proxies)
        if problem:
            return f"X-Forwarded-Proto {problem}"
        return "" if says_https(forwarded_proto) else "the scheme before the proxy was http"

    def _trusts(self, earlier: Accepted) -> bool:
        other = earlier.kerberos
        # A key of another keytab, another realm's say, has proved nothing to this service.
        if not isinstance(other, Kerberos) or _text(other.keytab) != _text(self.keytab):
            return False
        if not self.raw_kerberos and other.raw_kerberos:
            token = parse_authorization(earlier.authorization, other.max_token_size)
            if token is None or not classify(token).spnego:
                return False
        # A binding to another certificate has proved nothing either.
        if self.channel_bindings != "off" and _text(other.certificate) != _text(self.certificate):
            return False
        if (other.service, other.hostname) == (self.service, self.hostname):
            return True
        return self._acceptor.serves(earlier.identity.service_principal)

    def _deny(
        self,
        request: AuthRequest,
        reason: Reason,
        detail: str = "",
        *,
        status: int | None = None,
        token: bytes | None = None,
    ) -> Denied:
        denied = self._answer(reason, status, token)
        level = _LEVEL.get(reason, WARNING)
        if logger().isEnabledFor(level):
            _log_denial(level, denied, request, detail)
        return denied

    def _challenge(self, request: AuthRequest) -> Denied:
        if logger().isEnabledFor(_LEVEL_OF_CHALLENGES):
            _log_denial(_LEVEL_OF_CHALLENGES, self._challenged, request)
        return self._challenged

    def _answer(self, reason: Reason, status: int | None = None, token: bytes | None = None) -> Denied:
        status = status or _STATUS.get(reason)
        challenges: list[str] = []
        if reason in (Reason.NO_CREDENTIALS, Reason.CONTINUE):
            challenges.append(challenge(token))
            if token is None:
                challenges.extend(self.other_challenges)
        if status is None:  # a token was refused
            status = self.failure_status
            if self.other_challenges:
                status = 401
                challenges.extend(self.other_challenges)
            elif status == 401:
                challenges.append(challenge())
        headers = [("WWW-Authenticate", value) for value in challenges]
        if status == 503:
            headers.append(("Retry-After", _RETRY_AFTER_SECONDS))
        return Denied(status, reason, tuple(headers))


def _log_denial(level: int, denied: Denied, request: AuthRequest, detail: str = "") -> None:
    logger().log(
        level,
        "Kerberos: %d for %s: %s%s. %s",
        denied.status,
        _client(request),
        denied.reason.value,
        f" ({_one_line(detail)})" if detail else "",
        denied.reason.remedy,
    )


@functools.cache
def default_kerberos() -> Kerberos:
    """The ``Kerberos`` of an application that configures none: service ``HTTP``, this host's name."""
    return Kerberos()


def _text(path: str | os.PathLike[str] | None) -> str | None:
    return None if path is None else os.fspath(path)


def _client(request: AuthRequest) -> str:
    return "a client" if request.peer is None else _one_line(request.peer[0])


def _one_line(text: str) -> str:
    """Make sure that nothing a client can influence breaks a log line or a terminal, or takes long."""
    if len(text) > _LONGEST_DETAIL:
        text = f"{text[:_LONGEST_DETAIL]}…"
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in text)
