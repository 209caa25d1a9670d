"""The GSSAPI side: one step of one security context. A step blocks the thread that calls it.

This is the only module that makes GSSAPI's context calls. It uses ``gssapi.raw``: when a token is refused, the
high-level ``SecurityContext.step`` returns normally and only a later property access raises. It also takes nearly twice
the time.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, cast

import gssapi.raw as gss

from .._protocol.principals import ANY_HOST
from ..errors import ConfigurationError
from ..identity import Identity
from ..reasons import Reason
from .diagnosis import (
    CLOCK_TICK,
    describe_keytab,
    diagnose,
    diagnose_credential,
    principals_in,
    without_replay_cache,
)
from .dns import DnsWait, DnsWaits
from .hostnames import Hostnames
from .kept_configuration import configuration
from .keyring import Keyring
from .libkrb5 import LibraryError, is_proxied
from .memory_keytab import with_memory_keytab
from .names import Reader, local_name
from .own_keys import KeySet, OwnKeys
from .principals import KRB5, canonical, default_realm, text_of
from .refusals import reason_for
from .steps import AcquireError, Continued, Established, Refused, Step

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
        clock_skew: the option of this name.
        readers: read the details of a completed context; each step calls them, on its own thread.

    Raises:
        ConfigurationError: python-gssapi was not compiled with MIT's library.
    """

    def __init__(
        self,
        service: str,
        hostnames: Sequence[str],
        keytab: str | None,
        bindings: Callable[[], bytes | None] | None = None,
        clock_skew: float = 300,
        readers: Mapping[str, Reader] | None = None,
    ) -> None:
        check_library()
        self._service = service
        self._waits = DnsWaits()
        self._hostnames = Hostnames(service, hostnames, self._waits)
        self._keytab = keytab
        self._bindings = bindings
        self._clock_skew = clock_skew
        self._readers = dict(readers or {})
        self._keyring = Keyring(service, self._hostnames.spellings, keytab)
        # Of the library's keytab. Appending and popping are atomic. A credential in use is not in the list, so a forked
        # child never takes it.
        self._idle: list[_Credential] = []

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
        idle = self._idle if keys is None else keys.idle
        try:
            return idle.pop()
        except IndexError:
            return self._acquire() if keys is None else self._acquire_own(keys)

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
            if accepted.mech != KRB5:  # pragma: no cover - tested with a plug-in, in a process without coverage
                return Refused(Reason.WRONG_MECHANISM, "the context was made by another mechanism than Kerberos")
            principal = text_of(accepted.initiator_name)
            # A later leg may have other keys than those of which one decrypted the ticket.
            is_certain = held is None or held.keys is keys is None
            service_principal = credential.principal if is_certain else None
            if service_principal is None:
                service_principal = self._principal_of(accepted.context, own)
                if not self.serves(service_principal):
                    return Refused(Reason.WRONG_SERVICE, f"the ticket is for {service_principal}")
            details = (
                {name: read(accepted, principal) for name, read in self._readers.items()} if self._readers else None
            )
        except gss.GSSError as error:
            return self._refused(error, token, credential, begun, own)
        except UnicodeDecodeError:  # pragma: no cover - MIT's KDC issues no such ticket; another KDC might
            return Refused(Reason.OTHER, "the client's principal is not UTF-8 (RFC 4120, section 5.2.1)")
        except AcquireError as error:
            return Refused(error.reason, str(error))
        bound = bindings is not None and bool(int(accepted.flags) & _CHANNEL_BOUND)
        # MIT's library adds the clock skew to a ticket's lifetime, which is in whole seconds of a clock that goes on
        # with each tick of the system: rather a second too early than one too late.
        lifetime = accepted.lifetime
        until = None if lifetime is None else int(begun - CLOCK_TICK) + lifetime - self._clock_skew
        return Established(Identity(principal, service_principal, bound, until=until, details=details), accepted.token)

    def _principal_of(self, context: gss.SecurityContext, own: OwnKeys | None) -> str:
        """The service principal of whose keys one has decrypted the ticket."""
        text = text_of(_target_name(context))
        keys = None if own is None else own.named(text)
        return text if keys is None or keys.principal is None else keys.principal

    def _refused(
        self, error: gss.GSSError, token: bytes, credential: _Credential, begun: float, own: OwnKeys | None
    ) -> Refused:
        message = _message(error)
        reason = reason_for(error.maj_code, message, error.token)
        return Refused(*diagnose(reason, message, token, self._keytab, credential.principal, begun, own))

    @property
    def waits_for_dns(self) -> bool:
        """Whether a call waits for DNS, and has waited for long."""
        return self._waits.are_long

    def serves(self, service_principal: str) -> bool:
        """Whether a ticket for this principal is for this service. Only looks at the text."""
        return self._hostnames.serves(service_principal)

    def default_realm(self) -> str:
        """The default realm of this host. Blocks.

        Raises:
            AcquireError: ``krb5.conf`` sets none, or cannot be used.
        """
        return default_realm()

    def local_name(self, principal: str) -> str | None:
        """The name of a user's account on this host, by ``auth_to_local`` in ``krb5.conf``; None for none. Blocks.

        Raises:
            AcquireError: the library cannot tell.
        """
        configuration.refresh()
        return local_name(principal)

    def describe(self) -> str:
        """The service principals that the keytab has keys for. Blocks, and caches the domain of short names.

        Raises:
            AcquireError: there is no keytab, or no key of this service is in it.
        """
        self._hostnames.prepare()
        own = self._keyring.keys()
        if own is not None:
            keys = next(iter(own.principals.values()))
            own.keep(keys, self._take(keys))  # only to see whether one can be had
            return self._described(list(own.principals))
        credential = self._acquire()
        only = self._hostnames.only
        if only is not None:
            return _with_default_realm(credential.principal or f"{self._service}/{only}", self._store())
        self._idle.append(credential)
        principals = principals_in(self._keytab)
        if principals is None:  # the keytab is no file that this process can read
            return self._described([]) if self._hostnames.are_any else ", ".join(self._hostnames.without_key([]))
        served = [principal for principal in principals if self.serves(principal)]
        if not served:
            names = self._hostnames.names
            keytab = describe_keytab(self._keytab, None, f"{self._service}/{names[0]}")
            raise AcquireError(Reason.MISCONFIGURED, f"no key for {self._service}/{', '.join(names)}; {keytab}")
        return self._described(served)

    def _described(self, served: Sequence[str]) -> str:
        if self._hostnames.are_any:
            return f"{self._service}/{ANY_HOST}, for every host name that the keytab has a key of"
        missing = self._hostnames.without_key(served)
        return ", ".join(served) + (f"; the keytab has no key for {', '.join(missing)}" if missing else "")

    def warnings(self) -> list[str]:
        """Dangerous settings in the environment: a sentence for each, with the remedy."""
        setting = without_replay_cache()
        if not setting:
            return []
        return [f"{setting}: there is no replay cache, so a stolen token can be used again. Unset this."]

    def _acquire_own(self, keys: KeySet) -> _Credential:
        try:
            creds = with_memory_keytab(keys.entries, _acquire_nameless)
        except (LibraryError, gss.GSSError) as error:
            message = str(error) if isinstance(error, LibraryError) else _message(error)
            raise AcquireError(*diagnose_credential(message, self._keytab, None, None)) from error
        return _Credential(creds, keys.principal)

    def _acquire(self) -> _Credential:
        hostname = self._hostnames.only
        if hostname is None:
            # One credential for every key of the keytab. After the step we check which principal the ticket was for.
            return self._acquire_for(None, None)
        with self._waits.wait(hostname) as wait:
            return self._acquire_for(hostname, wait)

    def _acquire_for(self, hostname: str | None, wait: DnsWait | None) -> _Credential:
        asked = wanted = name = None
        try:
            if hostname is not None and wait is not None:
                asked = f"{self._service}/{hostname}"
                name = canonical(self._service, hostname)
                wanted = text_of(name)
                wait.resolved()  # acquiring the credential asks DNS once more, for SPNEGO
            creds = _acquire(name, self._store())
            is_for_all = name is None or is_proxied()
            return _Credential(creds, None if is_for_all else _credential_name(creds))
        except gss.GSSError as error:
            raise AcquireError(*diagnose_credential(_message(error), self._keytab, asked, wanted)) from error

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
    mechs = [KRB5, _SPNEGO]
    if store is None:
        acquired = gss.acquire_cred(name, mechs=mechs, usage="accept")
    else:
        acquired = gss.acquire_cred_from(store, name, mechs=mechs, usage="accept")
    creds: gss.Creds = cast("Any", acquired).creds
    # With `mechs` alone, the acceptor would still negotiate a mechanism that a plug-in adds.
    gss.set_neg_mechs(creds, [KRB5])
    return creds


def _acquire_nameless(keytab: bytes) -> gss.Creds:
    return _acquire(None, {b"keytab": keytab})


def _channel_bindings(data: bytes | None) -> gss.ChannelBindings | None:
    return None if data is None else gss.ChannelBindings(application_data=data)


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
    return text_of(name).removesuffix("@")


def _with_default_realm(principal: str, store: _Store | None) -> str:
    """Add the default realm to the principal, if the keytab has a key of the result."""
    try:
        name = gss.import_name(principal.encode(), gss.NameType.kerberos_principal)
        return _credential_name(_acquire(name, store))
    except gss.GSSError:
        return principal


def _message(error: gss.GSSError) -> str:
    """The text of the minor code; that of the major code if the minor one says nothing."""
    minor = "; ".join(error.get_all_statuses(error.min_code, False)).rstrip("\0") if error.min_code else ""
    if minor and minor not in ("Success", "Unknown error"):
        return minor[:_LONGEST_MESSAGE]
    return "; ".join(error.get_all_statuses(error.maj_code, True))
