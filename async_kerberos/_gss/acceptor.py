"""The GSSAPI side: one step of one security context. A step blocks the thread that calls it.

This is the only module that makes GSSAPI's context calls. It uses ``gssapi.raw``: when a token is refused, the
high-level ``SecurityContext.step`` returns normally and only a later property access raises. It also takes nearly twice
the time.
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
from .diagnosis import (
    describe_keytab,
    diagnose,
    diagnose_credential,
    of_configuration,
    principals_in,
    without_replay_cache,
)
from .kept_configuration import configuration
from .keyring import Keyring
from .libkrb5 import LibraryError, is_proxied, shortname_domain
from .memory_keytab import with_memory_keytab
from .own_keys import KeySet, OwnKeys
from .refusals import reason_for
from .steps import AcquireError, Continued, Established, Refused, Step

_logger = logging.getLogger("async_kerberos")

_KRB5 = gss.OID.from_int_seq("1.2.840.113554.1.2.2")
_SPNEGO = gss.OID.from_int_seq("1.3.6.1.5.5.2")

# Reasons that a key which has just come could do away with.
_OF_KEYS = (Reason.UNKNOWN_KEY, Reason.KEY_VERSION, Reason.KEY_TYPE, Reason.WRONG_SERVICE, Reason.MISCONFIGURED)

_Store = dict[bytes | str, bytes | str]

# GSS_C_CHANNEL_BOUND_FLAG, of MIT krb5: the client sent channel bindings, and they match ours.
_CHANNEL_BOUND = 0x800

# MIT's messages quote a ticket's service principal, which may be as long as a token.
_LONGEST_MESSAGE = 500

# python-gssapi has these only if it was compiled with MIT's library, not with Heimdal or the library of macOS.
_OF_MIT = ("acquire_cred_from", "set_neg_mechs")

# A name server that works answers in a tenth of this, even on a busy machine. If none answers, the resolver gives up
# after ten seconds.
_SLOW_DNS_SECONDS = 1.5


# python-gssapi annotates the fields of its results by names that pyright cannot follow, hence the Any below.


class _Credential(NamedTuple):
    creds: gss.Creds
    # The service principal that the credential is for; None if it accepts tickets for every key of the keytab.
    principal: str | None


class Held(NamedTuple):
    """A half-open context, and the keys with which it was begun; None for those of the library's keytab."""

    context: gss.SecurityContext
    keys: KeySet | None

    def __repr__(self) -> str:
        return "<half-open context>"


class Acceptor:
    """Steps security contexts for one service.

    Any number of threads may call it at once. Each call has a credential to itself: calls that share a credential wait
    for each other inside the library.

    Args:
        service: the service's name, such as ``HTTP``.
        hostnames: the host names of the service; ``"*"`` for any; none for this host's name.
        keytab: the keytab's name; None for the environment's or the system's default.
        bindings: returns the application data of the server's channel bindings (RFC 5929). Each step calls it, on its
            own thread. If this is None, or returns None, bindings are not checked.

    Raises:
        ConfigurationError: python-gssapi was not compiled with MIT's library.
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
        self._keyring = Keyring(service, self._spellings, keytab)
        # Of the library's keytab. Appending and popping are atomic. A credential in use is not in the list, so a forked
        # child never takes it.
        self._idle: list[_Credential] = []
        # When each call that waits for DNS began. Setting and removing an item is atomic.
        self._resolving: dict[object, float] = {}
        # This host's name with its domain, once it is known.
        self._full_name = ""
        renew_after_fork(self, Acceptor._forget_calls)

    def step(self, token: bytes, context: object = None) -> Step:
        """Take one token of an exchange. Blocks.

        Args:
            token: what the client sent.
            context: the half-open context that the token continues; None for a new exchange.

        Returns:
            The result. Every refusal by GSSAPI is a :class:`Refused`: no token makes this raise an error.
        """
        configuration.refresh()
        held = cast("Held | None", context)
        step = self._attempt(token, held)
        # A token that another key has made may be for one that has just come: what could not be decrypted is not used.
        if held is None and isinstance(step, Refused) and step.reason in _OF_KEYS and self._keyring.look_again():
            step = self._attempt(token, None)
        return step

    def _attempt(self, token: bytes, held: Held | None) -> Step:
        try:
            own = self._keyring.keys()
            keys = None if own is None else own.of(token, None if held is None else held.keys)
            credential = self._take(keys)
        except AcquireError as error:
            return Refused(error.reason, str(error))
        try:
            return self._step(credential, token, held, own, keys)
        finally:
            if own is None or keys is None:
                self._idle.append(credential)
            else:
                own.keep(keys, credential)

    def _take(self, keys: KeySet | None) -> _Credential:
        try:
            credential: _Credential = self._idle.pop() if keys is None else keys.idle.pop()
        except IndexError:
            return self._acquire() if keys is None else self._acquire_own(keys)
        return credential

    def _step(
        self, credential: _Credential, token: bytes, held: Held | None, own: OwnKeys | None, keys: KeySet | None
    ) -> Step:
        begun = time.time()
        try:
            bindings = None if self._bindings is None else _channel_bindings(self._bindings())
            context = None if held is None else held.context
            accepted: Any = gss.accept_sec_context(token, credential.creds, context, bindings)
            if accepted.more_steps:
                if not accepted.token:
                    # For a Kerberos token of an unknown kind, MIT asks for another token without sending one.
                    return Refused(Reason.MALFORMED, "the token is no AP-REQ")
                return Continued(Held(accepted.context, keys), accepted.token)
            # The credential allows only Kerberos. This check would catch a plug-in that ignores that.
            if accepted.mech != _KRB5:  # pragma: no cover - tested with a plug-in, in a process without coverage
                return Refused(Reason.WRONG_MECHANISM, "the context was made by another mechanism than Kerberos")
            principal = _text(accepted.initiator_name)
            # A later leg may have other keys than those of which one decrypted the ticket.
            is_certain = held is None or held.keys is keys is None
            service_principal = credential.principal if is_certain else None
            if service_principal is None:
                service_principal = self._principal_of(accepted.context, own)
                if not self.serves(service_principal):
                    return Refused(Reason.WRONG_SERVICE, f"the ticket is for {service_principal}")
        except gss.GSSError as error:
            return self._refused(error, token, credential, begun, own)
        except UnicodeDecodeError:  # pragma: no cover - MIT's KDC issues no such ticket; another KDC might
            return Refused(Reason.OTHER, "the client's principal is not UTF-8 (RFC 4120, section 5.2.1)")
        bound = bindings is not None and bool(int(accepted.flags) & _CHANNEL_BOUND)
        return Established(Identity(principal, service_principal, bound), accepted.token)

    def _principal_of(self, context: gss.SecurityContext, own: OwnKeys | None) -> str:
        """The service principal of whose keys one has decrypted the ticket."""
        text = _text(_target_name(context))
        keys = None if own is None else own.named(text)
        return text if keys is None or keys.principal is None else keys.principal

    def _refused(
        self, error: gss.GSSError, token: bytes, credential: _Credential, begun: float, own: OwnKeys | None
    ) -> Refused:
        message = _message(error)
        reason = reason_for(error.maj_code, message, error.token)
        return Refused(*diagnose(reason, message, token, self._keytab, credential.principal, begun, own))

    def _forget_calls(self) -> None:
        self._resolving = {}

    @property
    def waits_for_dns(self) -> bool:
        """Whether a call that acquires a credential waits for DNS, and has waited for long."""
        limit = time.monotonic() - _SLOW_DNS_SECONDS
        return any(begun < limit for begun in self._resolving.copy().values())

    def serves(self, service_principal: str) -> bool:
        """Whether a ticket for this principal is for this service. Only looks at the text."""
        name, _ = split_realm(service_principal)
        service, slash, host = name.partition("/")
        # A backslash would escape a separator, and no host name has a separator.
        if not slash or service != self._service or "/" in host or "\\" in host:
            return False
        if ANY_HOST in self._hostnames:
            return True
        names = self._hostnames or tuple(filter(None, (_this_host(), self._full_name)))
        return any(self._is_named(hostname, host) for hostname in names)

    def _is_named(self, hostname: str, host: str) -> bool:
        """Whether a configured name stands for a host: if it is the same or, without a dot, as krb5.conf completes it.

        DNS is not asked: an attacker could forge its answer. Nor does a common beginning count: ``www`` is
        ``www.example.org`` only if ``qualify_shortname`` in ``krb5.conf`` is that domain.
        """
        # Clients write host names in small letters, people do not.
        ours, theirs = hostname.lower(), host.lower()
        if theirs == ours or "." in ours or not theirs.startswith(f"{ours}."):
            return theirs == ours
        domain = _shortname_domain(os.environ.get("KRB5_CONFIG"))
        return bool(domain) and theirs == f"{ours}.{domain}"

    def default_realm(self) -> str:
        """The default realm of this host, which the library adds to the name of a user without one. Blocks.

        Raises:
            AcquireError: ``krb5.conf`` sets none, or cannot be used.
        """
        try:
            name = gss.canonicalize_name(gss.import_name(b"user", gss.NameType.user), _KRB5)
            realm = split_realm(_text(name))[1]
        except gss.GSSError:
            realm = ""
        if not realm:
            fault = of_configuration() or "krb5.conf sets no default_realm under [libdefaults]"
            raise AcquireError(Reason.KRB5_CONF, fault)
        return realm

    def describe(self) -> str:
        """The service principals that the keytab has keys for. Blocks, and caches the domain of short names.

        Raises:
            AcquireError: there is no keytab, or no key of this service is in it.
        """
        if any("." not in hostname for hostname in self._hostnames):
            _shortname_domain(os.environ.get("KRB5_CONFIG"))  # cached now: later it might block an event loop
        own = self._keyring.keys()
        if own is not None:
            return self._description(own)
        if ANY_HOST not in self._hostnames and len(self._hostnames) <= 1:
            credential = self._acquire()
            asked = f"{self._service}/{self._hostnames[0] if self._hostnames else _this_host()}"
            return _with_default_realm(credential.principal or asked, self._store())
        self._idle.append(self._acquire())
        principals = principals_in(self._keytab)
        if ANY_HOST in self._hostnames:
            self._require_any(principals)
            return f"{self._service}/{ANY_HOST}, for every host name that the keytab has a key of"
        self._require_any(principals)
        served: list[str] = []
        missing: list[str] = []
        for hostname in self._hostnames:
            one = Acceptor(self._service, [hostname], self._keytab)
            found = [principal for principal in principals or () if one.serves(principal)]
            served += found
            missing += [] if found else [f"{self._service}/{hostname}"]
        if principals is None:  # the keytab is no file that this process can read
            return ", ".join(missing)
        return ", ".join(served) + (f"; the keytab has no key for {', '.join(missing)}" if missing else "")

    def _description(self, own: OwnKeys) -> str:
        keys = next(iter(own.principals.values()))
        keys.idle.append(self._take(keys))  # only to see whether one can be had
        if ANY_HOST in self._hostnames:
            return f"{self._service}/{ANY_HOST}, for every host name that the keytab has a key of"
        served = list(own.principals)
        hosts = {split_realm(principal)[0].partition("/")[2] for principal in served}
        missing = [
            f"{self._service}/{hostname}"
            for hostname in self._hostnames
            if not any(self._is_named(hostname, host) for host in hosts)
        ]
        return ", ".join(served) + (f"; the keytab has no key for {', '.join(missing)}" if missing else "")

    def _require_any(self, principals: Sequence[str] | None) -> None:
        if principals is not None and not any(map(self.serves, principals)):
            keytab = describe_keytab(self._keytab, None, f"{self._service}/{self._hostnames[0]}")
            message = f"no key for {self._service}/{', '.join(self._hostnames)}; {keytab}"
            raise AcquireError(Reason.MISCONFIGURED, message)

    def warnings(self) -> list[str]:
        """Dangerous settings in the environment: a sentence for each, with the remedy."""
        setting = without_replay_cache()
        if not setting:
            return []
        return [f"{setting}: there is no replay cache, so a stolen token can be used again. Unset this."]

    def _spellings(self) -> dict[str, str] | None:
        """The host names that count, in small letters, and how they are configured; None for any."""
        if ANY_HOST in self._hostnames:
            return None
        spellings: dict[str, str] = {}
        for name in self._hostnames or self._names_of_this_host():
            spellings.setdefault(name.lower(), name)
            domain = "" if "." in name else _shortname_domain(os.environ.get("KRB5_CONFIG"))
            if domain:
                spellings.setdefault(f"{name}.{domain}".lower(), f"{name}.{domain}")
        return spellings

    def _names_of_this_host(self) -> tuple[str, ...]:
        """This host's name and, if the system tells it without a domain, what the library makes of it. May ask DNS."""
        name = _this_host()
        if "." in name:
            return (name,)
        if not self._full_name:
            this = object()
            begun = self._resolving[this] = time.monotonic()
            try:
                text = _text(_canonical(self._service, name))
            except gss.GSSError:
                return (name,)
            finally:
                del self._resolving[this]
            _warn_of_slow_dns(name, time.monotonic() - begun)
            full = split_realm(text)[0].partition("/")[2].removesuffix(".")
            if full.lower() == name.lower():
                return (name,)
            self._full_name = full
        return (name, self._full_name)

    def _acquire_own(self, keys: KeySet) -> _Credential:
        try:
            creds = with_memory_keytab(keys.entries, _acquire_nameless)
        except (LibraryError, gss.GSSError) as error:
            message = str(error) if isinstance(error, LibraryError) else _message(error)
            raise AcquireError(*diagnose_credential(message, self._keytab, None, None)) from error
        return _Credential(creds, keys.principal)

    def _acquire(self) -> _Credential:
        if ANY_HOST in self._hostnames or len(self._hostnames) > 1:
            # One credential for every key of the keytab. After the step we check which principal the ticket was for.
            return self._acquire_for(None)
        return self._acquire_for(self._hostnames[0] if self._hostnames else _this_host())

    def _acquire_for(self, hostname: str | None) -> _Credential:
        asked = wanted = name = None
        this = object()
        try:
            if hostname is not None:
                asked = f"{self._service}/{hostname}"
                begun = self._resolving[this] = time.monotonic()
                name = _canonical(self._service, hostname)
                wanted = _text(name)
                if not _warn_of_slow_dns(hostname, time.monotonic() - begun):
                    del self._resolving[this]
                # else still counts as waiting: acquiring the credential asks DNS once more, for SPNEGO
            creds = _acquire(name, self._store())
            is_for_all = name is None or is_proxied()
            return _Credential(creds, None if is_for_all else _credential_name(creds))
        except gss.GSSError as error:
            raise AcquireError(*diagnose_credential(_message(error), self._keytab, asked, wanted)) from error
        finally:
            self._resolving.pop(this, None)

    def _store(self) -> _Store | None:
        return None if self._keytab is None else {b"keytab": os.fsencode(self._keytab)}


def check_library() -> None:
    """Make sure that python-gssapi was compiled with MIT's library, which has the calls that an acceptor needs.

    Raises:
        ConfigurationError: it was compiled with another library.
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
    # With `mechs` alone, the acceptor would still negotiate a mechanism that a plug-in adds.
    gss.set_neg_mechs(creds, [_KRB5])
    return creds


def _acquire_nameless(keytab: bytes) -> gss.Creds:
    return _acquire(None, {b"keytab": keytab})


def _channel_bindings(data: bytes | None) -> gss.ChannelBindings | None:
    return None if data is None else gss.ChannelBindings(application_data=data)


def _text(name: gss.Name) -> str:
    return gss.display_name(name, name_type=False).name.decode()


def _target_name(context: gss.SecurityContext) -> gss.Name:
    # To ask for fewer fields saves time.
    inquired = gss.inquire_context(
        context, initiator_name=False, lifetime=False, mech=False, flags=False, locally_init=False, complete=False
    )
    name: gss.Name = cast("Any", inquired).target_name
    return name


def _credential_name(creds: gss.Creds) -> str:
    name: gss.Name = cast("Any", gss.inquire_cred(creds, lifetime=False, usage=False, mechs=False)).name
    # A host-based name may have no realm yet; the library writes such a name as "HTTP/host@".
    return _text(name).removesuffix("@")


def _with_default_realm(principal: str, store: _Store | None) -> str:
    """Add the default realm to the principal, if the keytab has a key of the result."""
    try:
        name = gss.import_name(principal.encode(), gss.NameType.kerberos_principal)
        return _credential_name(_acquire(name, store))
    except gss.GSSError:
        return principal


@functools.cache
def _shortname_domain(krb5_config: str | None) -> str:
    """The domain of names without a dot. Read once in a process, normally while the application is set up."""
    return shortname_domain().lower().strip(".")


def _canonical(service: str, hostname: str) -> gss.Name:
    """The principal of a service. The library may ask DNS for it (``dns_canonicalize_hostname`` in ``krb5.conf``)."""
    name = gss.import_name(f"{service}@{hostname}".encode(), gss.NameType.hostbased_service)
    return gss.canonicalize_name(name, _KRB5)


def _warn_of_slow_dns(hostname: str, seconds: float) -> bool:
    is_slow = seconds >= _SLOW_DNS_SECONDS
    if is_slow:
        _logger.warning("Kerberos: DNS took %.1f seconds for %s. %s", seconds, hostname, Reason.DNS.remedy)
    return is_slow


def _this_host() -> str:
    return socket.gethostname()


def _message(error: gss.GSSError) -> str:
    """The text of the minor code; that of the major code if the minor one says nothing."""
    minor = "; ".join(error.get_all_statuses(error.min_code, False)).rstrip("\0") if error.min_code else ""
    if minor and minor not in ("Success", "Unknown error"):
        return minor[:_LONGEST_MESSAGE]
    return "; ".join(error.get_all_statuses(error.maj_code, True))
