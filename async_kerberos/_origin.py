"""Whether another site made a browser send a request: pure functions of what the browser says of it.

A browser answers a challenge by a ticket, whichever page made the request: any site could act in its visitors' names.
The rule is that of Go's ``http.CrossOriginProtection`` (Go 1.25, ``net/http/csrf.go``), with two differences: the
handshake of a WebSocket is not safe, and a trusted proxy may say by which name it was asked.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Container, Sequence
from ipaddress import IPv6Address
from typing import NamedTuple

from ._proxies import Network
from ._proxies import objection as proxy_objection
from ._request import AuthRequest

# RFC 9110, section 9.2.1, and the QUERY method: a request by one of these must change nothing.
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "QUERY", "TRACE"})

# A name of DNS has 253 characters at most (RFC 1035, section 2.3.4), and browsers write nothing else that is long.
_LONGEST = 512
_LONGEST_QUOTED = 100
# More proxies in a row than anybody has.
_MOST_HOSTS = 16

_HOST = r"(?P<host>\[[0-9a-f:.]+\]|[^\s/?#@\\\[\]:,]+)(?::(?P<port>[0-9]{0,5}))?"
_HOST_PATTERN = re.compile(f"(?ai){_HOST}")
# RFC 6454, section 6.2, and a scheme of any application's own.
_ORIGIN_PATTERN = re.compile(rf"(?ai)(?P<scheme>[a-z][a-z0-9+.\-]*)://{_HOST}")

_DEFAULT_PORTS = {"http": "80", "https": "443", "ws": "80", "wss": "443"}


class Origin(NamedTuple):
    """An origin (RFC 6454, section 4), in the one spelling by which origins are compared."""

    scheme: str
    host: str
    port: str


def parse_origin(text: str) -> Origin | None:
    """An origin as browsers write it; None where it is none, as ``null`` is, or longer than any."""
    match = _ORIGIN_PATTERN.fullmatch(text) if len(text) <= _LONGEST else None
    if match is None:
        return None
    scheme = match["scheme"].lower()
    return Origin(scheme, *_host_and_port(match, scheme))


def is_safe(request: AuthRequest) -> bool:
    """Whether the request changes nothing. The handshake of a WebSocket is a GET, after which anything may follow."""
    return request.method in SAFE_METHODS and not request.websocket


def objection(request: AuthRequest, trusted: Container[Origin], proxies: Sequence[Network]) -> str:
    """Why a request is taken for another site's doing.

    Args:
        request: the request.
        trusted: origins that may do what this site's own pages may.
        proxies: those whose ``X-Forwarded-Host`` is believed.

    Returns:
        The reason, for the log; empty where the request may pass.
    """
    if is_safe(request):
        return ""
    fields = request.fields
    origins = fields.get("origin", ())
    sites = fields.get("sec-fetch-site", ())
    if len(origins) > 1 or len(sites) > 1:
        return "Origin or Sec-Fetch-Site came twice"
    origin = parse_origin(origins[0]) if origins else None
    if origin is not None and origin in trusted:
        return ""
    if sites:
        if sites[0] in ("same-origin", "none"):
            return ""
        return f"Sec-Fetch-Site is {_quoted(sites)}{_from(origins)}"
    if not origins:
        return ""  # No browser: those send either field with a request that is not safe.
    hosts, forwarded_hosts = fields.get("host", ()), _forwarded(fields.get("x-forwarded-host", ()))
    if origin is not None and _names(hosts, origin):
        return ""
    problem = f"Host is {_quoted(hosts)}{_from(origins)}"
    # No page can make a browser send X-Forwarded-Host to another site, unless that site has allowed it (CORS).
    if origin is None or not _names(forwarded_hosts, origin):
        return problem
    disbelief = proxy_objection(request.peer, request.forwarded_for, proxies)
    return f"{problem}, and X-Forwarded-Host {disbelief}" if disbelief else ""


def _from(origins: Sequence[str]) -> str:
    return f", and Origin {_quoted(origins)}" if origins else ""


def _quoted(values: Sequence[str]) -> str:
    return repr(values[0][:_LONGEST_QUOTED]) if values else "missing"


def _names(hosts: Sequence[str], origin: Origin) -> bool:
    """Whether one of these is the host and port of an origin."""
    if len(hosts) > _MOST_HOSTS or sum(map(len, hosts)) > _LONGEST:
        return False
    matches = map(_HOST_PATTERN.fullmatch, hosts)
    return any(match is not None and _host_and_port(match, origin.scheme) == origin[1:] for match in matches)


def _forwarded(values: Sequence[str]) -> list[str]:
    """The names in ``X-Forwarded-Host``, to which each proxy may add one."""
    if len(values) > _MOST_HOSTS or sum(map(len, values)) > _LONGEST:
        return []
    return [host.strip(" \t") for value in values for host in value.split(",")]


def _host_and_port(match: re.Match[str], scheme: str) -> tuple[str, str]:
    host = match["host"].lower()
    if host[0] == "[":
        with contextlib.suppress(ValueError):  # what is no address equals itself alone
            host = f"[{IPv6Address(host[1:-1])}]"
    # Without a port it is that of the *origin's* scheme: Host has none, and a proxy may have ended TLS.
    return host, match["port"] or _DEFAULT_PORTS.get(scheme, "")
