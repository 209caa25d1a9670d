"""The GSSAPI side: one blocking step of one security context, on whatever thread calls it.

This is the only module that makes GSSAPI's context calls, and it makes them through ``gssapi.raw``: the high-level
``SecurityContext.step`` returns as if all were well when a token is refused and raises at some later property access,
and takes nearly twice the time.
"""

from __future__ import annotations

import functools
import logging
import os
import socket
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, cast

import gssapi.raw as gss

from .._protocol.principals import ANY_HOST, split_realm
from .._threads.fork import renew_after_fork
from ..errors import ConfigurationError
from ..identity import Identity
from ..reasons import Reason
from .diagnosis import describe_keytab, diagnose, diagnose_credential, principals_in, without_replay_cache
from .libkrb5 import shortname_domain
from .refusals import reason_for
from .steps import AcquireError, Continued, Established, Refused, Step

_logger = logging.getLogger("async_kerberos")

_KRB5 = gss.OID.from_int_seq("1.2.840.113554.1.2.2")
_SPNEGO = gss.OID.from_int_seq("1.3.6.1.5.5.2")

_Store = dict[bytes | str, bytes | str]

# GSS_C_CHANNEL_BOUND_FLAG, of MIT krb5: the client's bindings were there, and are ours.
_CHANNEL_BOUND = 0x800

# MIT's messages quote a ticket's service principal, which may be as long as a token.
_LONGEST_MESSAGE = 500

# What python-gssapi has where MIT's library is below it. Compiled with Heimdal, or with macOS's own, it lacks them.
_OF_MIT = ("acquire_cred_from", "set_neg_mechs")

# A name server that works answers in a tenth of this, even on a busy machine; where none does, the resolver gives up
# after ten seconds.
_SLOW_DNS_SECONDS = 1.5


# python-gssapi annotates the fields of its results by names that pyright cannot follow, hence the Any below.


class _Credential(NamedTuple):
    creds: gss.Creds
    # The service principal that the credential is for; None where it takes any key of the keytab.
    principal: str | None


class Acceptor:
    """Steps security contexts for one service.

    Any number of threads may call it at once. Each call borrows a credential that no other call uses meanwhile: calls
    that share one wait for each other inside the library.

    Args:
        service: the service's name, such as ``HTTP``.
        hostnames: the host names of the service; ``"*"`` for any; empty for this host's name.
        keytab: the keytab's name; None for the environment's or the system's default.
        bindings: gives the application data of the channel bindings (RFC 5929) to check a client's against, on the
            thread of the step; None where there are none, or where it gives None.

    Raises:
        ConfigurationError: the library below python-gssapi is not MIT's.
    """

    def __init__(
        self,
        service: str,
        hostnames: Sequence[str],
        keytab: str | None,
        bindings: Callable[[], bytes | None] | None = None,
    ) -> None:
        check_library()
        self._service = service
        self._hostnames = tuple(hostnames)
        self._keytab = keytab
        self._bindings = bindings
        # Appending and popping are atomic; a credential in use is in no list, and is acquired anew after a fork.
        self._idle: list[_Credential] = []
        # Since when names have been waiting for DNS, by call. Setting and removing an item is atomic.
        self._resolving: dict[object, float] = {}
        renew_after_fork(self, Acceptor._forget_calls)

    def step(self, token: bytes, context: gss.SecurityContext | None = None) -> Step:
        """Take one token of an exchange. Blocks.

        Args:
            token: what the client sent.
            context: the half-open context that the token continues; None for a new exchange.

        Returns:
            What came of it. Every refusal by GSSAPI is a :class:`Refused`; nothing is raised for what a client sends.
        """
        try:
            credential = self._idle.pop()
        except IndexError:
            try:
                credential = self._acquire()
            except AcquireError as error:
                return Refused(error.reason, str(error))
        try:
            return self._step(credential, token, context)
        finally:
            self._idle.append(credential)

    def _step(self, credential: _Credential, token: bytes, context: gss.SecurityContext | None) -> Step:
        begun = time.time()
        try:
            bindings = None if self._bindings is None else _channel_bindings(self._bindings())
            accepted: Any = gss.accept_sec_context(token, credential.creds, context, bindings)
            if accepted.more_steps:
                if not accepted.token:
                    # For a Kerberos token of a kind that it does not know, MIT goes on without having anything to say.
                    return Refused(Reason.MALFORMED, "the token is no AP-REQ")
                return Continued(accepted.context, accepted.token)
            # The credential allows Kerberos alone; a plug-in that did not heed that would be noticed here.
            if (
                accepted.mech != _KRB5
            ):  # pragma: no cover - tried with a plug-in, in a process that nothing is measured in
                return Refused(Reason.WRONG_MECHANISM, "the context was made by another mechanism than Kerberos")
            principal = _text(accepted.initiator_name)
            service_principal = credential.principal
            if service_principal is None:
                service_principal = _text(_target_name(accepted.context))
                if not self.serves(service_principal):
                    return Refused(Reason.WRONG_SERVICE, f"the ticket is for {service_principal}")
        except gss.GSSError as error:
            return self._refused(error, token, credential, begun)
        except UnicodeDecodeError:  # pragma: no cover - MIT's KDC issues no such ticket; another realm's might
            return Refused(Reason.OTHER, "the client's principal is not UTF-8 (RFC 4120, section 5.2.1)")
        bound = bindings is not None and bool(int(accepted.flags) & _CHANNEL_BOUND)
        return Established(Identity(principal, service_principal, bound), accepted.token)

    def _refused(self, error: gss.GSSError, token: bytes, credential: _Credential, begun: float) -> Refused:
        message = _message(error)
        reason = reason_for(error.maj_code, message, error.token)
        return Refused(*diagnose(reason, message, token, self._keytab, credential.principal, begun))

    def _forget_calls(self) -> None:
        self._resolving = {}

    @property
    def waits_for_dns(self) -> bool:
        """Whether a credential is being acquired, and DNS does not answer."""
        limit = time.monotonic() - _SLOW_DNS_SECONDS
        return any(begun < limit for begun in self._resolving.copy().values())

    def serves(self, service_principal: str) -> bool:
        """Whether a ticket for this principal is one for this service, by the principal's text alone."""
        name, _ = split_realm(service_principal)
        service, slash, host = name.partition("/")
        # A backslash would be an escaped separator: no host name has one.
        if not slash or service != self._service or "/" in host or "\\" in host:
            return False
        if ANY_HOST in self._hostnames:
            return True
        return any(self._is_named(hostname, host) for hostname in self._hostnames or (_this_host(),))

    def _is_named(self, hostname: str, host: str) -> bool:
        """Whether a configured name stands for a host: for itself and, without a dot, as ``krb5.conf`` completes it.

        Not by DNS, which anybody on the way can answer, and not for any name that begins so: ``www`` is not
        ``www.example.org``, unless ``qualify_shortname`` says that domain.
        """
        # Clients write host names in small letters, people do not.
        ours, theirs = hostname.lower(), host.lower()
        if theirs == ours or "." in ours or not theirs.startswith(f"{ours}."):
            return theirs == ours
        domain = _shortname_domain(os.environ.get("KRB5_CONFIG"))
        return bool(domain) and theirs == f"{ours}.{domain}"

    def describe(self) -> str:
        """The service principals that the keytab has keys for. Blocks, and has what may block made known for later.

        Raises:
            AcquireError: there is no keytab, or no key of this service is in it.
        """
        if any("." not in hostname for hostname in self._hostnames):
            _shortname_domain(os.environ.get("KRB5_CONFIG"))  # a loop may ask later
        if ANY_HOST not in self._hostnames and len(self._hostnames) <= 1:
            credential = self._acquire()
            return _with_default_realm(credential.principal or "", self._store())
        self._idle.append(self._acquire())
        principals = principals_in(self._keytab)
        if ANY_HOST in self._hostnames:
            self._require_any(principals)
            return f"{self._service}/{ANY_HOST}, whichever the keytab has a key for"
        self._require_any(principals)
        served: list[str] = []
        missing: list[str] = []
        for hostname in self._hostnames:
            one = Acceptor(self._service, [hostname], self._keytab)
            found = [principal for principal in principals or () if one.serves(principal)]
            served += found
            missing += [] if found else [f"{self._service}/{hostname}"]
        if principals is None:  # it is not this process that reads it
            return ", ".join(missing)
        return ", ".join(served) + (f"; the keytab has no key for {', '.join(missing)}" if missing else "")

    def _require_any(self, principals: Sequence[str] | None) -> None:
        if principals is not None and not any(map(self.serves, principals)):
            keytab = describe_keytab(self._keytab, None, f"{self._service}/{self._hostnames[0]}")
            message = f"no key for {self._service}/{', '.join(self._hostnames)}; {keytab}"
            raise AcquireError(Reason.MISCONFIGURED, message)

    def warnings(self) -> list[str]:
        """What is dangerous in the environment: each a sentence, with what to do."""
        setting = without_replay_cache()
        if not setting:
            return []
        return [f"{setting}: there is no replay cache, so that a token that was stolen is good again. Unset this."]

    def _acquire(self) -> _Credential:
        if ANY_HOST in self._hostnames or len(self._hostnames) > 1:
            # One credential for any key of the keytab; which one a ticket was for is looked up after the step.
            return self._acquire_for(None)
        return self._acquire_for(self._hostnames[0] if self._hostnames else _this_host())

    def _acquire_for(self, hostname: str | None) -> _Credential:
        asked = wanted = name = None
        this = object()
        try:
            if hostname is not None:
                asked = f"{self._service}/{hostname}"
                begun = self._resolving[this] = time.monotonic()
                name = gss.import_name(f"{self._service}@{hostname}".encode(), gss.NameType.hostbased_service)
                # Where krb5.conf has it so, the library asks DNS here.
                name = gss.canonicalize_name(name, _KRB5)
                wanted = _text(name)
                seconds = time.monotonic() - begun
                if seconds < _SLOW_DNS_SECONDS:
                    del self._resolving[this]
                else:  # and it asks once more as it acquires the credential, for SPNEGO
                    _logger.warning("Kerberos: DNS took %.1f seconds for %s. %s", seconds, hostname, Reason.DNS.remedy)
            creds = _acquire(name, self._store())
            # `mechs` alone does not keep the acceptor from negotiating a mechanism that a plug-in adds.
            gss.set_neg_mechs(creds, [_KRB5])
            return _Credential(creds, None if name is None else _credential_name(creds))
        except gss.GSSError as error:
            raise AcquireError(*diagnose_credential(_message(error), self._keytab, asked, wanted)) from error
        finally:
            self._resolving.pop(this, None)

    def _store(self) -> _Store | None:
        return None if self._keytab is None else {b"keytab": os.fsencode(self._keytab)}


def check_library() -> None:
    """Make sure that what python-gssapi was compiled with has what an acceptor needs.

    Raises:
        ConfigurationError: it has not.
    """
    missing = [name for name in _OF_MIT if not hasattr(gss, name)]
    if missing:
        raise ConfigurationError(
            "gssapi",
            f"needs MIT's Kerberos library, and was compiled with another, such as Heimdal ({', '.join(missing)} "
            "missing): install MIT's libraries and headers (Debian: libkrb5-dev), then "
            "`pip install --force-reinstall --no-cache-dir --no-binary gssapi gssapi`",
        )


def _acquire(name: gss.Name | None, store: _Store | None) -> gss.Creds:
    mechs = [_KRB5, _SPNEGO]
    if store is None:
        acquired = gss.acquire_cred(name, mechs=mechs, usage="accept")
    else:
        acquired = gss.acquire_cred_from(store, name, mechs=mechs, usage="accept")
    creds: gss.Creds = cast("Any", acquired).creds
    return creds


def _channel_bindings(data: bytes | None) -> gss.ChannelBindings | None:
    return None if data is None else gss.ChannelBindings(application_data=data)


def _text(name: gss.Name) -> str:
    return gss.display_name(name, name_type=False).name.decode()


def _target_name(context: gss.SecurityContext) -> gss.Name:
    # What is not asked for takes no time.
    inquired = gss.inquire_context(
        context, initiator_name=False, lifetime=False, mech=False, flags=False, locally_init=False, complete=False
    )
    name: gss.Name = cast("Any", inquired).target_name
    return name


def _credential_name(creds: gss.Creds) -> str:
    name: gss.Name = cast("Any", gss.inquire_cred(creds, lifetime=False, usage=False, mechs=False)).name
    # A host-based name belongs to no realm until a ticket says so; the library writes that as "HTTP/host@".
    return _text(name).removesuffix("@")


def _with_default_realm(principal: str, store: _Store | None) -> str:
    """Complete the principal by the default realm, if the keytab has that key."""
    try:
        name = gss.import_name(principal.encode(), gss.NameType.kerberos_principal)
        return _credential_name(_acquire(name, store))
    except gss.GSSError:
        return principal


@functools.cache
def _shortname_domain(krb5_config: str | None) -> str:
    """The domain of names without a dot, for as long as the process lives; asked for as an application is set up."""
    return shortname_domain().lower().strip(".")


def _this_host() -> str:
    return socket.gethostname()


def _message(error: gss.GSSError) -> str:
    """The minor code's text, or the major's where that says nothing."""
    minor = "; ".join(error.get_all_statuses(error.min_code, False)).rstrip("\0") if error.min_code else ""
    if minor and minor not in ("Success", "Unknown error"):
        return minor[:_LONGEST_MESSAGE]
    return "; ".join(error.get_all_statuses(error.maj_code, True))
