"""Which clients count as one."""

from __future__ import annotations

import functools
import ipaddress

from ..request import Peer

# A subscriber of IPv6 has at least a /64, and an address of it for each connection (RFC 6177, RFC 8981).
_PREFIX = 64
_LONGEST_IPV4 = 15

LONGEST = 64
"""No address is longer. A server that believes a proxy takes any text for one."""


def group_of(peer: Peer | None) -> str:
    """What stands for a client: its address; its /64 network for IPv6; empty where the server names none."""
    if peer is None:
        return ""
    address = peer[0]
    return address if len(address) <= _LONGEST_IPV4 and ":" not in address else _network_of(address[:LONGEST])


@functools.lru_cache(maxsize=1024)
def _network_of(address: str) -> str:
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if parsed.version == 4:
        return address
    return str(parsed.ipv4_mapped or ipaddress.ip_network((parsed, _PREFIX), strict=False))
