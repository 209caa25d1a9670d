"""Origins (RFC 6454) and hosts, as browsers write them."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Sequence
from ipaddress import IPv6Address
from typing import NamedTuple

# A DNS name has 253 characters at most (RFC 1035, section 2.3.4), and the rest of an origin is short.
_LONGEST = 512
# No site has so many proxies in a row.
_MOST_HOSTS = 16

_HOST = r"(?P<host>\[[0-9a-f:.]+\]|[^\s/?#@\\\[\]:,]+)(?::(?P<port>[0-9]{0,5}))?"
_HOST_PATTERN = re.compile(f"(?ai){_HOST}")
# RFC 6454, section 6.2; the scheme may be an application's, such as app://.
_ORIGIN_PATTERN = re.compile(rf"(?ai)(?P<scheme>[a-z][a-z0-9+.\-]*)://{_HOST}")

_DEFAULT_PORTS = {"http": "80", "https": "443", "ws": "80", "wss": "443"}


class Origin(NamedTuple):
    """An origin (RFC 6454, section 4), normalised so that equal origins compare equal."""

    scheme: str
    host: str
    port: str


def parse_origin(text: str) -> Origin | None:
    """Parse an origin as browsers write it; None if the text is no origin, such as ``null``, or too long for one."""
    match = _ORIGIN_PATTERN.fullmatch(text) if len(text) <= _LONGEST else None
    if match is None:
        return None
    scheme = match["scheme"].lower()
    return Origin(scheme, *_host_and_port(match, scheme))


def is_host_of(hosts: Sequence[str], origin: Origin) -> bool:
    """Whether one of these values of ``Host`` is the host and port of an origin."""
    if len(hosts) > _MOST_HOSTS or sum(map(len, hosts)) > _LONGEST:
        return False
    matches = map(_HOST_PATTERN.fullmatch, hosts)
    return any(match is not None and _host_and_port(match, origin.scheme) == origin[1:] for match in matches)


def forwarded_hosts(values: Sequence[str]) -> list[str]:
    """The hosts in ``X-Forwarded-Host``, to which each proxy may add one; none if the field is too long."""
    if len(values) > _MOST_HOSTS or sum(map(len, values)) > _LONGEST:
        return []
    return [host.strip(" \t") for value in values for host in value.split(",")]


def _host_and_port(match: re.Match[str], scheme: str) -> tuple[str, str]:
    host = match["host"].lower()
    if host[0] == "[":
        with contextlib.suppress(ValueError):  # an invalid address stays as it is
            host = f"[{IPv6Address(host[1:-1])}]"
    # The default port is that of the *origin's* scheme: Host has no scheme, and a proxy may have ended TLS.
    return host, match["port"] or _DEFAULT_PORTS.get(scheme, "")
