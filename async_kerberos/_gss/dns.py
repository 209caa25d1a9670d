"""Which calls wait for DNS, which the library asks when it makes a principal of a host name."""

from __future__ import annotations

import logging
import time
from collections.abc import Generator
from contextlib import contextmanager

from .._threads.fork import renew_after_fork
from ..reasons import Reason

_logger = logging.getLogger("async_kerberos")

# A name server that works answers in a tenth of this, even on a busy machine. If none answers, the resolver gives up
# after ten seconds.
_SLOW_SECONDS = 1.5


class DnsWaits:
    """The calls that wait for DNS now."""

    def __init__(self) -> None:
        # When each began. Setting and removing an item is atomic.
        self._begun: dict[object, float] = {}
        renew_after_fork(self, DnsWaits._forget)

    @contextmanager
    def wait(self, hostname: str) -> Generator[DnsWait, None, None]:
        """For the time of a call that may wait."""
        wait = DnsWait(self._begun, hostname)
        try:
            yield wait
        finally:
            wait.end()

    @property
    def are_long(self) -> bool:
        """Whether a call has waited for long."""
        limit = time.monotonic() - _SLOW_SECONDS
        return any(begun < limit for begun in self._begun.copy().values())

    def _forget(self) -> None:
        self._begun = {}


class DnsWait:
    """One call that may wait.

    Args:
        begun: when each call began.
        hostname: the name that DNS is asked for.
    """

    def __init__(self, begun: dict[object, float], hostname: str) -> None:
        self._calls = begun
        self._hostname = hostname
        self._begun = begun[self] = time.monotonic()

    def resolved(self) -> None:
        """DNS has answered. Where that took long, the call still counts as one that waits: it may ask once more."""
        seconds = time.monotonic() - self._begun
        if seconds < _SLOW_SECONDS:
            self.end()
        else:
            _logger.warning("Kerberos: DNS took %.1f seconds for %s. %s", seconds, self._hostname, Reason.DNS.remedy)

    def end(self) -> None:
        """The call is over."""
        self._calls.pop(self, None)
