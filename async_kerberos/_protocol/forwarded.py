"""What proxies say of a request, and whether they are believed.

Anybody can write ``X-Forwarded-Proto`` and ``X-Forwarded-Host``. They count only from proxies that the operator has
named, and only where the peer is known to be one of them.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Sequence

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# A dozen proxies on the way, with addresses of IPv6 and ports, take less. The time for more would be the event loop's.
_LONGEST_FIELDS = 1000
_MOST_FIELDS = _MOST_ADDRESSES = 32
_ADDRESSES = re.compile(r"[0-9A-Fa-f.:]{2,}")
_IPV4_IN_IPV6 = bytes(10) + b"\xff\xff"  # RFC 4291, section 2.5.5.2


def disbelief(peer: tuple[str, int] | None, forwarded_for: Sequence[str], proxies: Sequence[Network]) -> str:
    """Why what a proxy says of a request is not believed.

    Args:
        peer: address and port of the client, as the server says.
        forwarded_for: the values of ``X-Forwarded-For`` and ``Forwarded``.
        proxies: those that are trusted.

    Returns:
        The reason, to be put after the name of a field; empty where it is believed.
    """
    if peer is None or not is_trusted(peer[0], proxies):
        return "is not from one of trusted_proxies"
    # The server may put into the peer what a client says, and so make anybody one of the proxies.
    if not peer[1] or mentions(forwarded_for, peer[0]):
        return "does not count where the server takes the peer from X-Forwarded-For"
    return ""


def says_https(forwarded_proto: Sequence[str]) -> bool:
    """Whether every hop that says something says ``https``; a hop appends its word to what came in."""
    if not forwarded_proto or _is_long(forwarded_proto):
        return False
    return all(word.strip(" \t").lower() in ("https", "wss") for value in forwarded_proto for word in value.split(","))


def is_trusted(address: str, proxies: Sequence[Network]) -> bool:
    """Whether an address is one of the proxies'."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])  # of this machine's own network, on an interface
    except ValueError:
        return False
    # A socket for both families has IPv4 peers as ::ffff:192.0.2.1.
    parsed = getattr(parsed, "ipv4_mapped", None) or parsed
    return any(parsed in network for network in proxies)


def mentions(forwarded_for: Sequence[str], address: str) -> bool:
    """Whether an address stands, or may stand, in ``X-Forwarded-For`` or ``Forwarded``, with a port or without."""
    if _is_long(forwarded_for):
        return True
    texts = {text for value in forwarded_for for text in _ADDRESSES.findall(value)}
    if address in texts:
        return True
    packed = _packed(address.partition("%")[0])
    # A number is no address, nor is a port after its colon; an address of IPv6 has two.
    texts = {text for text in texts if "." in text or text.count(":") > 1}
    if packed is None or len(texts) > _MOST_ADDRESSES:
        return packed is not None
    return any(packed in _readings(text) for text in texts)


def _is_long(values: Sequence[str]) -> bool:
    return len(values) > _MOST_FIELDS or sum(map(len, values)) > _LONGEST_FIELDS


def _readings(text: str) -> tuple[bytes | None, ...]:
    # "192.0.2.1:80" is no address; "2001:db8::1" is, and in brackets its port comes apart from it.
    return _packed(text), _packed(text.rpartition(":")[0]), _packed(text.partition(":")[0])


def _packed(text: str) -> bytes | None:
    """The bytes of an address; an IPv4 address in IPv6's form is itself. ``ipaddress`` would take ten times as long."""
    try:
        packed = socket.inet_pton(socket.AF_INET6 if ":" in text else socket.AF_INET, text)
    except OSError:
        return None
    return packed.removeprefix(_IPV4_IN_IPV6)
