"""What an application configures once, and the two doors to the decision on every request."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ._checks import check_path, check_type
from ._decision.answers import Answers
from ._decision.guard import NO_GUARD, Guard
from ._decision.origin import CrossSiteRule
from ._decision.reuse import Reuse
from ._decision.sequence import Sequence as Decision
from ._decision.transport import Transport
from ._never_sent import NeverSent
from ._threads.waits import OnLoop, OnThread, finish
from ._threads.workers import WorkerLimits, Workers, without_blocking_a_loop
from .errors import ConfigurationError
from .methods.half_open import HalfOpenLimits
from .methods.tickets import Tickets
from .options import ChannelBindings, CrossSite, Hostname, check_hostnames, check_keytab, check_service
from .outcomes import Outcome, Rules
from .request import AuthRequest
from .telemetry.log import log_setup

if TYPE_CHECKING:
    from ._gss.acceptor import Acceptor


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
        rules: by what this service judges a ticket; not an option.

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
    rules: Rules = field(init=False, repr=False)
    _acceptor: Acceptor = field(init=False, repr=False)
    _workers: Workers = field(init=False, repr=False)
    _tickets: Tickets = field(init=False, repr=False)
    _decision: Decision = field(init=False, repr=False)
    _on_loop: OnLoop = field(init=False, repr=False)
    _setup_is_logged: bool = field(init=False, repr=False, default=False)

    def __post_init__(self) -> None:
        check_type("half_open", self.half_open, HalfOpenLimits)
        check_type("workers", self.workers, WorkerLimits)
        vars(self).update(_made_of(self))  # nobody else has it yet; from now on it is frozen

    async def authenticate(self, request: AuthRequest, guard: Guard = NO_GUARD) -> Outcome:
        """Decide on a request, on an event loop of asyncio or trio. The loop never waits for GSSAPI.

        Args:
            request: the request.
            guard: what is different for one view.

        Returns:
            Whether it may pass, and as whom; a request that may not comes back with the answer to it. Nothing is
            raised for what a client sends.
        """
        return await self._decision.decide(request, guard, self._on_loop)

    def authenticate_blocking(self, request: AuthRequest, guard: Guard = NO_GUARD) -> Outcome:
        """Decide on a request, on a thread that may wait: the same decision, made on the calling thread.

        Args:
            request: the request.
            guard: what is different for one view.

        Returns:
            As :meth:`authenticate`. There is no queue and no deadline: the thread waits for its own step.
        """
        return finish(self._decision.decide(request, guard, _ON_THREAD))

    def close(self) -> None:
        """Let the worker threads end, once they have made the calls that wait. The next request starts new ones.

        Exchanges that wait for another leg are lost.
        """
        self._workers.close()
        self._tickets.clear()

    def log_setup(self) -> None:
        """Log the service principal, or a warning where no keytab, or none with the principal, is to be had.

        On a thread with an event loop it returns at once, and the line is logged later.
        """
        vars(self).update(_setup_is_logged=True)
        without_blocking_a_loop(lambda: log_setup(self._acceptor, names_keytab=self.keytab is not None))

    def log_setup_once(self) -> None:
        """As :meth:`log_setup`, unless that was called before."""
        if not self._setup_is_logged:
            self.log_setup()


_ON_THREAD = OnThread()


def _made_of(kerberos: Kerberos) -> dict[str, object]:
    """The options as they were checked, and what decides by them."""
    hostnames = check_hostnames("hostname", kerberos.hostname)  # once: it may be an iterator
    acceptor = _acceptor_of(kerberos, hostnames)
    rules = _rules_of(kerberos, hostnames)
    transport = Transport(kerberos.require_tls, kerberos.trusted_proxies, kerberos.channel_bindings)
    origin = CrossSiteRule(kerberos.cross_site, kerberos.trusted_origins, transport.proxies)
    answers = Answers(kerberos.failure_status, kerberos.other_challenges)
    tickets = Tickets(acceptor, kerberos.max_token_size, kerberos.raw_kerberos, kerberos.half_open)
    workers = Workers(kerberos.workers)
    return {
        "hostname": rules.hostname,
        "trusted_proxies": tuple(map(str, transport.proxies)),
        "trusted_origins": origin.trusted_origins,
        "other_challenges": answers.other_challenges,
        "rules": rules,
        "_acceptor": acceptor,
        "_workers": workers,
        "_tickets": tickets,
        "_decision": Decision(transport, origin, Reuse(rules, acceptor.serves), tickets, answers),
        "_on_loop": OnLoop(workers),
    }


def _acceptor_of(kerberos: Kerberos, hostnames: tuple[str, ...]) -> Acceptor:
    check_service("service", kerberos.service)
    keytab = check_keytab("keytab", kerberos.keytab)
    bindings = _bindings_of(kerberos)
    from ._gss.acceptor import Acceptor  # imports gssapi, which nobody needs who builds no Kerberos

    return Acceptor(kerberos.service, hostnames, keytab, bindings)


def _bindings_of(kerberos: Kerberos) -> Callable[[], bytes | None] | None:
    """What gives the channel bindings; None where there are none."""
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
    from ._gss.bindings import ServerEndPoint  # imports cryptography, which is of an extra

    return ServerEndPoint(path, required=choice == "require").current


def _rules_of(kerberos: Kerberos, hostnames: tuple[str, ...]) -> Rules:
    hostname = kerberos.hostname if isinstance(kerberos.hostname, (str, type(None))) else hostnames
    keytab = check_keytab("keytab", kerberos.keytab)
    certificate = None if kerberos.certificate is None else check_path("certificate", kerberos.certificate)
    return Rules(kerberos.service, hostname, keytab, certificate, kerberos.raw_kerberos)


_default: dict[str, Kerberos] = {}  # has none as long as nobody needs it


def default_kerberos() -> Kerberos:
    """The ``Kerberos`` of an application that configures none: service ``HTTP``, this host's name."""
    kerberos = _default.get("")
    # Threads that come at once may make several, and all go on with one: setdefault is atomic.
    return _default.setdefault("", Kerberos()) if kerberos is None else kerberos


def is_default(kerberos: Kerberos) -> bool:
    """Whether it is that one; none is made to find out."""
    return kerberos is _default.get("")
