"""Whether a request came over TLS, where proxies stand between client and server: pure functions.

A server that ends TLS itself knows. Behind a proxy that does, ``X-Forwarded-Proto`` says so, which anybody can write:
it counts only from proxies that the operator has named, and only where the peer is known to be one of them.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# A dozen proxies on the way, with addresses of IPv6 and ports, take less.
_LONGEST_FIELDS = 1000
_ADDRESSES = re.compile(r"[0-9A-Fa-f.:]+")


def says_https(forwarded_proto: Sequence[str]) -> bool:
    """Whether every hop that says something says ``https``; a hop appends its word to what came in."""
    words = [word.strip(" \t").lower() for value in forwarded_proto for word in value.split(",")]
    return bool(words) and all(word in ("https", "wss") for word in words)


def is_trusted(address: str, proxies: Sequence[Network]) -> bool:
    """Whether an address is one of the proxies'."""
    parsed = _parse(address)
    return parsed is not None and any(parsed in network for network in proxies)


def names(forwarded_for: Sequence[str], address: str) -> bool:
    """Whether an address stands, or may stand, in ``X-Forwarded-For`` or ``Forwarded``, with a port or without."""
    parsed = _parse(address)
    if sum(map(len, forwarded_for)) > _LONGEST_FIELDS:
        return True  # not worth the time, which an event loop would lose
    for value in forwarded_for:
        for text in _ADDRESSES.findall(value):
            # "192.0.2.1:80" is no address; "2001:db8::1" is, and in brackets its port comes apart from it.
            without_port = (_parse(text.rpartition(":")[0]), _parse(text.partition(":")[0]))
            if text == address or (parsed is not None and parsed in (_parse(text), *without_port)):
                return True
    return False


def _parse(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(text.partition("%")[0])  # of this machine's own network, on an interface
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)  # a socket for both families has IPv4 peers as ::ffff:192.0.2.1
    return mapped or address
