"""Keeps the service's own keys as the operator's keytab has them."""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections.abc import Callable, Mapping

from .._protocol.ticket import encryption_type_name
from .._threads.fork import renew_after_fork
from ..reasons import Reason
from .diagnosis import describe_keytab, keytab_name
from .keytab import BrokenKeytabError, File, entries_in, file_at, is_read_by_us, keytab_file, read_keytab
from .libkrb5 import loaded_library
from .own_keys import OwnKeys
from .steps import AcquireError

_logger = logging.getLogger("async_kerberos")

# How long the file is not looked at again.
_FRESH_SECONDS = 1.0

# A file's times are too coarse to show two changes within so many nanoseconds of each other.
_SETTLED_NANOSECONDS = 2_000_000_000

# How long the keys before stay in force where the file is gone, or broken: whoever replaces it may be at it.
_GRACE_SECONDS = 30.0

_MOST_LOGGED = 3


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
        self._file: File | None = None
        self._digest = b""
        self._looked = -_FRESH_SECONDS
        self._good = 0.0
        self._warned = False
        self._lock = threading.Lock()
        renew_after_fork(self, Keyring._renew)

    def keys(self) -> OwnKeys | None:
        """The keys, at most a second old; None if the library has to read the keytab. Blocks.

        Raises:
            AcquireError: the keytab has no key of this service.
        """
        if time.monotonic() - self._looked >= _FRESH_SECONDS:
            self.look_again()
        keys = self._keys
        if keys is not None and not keys.principals:
            raise AcquireError(Reason.MISCONFIGURED, self._what_is_missing())
        return keys

    def look_again(self) -> bool:
        """Read the keytab if it has changed; return whether there are other keys now. Blocks.

        While one thread reads it, others go on with the keys before.
        """
        before = self._keys
        if not self._lock.acquire(blocking=before is None):
            return False
        try:
            if before is None and self._keys is not None:  # another thread has read it meanwhile
                return True
            self._look()
        finally:
            self._lock.release()
        return self._keys is not before

    def _look(self) -> None:
        now = time.monotonic()
        name = keytab_name(self._keytab)
        path = keytab_file(name)
        try:
            # Where it cannot be done, the library reads the keytab: it may be in memory, or a proxy's.
            ours = path is not None and is_read_by_us(name) and loaded_library() is not None
            keys = self._read(path) if path is not None and ours else None
        except (BrokenKeytabError, OSError) as error:
            keys = self._keys if now - self._good < _GRACE_SECONDS else None
            if self._keys is not None and not self._warned:
                _logger.warning(
                    "Kerberos: keytab %s: %s. The keys before stay in force for %d seconds.", path, error, 30
                )
                self._warned = True
        else:
            self._good, self._warned = now, False
        self._keys, self._looked = keys, time.monotonic()

    def _read(self, path: str) -> OwnKeys:
        file = file_at(path)
        if self._keys is not None and file == self._file:
            return self._keys
        file, content = read_keytab(path)
        digest = hashlib.sha256(content).digest()  # not the content: it may have other services' keys
        if self._keys is None or digest != self._digest:
            keys = OwnKeys(entries_in(content), self._service, self._spellings())
            if self._keys is not None:
                _logger.info("Kerberos: keytab %s was read again: %s", path, _described(keys))
            self._digest = digest
        else:
            keys = self._keys
        settled = time.time_ns() - max(file.modified, file.changed) > _SETTLED_NANOSECONDS
        self._file = file if settled else None
        return keys

    def _what_is_missing(self) -> str:
        hosts = self._spellings()
        names = ", ".join(f"{self._service}/{host}" for host in (["*"] if hosts is None else hosts.values()))
        return f"no key for {names}; {describe_keytab(self._keytab, None, names.partition(',')[0])}"

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
