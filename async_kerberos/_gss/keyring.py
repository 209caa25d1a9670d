"""Keeps the service's own keys as the operator's keytab has them."""

from __future__ import annotations

import hashlib
import logging
import math
import threading
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

from .._protocol.ticket import encryption_type_name
from .._threads.fork import renew_after_fork
from .diagnosis import diagnose_credential, keytab_name, why_unreadable
from .kept_configuration import configuration
from .keytab import BrokenKeytabError, File, entries_in, file_at, is_read_by_us, keytab_file, read_keytab
from .libkrb5 import is_proxied, loaded_library
from .own_keys import OwnKeys
from .steps import AcquireError

_logger = logging.getLogger("async_kerberos")

# How long the file is not looked at again, unless a token is refused that a new key might open.
_FRESH_SECONDS = 1.0

# A file's times are too coarse to show two changes within so many nanoseconds of each other.
_SETTLED_NANOSECONDS = 2_000_000_000

# How long the keys before stay in force where the file is gone, or broken: somebody may just be replacing it.
_GRACE_SECONDS = 30.0

_MOST_LOGGED = 3


class _Reading(NamedTuple):
    keys: OwnKeys
    file: File
    digest: bytes
    time: float
    is_settled: bool


class Keyring:
    """The service's own keys, now.

    Args:
        service: the service's name.
        spellings: returns the host names by which the service goes: see :class:`OwnKeys`. It may block.
        keytab: the keytab's name; None for the environment's or the system's default.
    """

    def __init__(self, service: str, spellings: Callable[[], Mapping[str, str] | None], keytab: str | None) -> None:
        self._service = service
        self._spellings = spellings
        self._keytab = keytab
        self._keys: OwnKeys | None = None
        self._looked = -math.inf
        # Replaced as a whole: another thread may fork at any moment, and the child goes on with what is there.
        self._last: _Reading | None = None
        self._told = b""  # the digest of what was last read
        self._names: list[str] = []
        self._broken_since: float | None = None
        self._lock = threading.Lock()
        renew_after_fork(self, Keyring._renew)

    def keys(self) -> OwnKeys | None:
        """The keys, at most a second old; None if the library has to read the keytab. Blocks.

        Raises:
            AcquireError: the keytab has no key of this service.
        """
        if time.monotonic() - self._looked >= _FRESH_SECONDS:
            self._look_unless_another_does()
        keys = self._keys
        if keys is not None and not keys.principals:
            raise self._missing(keys)
        return keys

    def look_again(self) -> bool:
        """After a refusal that a new key could mend, read the keytab if it has changed. Blocks.

        Returns:
            Whether there are other keys now.
        """
        before = self._keys
        if before is None or self._broken_since is not None:  # then keys() looks once a second
            return False
        self._look_unless_another_does()
        return self._keys is not before

    def _look_unless_another_does(self) -> None:
        """While one thread reads the keytab, others go on with the keys before."""
        is_first = self._keys is None
        if not self._lock.acquire(blocking=is_first):
            return
        try:
            if is_first and time.monotonic() - self._looked < _FRESH_SECONDS:
                return  # another thread has looked meanwhile
            self._look()
        finally:
            self._lock.release()

    def _look(self) -> None:
        if self._keys is not None and configuration.is_at_fault:
            # While krb5.conf is at fault nobody gets in, and the library could not free the credentials of the keys.
            self._looked = time.monotonic()
            return
        name = keytab_name(self._keytab)
        path = keytab_file(name)
        # Where we cannot do it, the library reads the keytab: it may be in memory, or a proxy's.
        keys = None
        if path is not None and is_read_by_us(name) and not is_proxied() and loaded_library() is not None:
            try:
                keys = self._read(path)
                self._broken_since = None
            except (BrokenKeytabError, OSError) as error:
                keys = self._kept(path, error)
        if keys is None:
            self._last = None
        self._keys, self._looked = keys, time.monotonic()

    def _kept(self, path: str, error: BrokenKeytabError | OSError) -> OwnKeys | None:
        """The keys before, for a while."""
        if self._keys is None or not self._keys.principals:
            return None
        now = time.monotonic()
        if self._broken_since is None:
            self._broken_since = now
            _logger.warning(
                "Kerberos: keytab %s: %s. The keys before stay in force for %d seconds.",
                path,
                why_unreadable(path, error),
                _GRACE_SECONDS,
            )
        return self._keys if now - self._broken_since < _GRACE_SECONDS else None

    def _read(self, path: str) -> OwnKeys:
        file, now = file_at(path), time.monotonic()
        before = self._last
        # What has just changed may change again without another time. Without a key, a host may have got another name.
        is_final = before is not None and before.is_settled and bool(before.keys.principals)
        if before is not None and file == before.file and (is_final or now - before.time < _FRESH_SECONDS):
            return before.keys
        file, content = read_keytab(path)
        digest = hashlib.sha256(content).digest()  # not the content: it may have other services' keys
        is_settled = time.time_ns() - max(file.modified, file.changed) > _SETTLED_NANOSECONDS
        if before is not None and digest == before.digest and before.keys.principals:
            self._last = before._replace(file=file, time=now, is_settled=is_settled)
            return before.keys
        spellings = self._spellings()
        keys = OwnKeys(entries_in(content), self._service, spellings)
        self._names = [f"{self._service}/{host}" for host in (["*"] if spellings is None else spellings.values())]
        if self._told and (keys.principals or digest != self._told):
            _logger.info("Kerberos: keytab %s was read again: %s", path, _described(keys))
        self._told = digest
        self._last = _Reading(keys, file, digest, now, is_settled)
        return keys

    def _missing(self, keys: OwnKeys) -> AcquireError:
        names = self._names
        return AcquireError(*diagnose_credential(f"no key for {', '.join(names)}", self._keytab, names[0], None, keys))

    def _renew(self) -> None:
        self._lock = threading.Lock()


def _described(keys: OwnKeys) -> str:
    said: list[str] = []
    for principal, own in list(keys.principals.items())[:_MOST_LOGGED]:
        versions = ", ".join(map(str, sorted({entry.version for entry in own.entries})))
        types = ", ".join(dict.fromkeys(encryption_type_name(entry.encryption_type) for entry in own.entries))
        said.append(f"{principal}, kvno {versions} ({types})")
    more = len(keys.principals) - len(said)
    return "; ".join(said or ["no key of this service"]) + (f"; and {more} more" if more else "")
