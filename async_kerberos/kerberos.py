"""What an application configures once, and the two doors to the decision on every request."""

from __future__ import annotations

import functools
import os
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ._checks import check_path, check_seconds, check_type
from ._decision.answers import Answers
from ._decision.challenges import ChallengeRule
from ._decision.guard import NO_GUARD, Guard
from ._decision.origin import CrossSiteRule
from ._decision.pages import BY_PLACE, Bodies, Pages
from ._decision.reuse import Reuse
from ._decision.sequence import Sequence as Decision
from ._decision.transport import Transport
from ._never_sent import NeverSent
from ._threads.waits import OnLoop, OnThread, finish
from ._threads.workers import WorkerLimits, Workers, without_blocking_a_loop
from .errors import ConfigurationError
from .methods.half_open import HalfOpenLimits
from .methods.tickets import Tickets
from .options import (
    ChallengeWhen,
    ChannelBindings,
    CrossSite,
    DrainLimits,
    Hostname,
    check_hostnames,
    check_keytab,
    check_service,
)
from .outcomes import Denied, Outcome, Rules
from .reasons import Refusal
from .request import AuthRequest
from .rights.access import Access
from .rights.details import MissingDetails, TicketDetails
from .rights.usernames import UsernameChoice, Usernames
from .telemetry.events import OnEvent
from .telemetry.log import log_setup
from .telemetry.telling import Telling

if TYPE_CHECKING:
    from ._gss.acceptor import Acceptor


@dataclass(frozen=True, kw_only=True, eq=False)
class Kerberos(NeverSent):
    """One service that demands Kerberos authentication.

    The constructor only checks the arguments: it reads no file but ``certificate``, looks up no name, and writes
    nothing. Credentials are acquired when the first token comes.

    Attributes:
        service: the service's name, the first component of its principal. Browsers ask for ``HTTP``.
        hostname: the host name that clients use, or several; ``"*"`` accepts a ticket for any host name if the keytab
            has a key of this service for it. None is this host's name, looked up when it is needed. Among several, a
            name without a dot also stands for that name in the domain that krb5.conf sets (``qualify_shortname``).
        keytab: the keytab, as a path or ``TYPE:name``. None is what ``KRB5_KTNAME`` names, then the system's default.
        max_token_size: the largest token to look at, in bytes. A ticket of a user in 1,000 groups takes 10 kB, and
            Active Directory makes none above 64 KiB.
        failure_status: the status of the answer to a refused token: 403, after which no client tries again, or 401 with
            a new challenge, as RFC 9110, section 15.5.2, has it.
        other_challenges: the values of ``WWW-Authenticate`` for other schemes that the application offers as well, such
            as ``'Basic realm="intranet"'``. A client whose token is refused gets a 401 with only these.
        challenge_when: says whether a client without a ticket is asked for one: a function of the request, which has no
            credentials, such as :func:`not_for` returns. Whom it answers False gets 403, or 401 with the other
            challenges; what is neither True nor False, or an error, is answered 500. None asks all. What it returns is
            awaited if it can be; a function that is not async may not wait on an event loop.
        raw_kerberos: whether to accept Kerberos tokens that are not wrapped in SPNEGO: some clients send such tokens,
            though RFC 4559 allows SPNEGO only.
        require_tls: whether to answer 403 to a request that did not come over TLS, without a look at its token.
        trusted_proxies: addresses, or networks, of the proxies whose ``X-Forwarded-Proto``, ``X-Forwarded-Host`` and
            ``X-Forwarded-For`` are believed. If the server already takes the request's scheme and peer from a proxy's
            headers, only the server's values count.
        channel_bindings: ``"require"`` refuses a ticket that was not made for this TLS connection: a man in the middle
            may have passed it on. ``"allow"`` accepts clients that send no bindings (of browsers, only those on
            Windows send any), and refuses wrong bindings. ``"off"`` checks none. (RFC 5929, section 4.)
        certificate: the certificate that clients see, PEM or DER; needed for ``channel_bindings``. It is read now, and
            again when the file has changed. Needs the extra ``tls``.
        half_open: limits for exchanges of several legs.
        workers: limits for the worker threads.
        cross_site: ``"refuse"`` answers 403 to a request that another site made a browser send, before a look at its
            credentials: a browser sends tickets to a site that it trusts, whichever page made the request. Safe
            requests (GET, HEAD, OPTIONS, QUERY, TRACE) pass, and so do clients that are no browsers. ``"allow"`` lets
            all pass.
        trusted_origins: origins, such as ``https://app.example.com`` or ``app://desk``, whose pages may make requests
            like this site's own.
        drain: limits within which a refused request's body is read and dropped.
        access: who may enter, of those who sign in; None for all. A guard's own ``access`` has to hold as well.
        pages: what people see at a 401 or a 403: :class:`Pages`, or None for the status in words. If this is not given,
            it is the built-in page where a middleware, or ``protect="all"``, guards a whole application, and the status
            in words elsewhere. A handler that the application has registered for exactly this status makes the body,
            unless this is None or has a function for it.
        username: what goes into ``REMOTE_USER``, and into the header that ``user_header`` names: the ``"principal"``,
            such as ``alice@EXAMPLE.COM``; the ``"name"``, ``alice``, and then only users of this host's default realm
            (``default_realm`` in krb5.conf) are let in, since another realm's Alice would have the same name; the
            ``"local_name"``, which needs ``details=TicketDetails(local_name=True)``, and then only users who have one
            are let in; or what a function makes of the :class:`Identity`: a text that is not empty, or None for a user
            who has no name and is answered 403. It is called on the event loop, where it may not wait, or on the thread
            of the request. For whom it raises an error, the answer is 500.
        details: what else to read from a ticket; each costs time at each sign-in. None for nothing.
        clock_skew: the ``clockskew`` under ``[libdefaults]`` in krb5.conf, in seconds: by so much clocks may differ.
            It has to agree with that file, because GSSAPI's lifetime of a ticket has that time in it, and
            ``Identity.until`` is the lifetime less this.
        on_event: a function, or several, told of each attempt to sign in by an :class:`Event`, on the event loop, where
            it may not wait, or on the thread of the request: put what takes time into a queue. It must not be async. An
            error that it raises is logged, and changes nothing. A later check of the same request is told of only if it
            refuses.
        rules: the options that decide which tickets this service accepts; not an option itself.

    Raises:
        ConfigurationError: an option is wrong.
    """

    service: str = "HTTP"
    hostname: Hostname = None
    keytab: str | os.PathLike[str] | None = None
    max_token_size: int = 64 * 1024
    failure_status: int = 403
    other_challenges: Sequence[str] = ()
    challenge_when: ChallengeWhen | None = None
    raw_kerberos: bool = True
    require_tls: bool = False
    trusted_proxies: Sequence[str] = ()
    channel_bindings: ChannelBindings = "off"
    certificate: str | os.PathLike[str] | None = None
    half_open: HalfOpenLimits = field(default_factory=HalfOpenLimits)
    workers: WorkerLimits = field(default_factory=WorkerLimits)
    cross_site: CrossSite = "refuse"
    trusted_origins: Sequence[str] = ()
    drain: DrainLimits = field(default_factory=DrainLimits)
    access: Access | None = None
    pages: Pages | None = BY_PLACE
    username: UsernameChoice = "principal"
    details: TicketDetails | None = None
    clock_skew: float = 300
    on_event: OnEvent = ()
    rules: Rules = field(init=False, repr=False)
    _acceptor: Acceptor = field(init=False, repr=False)
    _workers: Workers = field(init=False, repr=False)
    _tickets: Tickets = field(init=False, repr=False)
    _usernames: Usernames = field(init=False, repr=False)
    _decision: Decision = field(init=False, repr=False)
    _telling: Telling = field(init=False, repr=False)
    _on_loop: OnLoop = field(init=False, repr=False)
    _setup_is_logged: bool = field(init=False, repr=False, default=False)

    def __post_init__(self) -> None:
        check_type("half_open", self.half_open, HalfOpenLimits)
        check_type("workers", self.workers, WorkerLimits)
        check_type("drain", self.drain, DrainLimits)
        if self.access is not None:
            check_type("access", self.access, Access)
        if self.details is not None:
            check_type("details", self.details, TicketDetails)
        check_seconds("clock_skew", self.clock_skew, or_zero=True)
        if self.pages is not None:
            check_type("pages", self.pages, Pages)
        vars(self).update(_made_of(self))  # allowed here: no other code has the object yet

    async def authenticate(self, request: AuthRequest, guard: Guard = NO_GUARD) -> Outcome:
        """Decide on a request, on an event loop of asyncio or trio. The loop never waits for GSSAPI.

        Args:
            request: the request.
            guard: what is different for one view.

        Returns:
            :class:`Accepted`: the user is its ``identity``, and its ``headers`` go onto the response. Or
            :class:`Denied`: send its ``status``, ``headers`` and ``body``. Tell them apart by ``isinstance``: both are
            true. Nothing that a client sends makes this raise an error.
        """
        return await self._decision.decide(request, guard, self._on_loop)

    def authenticate_blocking(self, request: AuthRequest, guard: Guard = NO_GUARD) -> Outcome:
        """Make the same decision on the calling thread, which waits for it.

        Args:
            request: the request.
            guard: what is different for one view.

        Returns:
            :class:`Accepted` or :class:`Denied`, as :meth:`authenticate`. There is no queue and no deadline.
        """
        return finish(self._decision.decide(request, guard, _ON_THREAD))

    async def refuse(self, request: AuthRequest, refusal: Refusal, guard: Guard = NO_GUARD) -> Denied:
        """Refuse a request after all that was let in, for adapters on an event loop: listeners and the log are told.

        Args:
            request: the request, with the result of its check as ``earlier``.
            refusal: why.
            guard: what is different for one view.
        """
        return await self._decision.refuse(request, guard, self._on_loop, refusal)

    def close(self) -> None:
        """Let the worker threads finish the calls in the queue, and then end. The next request starts new threads.

        Exchanges that wait for another leg are lost. What the log has summed up is logged.
        """
        self._workers.close()
        self._tickets.clear()
        self._telling.sum_up()

    def log_setup(self) -> None:
        """Log the service principal, or a warning if there is no keytab or if it has no key of the principal.

        On a thread with an event loop it returns at once, and the line is logged later.
        """
        vars(self).update(_setup_is_logged=True)
        without_blocking_a_loop(self._log_setup)

    def _log_setup(self) -> None:
        warnings = self._usernames.warnings
        self._telling.principals = log_setup(self._acceptor, names_keytab=self.keytab is not None, warnings=warnings)

    def log_setup_once(self) -> None:
        """Do :meth:`log_setup`, unless it was done before."""
        if not self._setup_is_logged:
            self.log_setup()


_ON_THREAD = OnThread()


def _made_of(kerberos: Kerberos) -> dict[str, object]:
    """The checked options, and the objects that are built from them."""
    hostnames = check_hostnames("hostname", kerberos.hostname)  # only once: the option may be an iterator
    acceptor = _acceptor_of(kerberos, hostnames)
    rules = _rules_of(kerberos, hostnames)
    transport = Transport(kerberos.require_tls, kerberos.trusted_proxies, kerberos.channel_bindings)
    origin = CrossSiteRule(kerberos.cross_site, kerberos.trusted_origins, transport.proxies)
    answers = Answers(kerberos.failure_status, kerberos.other_challenges, kerberos.pages is not None)
    bodies = Bodies(kerberos.pages, hostnames)
    asking = kerberos.challenge_when
    challenges = None if asking is None else ChallengeRule(asking, transport.proxies)
    tickets = Tickets(acceptor, kerberos.max_token_size, kerberos.raw_kerberos, kerberos.half_open)
    usernames = _usernames_of(kerberos, acceptor)
    workers = Workers(kerberos.workers)
    reuse = Reuse(rules, acceptor.serves, MissingDetails(kerberos.details, acceptor))
    telling = Telling(kerberos.on_event, functools.partial(_principals_of, rules))
    return {
        "hostname": rules.hostname,
        "trusted_proxies": tuple(map(str, transport.proxies)),
        "trusted_origins": origin.trusted_origins,
        "other_challenges": answers.other_challenges,
        "on_event": telling.listeners,
        "rules": rules,
        "_acceptor": acceptor,
        "_workers": workers,
        "_tickets": tickets,
        "_usernames": usernames,
        "_telling": telling,
        "_decision": Decision(
            transport, origin, reuse, tickets, kerberos.access, usernames, answers, telling, bodies, challenges
        ),
        "_on_loop": OnLoop(workers),
    }


def _principals_of(rules: Rules) -> str:
    """The service's principals as they are configured, without a look at the keytab, which would take time."""
    names = (rules.hostname,) if isinstance(rules.hostname, str) else rules.hostname or (socket.gethostname(),)
    return ", ".join(f"{rules.service}/{name}" for name in names)


def _acceptor_of(kerberos: Kerberos, hostnames: tuple[str, ...]) -> Acceptor:
    check_service("service", kerberos.service)
    keytab = check_keytab("keytab", kerberos.keytab)
    bindings = _bindings_of(kerberos)
    wanted = () if kerberos.details is None else kerberos.details.wanted
    from ._gss.acceptor import Acceptor  # imports gssapi, which only this needs
    from ._gss.names import READERS

    readers = {name: READERS[name] for name in wanted}
    return Acceptor(kerberos.service, hostnames, keytab, bindings, kerberos.clock_skew, readers)


def _usernames_of(kerberos: Kerberos, acceptor: Acceptor) -> Usernames:
    usernames = Usernames(kerberos.username, acceptor)
    if kerberos.username == "local_name" and not (kerberos.details is not None and kerberos.details.local_name):
        raise ConfigurationError("username", "'local_name' needs details=TicketDetails(local_name=True)")
    return usernames


def _bindings_of(kerberos: Kerberos) -> Callable[[], bytes | None] | None:
    """The function that returns the channel bindings; None if the option is off."""
    choice = kerberos.channel_bindings
    if choice not in ("off", "allow", "require"):
        raise ConfigurationError("channel_bindings", f"must be 'off', 'allow' or 'require', not {choice!r}")
    if choice == "off":
        if kerberos.certificate is not None:
            problem = "has no effect with channel_bindings='off': choose 'allow' or 'require', or leave this out"
            raise ConfigurationError("certificate", problem)
        return None
    if kerberos.certificate is None:
        problem = f"{choice!r} needs certificate, the file of the certificate that clients see"
        raise ConfigurationError("channel_bindings", problem)
    path = check_path("certificate", kerberos.certificate)
    from ._gss.bindings import ServerEndPoint  # imports cryptography, which only the extra `tls` installs

    return ServerEndPoint(path, required=choice == "require").current


def _rules_of(kerberos: Kerberos, hostnames: tuple[str, ...]) -> Rules:
    hostname = kerberos.hostname if isinstance(kerberos.hostname, (str, type(None))) else hostnames
    keytab = check_keytab("keytab", kerberos.keytab)
    certificate = None if kerberos.certificate is None else check_path("certificate", kerberos.certificate)
    return Rules(kerberos.service, hostname, keytab, certificate, kerberos.raw_kerberos)


_default: dict[str, Kerberos] = {}  # empty until one is needed


def default_kerberos() -> Kerberos:
    """The ``Kerberos`` of an application that configures none: service ``HTTP``, this host's name."""
    kerberos = _default.get("")
    # Several threads may each make one at the same time. setdefault is atomic, so all of them use the same one.
    return _default.setdefault("", Kerberos()) if kerberos is None else kerberos


def is_default(kerberos: Kerberos) -> bool:
    """Whether this is the object of :func:`default_kerberos`; makes none."""
    return kerberos is _default.get("")
