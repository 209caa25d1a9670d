"""Who is told what has come of a request: the log first, then the application's listeners."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from ..identity import Identity
from ..outcomes import Denied, SignedIn
from ..reasons import Refusal, Times
from ..request import AuthRequest
from .events import Event, Listener, Listeners, check_listeners, event_of
from .floods import Floods
from .log import RequestLog
from .silent import SilentClients

_logger = logging.getLogger("async_kerberos")


class Telling:
    """Tells what has come of each request. Where nobody listens, it makes no event.

    Args:
        on_event: the option of this name.
        names: returns the service's principals, as they are configured.
        clock: seconds that never go back.

    Attributes:
        listeners: the option's value, as functions.
        principals: the service's principals, once the keytab was looked at.

    Raises:
        ConfigurationError: the option is wrong.
    """

    def __init__(self, on_event: object, names: Callable[[], str], clock: Callable[[], float] = time.monotonic) -> None:
        self.listeners: tuple[Listener, ...] = check_listeners("on_event", on_event)
        self.principals = ""
        self._names = names
        self._listeners = Listeners(self.listeners, clock)
        self._listened = bool(self.listeners)
        self._floods = Floods(clock)
        self._log = RequestLog(self._floods)
        self._silent = SilentClients(clock)

    def challenged(self, request: AuthRequest, denied: Denied, adapter: str) -> None:
        """A request without credentials is asked for some."""
        silent = self._silent.note(request)
        if silent is not None:
            self._log.warn_of(silent, self.principals or self._names())
        if self._listened or _logger.isEnabledFor(logging.DEBUG):
            self._tell(event_of(request, adapter, None, denied=denied))

    def accepted(self, request: AuthRequest, signed_in: SignedIn, adapter: str) -> None:
        """A client has signed in, and may enter."""
        if self._silent.clients:
            self._silent.forget(request)
        if self._floods.counts:
            self._log.sum_up()
        if self._listened or _logger.isEnabledFor(logging.DEBUG):
            self._tell(event_of(request, adapter, signed_in.identity, signed_in.times))

    def denied(
        self,
        request: AuthRequest,
        denied: Denied,
        refusal: Refusal,
        identity: Identity | None,
        times: Times,
        adapter: str,
    ) -> None:
        """A request with credentials, or one that none help, is not let in.

        Args:
            request: the request.
            denied: the answer.
            refusal: why.
            identity: the client, if it is known.
            times: how long the check of the token took.
            adapter: the name of the adapter.
        """
        if self._silent.clients:
            self._silent.forget(request)
        if self._listened or _logger.isEnabledFor(denied.reason.level):
            event = event_of(request, adapter, identity, times, denied, refusal.detail)
            self._tell(event, refusal.__cause__)

    def sum_up(self) -> None:
        """Log what has come meanwhile, and had no line."""
        self._log.sum_up(at_once=True)

    def _tell(self, event: Event, cause: BaseException | None = None) -> None:
        self._log.tell(event, cause)
        if self._listened:
            self._listeners.tell(event)
