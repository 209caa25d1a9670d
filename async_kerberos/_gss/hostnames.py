"""The host names by which a service goes."""

from __future__ import annotations

import functools
import os
import socket
from collections.abc import Sequence

import gssapi.raw as gss

from .._protocol.principals import ANY_HOST, split_realm
from .dns import DnsWaits
from .libkrb5 import shortname_domain
from .principals import canonical, text_of


class Hostnames:
    """The host names of one service.

    Args:
        service: the service's name, such as ``HTTP``.
        names: its host names; ``"*"`` for any; none for this host's name.
        waits: is told of calls that wait for DNS.

    Attributes:
        names: the argument of this name.
    """

    def __init__(self, service: str, names: Sequence[str], waits: DnsWaits) -> None:
        self.names = tuple(names)
        self._service = service
        self._waits = waits
        # This host's name with its domain, once it is known.
        self._full_name = ""

    @property
    def are_any(self) -> bool:
        """Whether the service goes by every host name that the keytab has a key of."""
        return ANY_HOST in self.names

    @property
    def only(self) -> str | None:
        """The only one, which may be this host's; None where there are several, or any."""
        if self.are_any or len(self.names) > 1:
            return None
        return self.names[0] if self.names else _this_host()

    def serves(self, service_principal: str) -> bool:
        """Whether a ticket for this principal is for this service. Only looks at the text."""
        name, _ = split_realm(service_principal)
        service, slash, host = name.partition("/")
        # A backslash would escape a separator, and no host name has a separator.
        if not slash or service != self._service or "/" in host or "\\" in host:
            return False
        if self.are_any:
            return True
        names = self.names or tuple(filter(None, (_this_host(), self._full_name)))
        return any(_is_named(hostname, host) for hostname in names)

    def without_key(self, principals: Sequence[str]) -> list[str]:
        """The configured ones for which none of these principals of the service is, as ``HTTP/www``."""
        hosts = {split_realm(principal)[0].partition("/")[2] for principal in principals}
        missing = (name for name in self.names if not any(_is_named(name, host) for host in hosts))
        return [f"{self._service}/{name}" for name in missing]

    def spellings(self) -> dict[str, str] | None:
        """The host names that count, in small letters, and how they are configured; None for any. May ask DNS."""
        if self.are_any:
            return None
        spellings: dict[str, str] = {}
        for name in self.names or self._names_of_this_host():
            spellings.setdefault(name.lower(), name)
            domain = "" if "." in name else _shortname_domain(os.environ.get("KRB5_CONFIG"))
            if domain:
                spellings.setdefault(f"{name}.{domain}".lower(), f"{name}.{domain}")
        return spellings

    def prepare(self) -> None:
        """Read now what would block an event loop later."""
        if any("." not in hostname for hostname in self.names):
            _shortname_domain(os.environ.get("KRB5_CONFIG"))

    def _names_of_this_host(self) -> tuple[str, ...]:
        """This host's name and, if the system tells it without a domain, what the library makes of it. May ask DNS."""
        name = _this_host()
        if "." in name:
            return (name,)
        if not self._full_name:
            with self._waits.wait(name) as wait:
                try:
                    text = text_of(canonical(self._service, name))
                except gss.GSSError:
                    return (name,)
                wait.resolved()
            full = split_realm(text)[0].partition("/")[2].removesuffix(".")
            if full.lower() == name.lower():
                return (name,)
            self._full_name = full
        return (name, self._full_name)


def _is_named(hostname: str, host: str) -> bool:
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


@functools.cache
def _shortname_domain(krb5_config: str | None) -> str:
    """The domain of names without a dot. Read once in a process, normally while the application is set up."""
    return shortname_domain().lower().strip(".")


def _this_host() -> str:
    return socket.gethostname()
