"""What proxies say about a request, and whether to believe it.

Any client can send ``X-Forwarded-Proto``, ``X-Forwarded-Host`` and ``X-Forwarded-For``. They count only if the peer of
the connection is one of the proxies that the operator has named.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Sequence

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# A dozen proxies in a row, with IPv6 addresses and ports, need less. Parsing more would block the event loop.
_LONGEST_FIELDS = 1000
_MOST_FIELDS = _MOST_ADDRESSES = 32
_ADDRESSES = re.compile(r"[0-9A-Fa-f.:]{2,}")
_IPV4_IN_IPV6 = bytes(10) + b"\xff\xff"  # RFC 4291, section 2.5.5.2


def disbelief(peer: tuple[str, int] | None, forwarded_for: Sequence[str], proxies: Sequence[Network]) -> str:
    """Why a proxy's header fields are not believed.

    Args:
        peer: address and port of the client, as the server says.
        forwarded_for: the values of ``X-Forwarded-For`` and ``Forwarded``.
        proxies: the trusted proxies.

    Returns:
        The reason, as the end of a sentence that begins with a field's name; empty if they are believed.
    """
    if peer is None or not is_within(peer[0], proxies):
        return "is not from one of trusted_proxies"
    # The server may take the peer from X-Forwarded-For, where any client can write the address of a proxy.
    if mentions(forwarded_for, peer[0]):
        return "does not count where the server takes the peer from X-Forwarded-For"
    if not peer[1]:
        return "does not count where the server names no port of the peer: it may take the peer from X-Forwarded-For"
    return ""


def says_https(forwarded_proto: Sequence[str]) -> bool:
    """Whether all values are ``https`` or ``wss``: each proxy on the way may have added one."""
    if not forwarded_proto or _is_long(forwarded_proto):
        return False
    return all(word.strip(" \t").lower() in ("https", "wss") for value in forwarded_proto for word in value.split(","))


def client_address(
    peer: tuple[str, int] | None, values: Sequence[str], forwarded_for: Sequence[str], proxies: Sequence[Network]
) -> str | None:
    """The address of the client that a request is from.

    Args:
        peer: address and port of the client, as the server says.
        values: the values of ``X-Forwarded-For``. Each proxy adds the address of whoever asked it at the end.
        forwarded_for: the values of ``X-Forwarded-For`` and ``Forwarded``.
        proxies: the trusted proxies.

    Returns:
        The peer's address. If the peer is a trusted proxy, the last one that it and other trusted proxies name; None if
        they name none.
    """
    if peer is None or not is_within(peer[0], proxies):
        return None if peer is None else peer[0]
    if disbelief(peer, forwarded_for, proxies):
        return None
    for text in reversed([text.strip(" \t") for value in values for text in value.split(",")]):
        address = _without_port(text)
        if _packed(address) is None:
            return None
        if not is_within(address, proxies):
            return address
    return None


def is_within(address: str, networks: Sequence[Network]) -> bool:
    """Whether an address is in one of some networks."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])  # without the interface of a link-local address
    except ValueError:
        return False
    # On a socket for both families, an IPv4 peer is ::ffff:192.0.2.1.
    parsed = getattr(parsed, "ipv4_mapped", None) or parsed
    return any(parsed in network for network in networks)


def mentions(forwarded_for: Sequence[str], address: str) -> bool:
    """Whether ``X-Forwarded-For`` or ``Forwarded`` names an address, with a port or without, or is too long to tell."""
    if _is_long(forwarded_for):
        return True
    texts = {text for value in forwarded_for for text in _ADDRESSES.findall(value)}
    if address in texts:
        return True
    packed = _packed(address.partition("%")[0])
    # Drop single numbers, and ports with a colon before them: an IPv6 address has two colons.
    texts = {text for text in texts if "." in text or text.count(":") > 1}
    if packed is None or len(texts) > _MOST_ADDRESSES:
        return packed is not None
    return any(packed in _readings(text) for text in texts)


def _without_port(text: str) -> str:
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0] if text.count(":") == 1 else text


def _is_long(values: Sequence[str]) -> bool:
    return len(values) > _MOST_FIELDS or sum(map(len, values)) > _LONGEST_FIELDS


def _readings(text: str) -> tuple[bytes | None, ...]:
    # With a port: "192.0.2.1:80". The port of an IPv6 address follows a bracket, so the pattern separates the two.
    return _packed(text), _packed(text.rpartition(":")[0]), _packed(text.partition(":")[0])


def _packed(text: str) -> bytes | None:
    """The bytes of an address; those of IPv4 for an IPv4-mapped one. ``ipaddress`` would take ten times as long."""
    try:
        packed = socket.inet_pton(socket.AF_INET6 if ":" in text else socket.AF_INET, text)
    except OSError:
        return None
    return packed.removeprefix(_IPV4_IN_IPV6)
