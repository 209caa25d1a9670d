"""The service's own keys: those of a keytab that are its, by principal; and which of them a token asks for.

A keytab may hold the keys of other services, and one key under several names. A credential with all of it would try
keys that are not ours, and name whichever principal's key comes first.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import chain, zip_longest
from typing import Any

from .._protocol.ticket import ticket_in
from .keytab import Entry

# The DER tag of a GeneralString; of the octets that say how many follow, the one before a single larger number.
_STRING, _LONGER = 0x1B, 0x81

# How many keys are tried for a ticket that names no principal of ours.
_MOST_TRIED = 6

# Of how many principals credentials are kept. To free thousands, the library takes seconds, in which no thread goes on.
_MOST_WITH_IDLE = 256


class KeySet:
    """Keys, and credentials that have nothing but these.

    Attributes:
        principal: whose keys they are, as the service is configured; None for keys of several principals.
        entries: the keys.
        idle: credentials that nobody uses at the moment. Appending and popping are atomic.
    """

    __slots__ = ("entries", "idle", "principal")

    def __init__(self, principal: str | None, entries: list[Entry]) -> None:
        self.principal = principal
        self.entries = entries
        self.idle: list[Any] = []


class OwnKeys:
    """The keys of one service, from one reading of a keytab.

    Args:
        entries: those of the keytab.
        service: the service's name.
        spellings: the host names by which the service goes, from small letters to how they are configured; None for
            any, in the keytab's own spelling.

    Attributes:
        principals: the service's principals, in the order of the keytab, with their keys.
        in_keytab: all principals of the keytab, in its order.
    """

    def __init__(self, entries: Iterable[Entry], service: str, spellings: Mapping[str, str] | None) -> None:
        self.principals: dict[str, KeySet] = {}
        self.in_keytab: dict[str, None] = {}
        self._service = service
        self._with_idle: set[KeySet] = set()
        self._by_host: dict[bytes, dict[bytes, KeySet]] = {}  # by host, then by realm
        self._by_type: dict[int, KeySet | None] = {}  # None: not yet collected
        # In a ticket's name of the service (RFC 4120, section 5.2.2), what stands before the host.
        self._before_host = _string(service.encode()) + bytes([_STRING])
        seen: set[tuple[KeySet, int, int, bytes]] = set()
        for entry in entries:
            self.in_keytab[entry.principal] = None
            keys = self._keys_for(entry, service, spellings)
            if keys is None:
                continue
            key = (keys, entry.version, entry.encryption_type, entry.key)
            if key not in seen:
                seen.add(key)
                keys.entries.append(entry)
                self._by_type[entry.encryption_type] = None
        self._only = next(iter(self.principals.values())) if len(self.principals) == 1 else None

    def _keys_for(self, entry: Entry, service: str, spellings: Mapping[str, str] | None) -> KeySet | None:
        """Those to which an entry belongs; None if it is not of this service."""
        if len(entry.components) != 2 or entry.components[0] != service:
            return None
        host = entry.components[1]
        spelled = host if spellings is None else spellings.get(host.lower())
        if spelled is None or not _is_plain(host) or not _is_plain(entry.realm):
            return None
        realm = _string(entry.realm.encode())
        of_host = self._by_host.setdefault(host.lower().encode(), {})
        if realm not in of_host:
            principal = f"{service}/{spelled}@{entry.realm}"
            of_host[realm] = self.principals[principal] = KeySet(principal, [])
        return of_host[realm]

    def of(self, token: bytes, begun_with: KeySet | None = None) -> KeySet:
        """The keys that a token asks for, by what stands in it in the clear.

        Whoever wrote the token may have written anything there: it chooses keys, and proves nothing.

        Args:
            token: the token.
            begun_with: the keys with which the exchange has begun that the token continues.
        """
        if self._only is not None:
            return self._only
        at = token.find(self._before_host)
        if at >= 0:
            found = self._by_host.get(_host_at(token, at + len(self._before_host)).lower())
            if found and len(found) == 1:
                return next(iter(found.values()))
            for realm, keys in (found or {}).items():
                if 0 <= token.find(realm) < at:  # it stands before the name
                    return keys
        return begun_with or self._without_name(token)

    def keep(self, keys: KeySet, credential: object) -> None:
        """Take back a credential that was used, unless too many principals have some: all are freed at once.

        Whoever sends forged tokens chooses which principals get any.
        """
        if keys in self._with_idle or len(self._with_idle) < _MOST_WITH_IDLE:
            self._with_idle.add(keys)
            keys.idle.append(credential)

    def _without_name(self, token: bytes) -> KeySet:
        """A few keys of the ticket's encryption type, each once however many names it has."""
        ticket = ticket_in(token)
        kind = -1 if ticket is None else ticket.encryption_type
        if kind not in self._by_type:
            return next(iter(self.principals.values()))  # any will do for GSSAPI to say that there is none
        keys = self._by_type[kind]
        if keys is None:
            keys = self._by_type[kind] = KeySet(None, self._few_of(kind))
        return keys

    def _few_of(self, kind: int) -> list[Entry]:
        """Keys of an encryption type: the newest of each principal, then the ones before."""
        of_each = [
            sorted((key for key in own.entries if key.encryption_type == kind), key=lambda key: -key.version)
            for own in self.principals.values()
        ]
        distinct: dict[bytes, Entry] = {}
        for entry in filter(None, chain.from_iterable(zip_longest(*of_each))):
            distinct.setdefault(entry.key, entry)
            if len(distinct) == _MOST_TRIED:
                break
        return [*reversed(distinct.values())]  # the library tries first what is added last

    def named(self, principal: str) -> KeySet | None:
        """The keys of a principal, in whatever case its host is written; None if it is not of this service."""
        name, _, realm = principal.partition("@")
        service, _, host = name.partition("/")
        if service != self._service:
            return None
        return self._by_host.get(host.lower().encode(), {}).get(_string(realm.encode()))


def _is_plain(name: str) -> bool:
    """Whether a host's or a realm's name is one, and needs no escapes in a principal (RFC 1964, section 2.1.1)."""
    return name != "" and name.isprintable() and not any(character in name for character in "/@\\")


def _string(text: bytes) -> bytes:
    """A GeneralString in DER."""
    size = bytes([len(text)]) if len(text) < 0x80 else bytes([_LONGER, len(text) & 0xFF])
    return bytes([_STRING]) + size + text


def _host_at(token: bytes, at: int) -> bytes:
    size = token[at] if at < len(token) else 0
    if size == _LONGER and at + 1 < len(token):
        at += 1
        size = token[at]
    return token[at + 1 : at + 1 + size]
