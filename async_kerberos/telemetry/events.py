"""What came of each attempt to sign in, and who is told."""

from __future__ import annotations

import inspect
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from .._checks import elements
from .._never_sent import NeverSent
from .._protocol.header import token_size
from ..errors import ConfigurationError
from ..identity import Identity
from ..outcomes import Denied
from ..reasons import NO_TIMES, Reason, Times
from ..request import AuthRequest, Peer
from .faults import Faults

_logger = logging.getLogger("async_kerberos")

EventOutcome = Literal["accepted", "challenged", "refused", "failed"]
"""What came of an attempt; ``Event.outcome``."""

_CHALLENGES = (Reason.NO_CREDENTIALS, Reason.CONTINUE)

_METHOD = "ticket"  # what is tried, by those who are not known


@dataclass(frozen=True, init=False)
class Event(NeverSent):
    """One attempt to sign in, and what came of it. It has no token, no cookie and no key.

    What a client has sent, ``host`` and ``path``, is as it was sent: it may be long, and have any characters.

    Attributes:
        outcome: ``"accepted"``; ``"challenged"``: asked for a ticket, or for another leg of the exchange;
            ``"refused"``: by a rule, or for what the client sent; ``"failed"``: the server could not decide.
        reason: why it was not accepted; None if it was.
        status: the status of the answer; None if the attempt was accepted, since the application chooses it.
        principal: the client's, if a ticket has proved it.
        method: how the client signed in, or tried to, as in ``Identity.method``; empty without credentials.
        mechanism: the mechanism of GSSAPI, ``krb5``; empty if the client is not known.
        host: the value of ``Host``: the name and the port that the client asked for; empty if none came.
        peer: the client's address and port, as the server says; None where it says nothing.
        path: the path that was asked for, without the query.
        token_size: the token's size in bytes; 0 if none came.
        waited: seconds that the token waited for a worker thread.
        stepped: seconds that GSSAPI took for the token.
        adapter: ``"flask"``, ``"quart"``, ``"starlette"``, ``"fastapi"``, ``"asgi"`` or ``"wsgi"``; empty if code of
            the application's asked.
        detail: more on the reason, for operators; it may name principals and files.
    """

    outcome: EventOutcome
    reason: Reason | None
    status: int | None
    principal: str | None
    method: str
    mechanism: str
    host: str
    peer: Peer | None
    path: str
    token_size: int
    waited: float
    stepped: float
    adapter: str
    detail: str

    # As in outcomes.py: the dataclass's own __init__ takes several times as long.
    def __init__(
        self,
        outcome: EventOutcome,
        *,
        reason: Reason | None = None,
        status: int | None = None,
        principal: str | None = None,
        method: str = "",
        mechanism: str = "",
        host: str = "",
        peer: Peer | None = None,
        path: str = "",
        token_size: int = 0,
        waited: float = 0.0,
        stepped: float = 0.0,
        adapter: str = "",
        detail: str = "",
    ) -> None:
        values = self.__dict__  # for so many, faster than update()
        values["outcome"] = outcome
        values["reason"] = reason
        values["status"] = status
        values["principal"] = principal
        values["method"] = method
        values["mechanism"] = mechanism
        values["host"] = host
        values["peer"] = peer
        values["path"] = path
        values["token_size"] = token_size
        values["waited"] = waited
        values["stepped"] = stepped
        values["adapter"] = adapter
        values["detail"] = detail


Listener = Callable[[Event], object]
"""Is told of each attempt. What it returns is dropped."""

OnEvent = Listener | Sequence[Listener]
"""One listener, or several."""


def event_of(
    request: AuthRequest,
    adapter: str,
    identity: Identity | None,
    times: Times = NO_TIMES,
    denied: Denied | None = None,
    detail: str = "",
) -> Event:
    """The event of a request.

    Args:
        request: the request.
        adapter: the name of the adapter.
        identity: the client, as far as it is known.
        times: how long the check of the token took.
        denied: the answer; None if the client was accepted.
        detail: more on the reason.
    """
    outcome: EventOutcome = "accepted"
    if denied is not None:
        outcome = "challenged" if denied.reason in _CHALLENGES else "failed" if denied.status >= 500 else "refused"
    size = token_size(request.fields.get("authorization", ()))
    return Event(
        outcome,
        reason=None if denied is None else denied.reason,
        status=None if denied is None else denied.status,
        principal=None if identity is None else identity.principal,
        method=identity.method if identity is not None else _METHOD if size else "",
        mechanism="" if identity is None else identity.mechanism,
        host=request.host,
        peer=request.peer,
        path=request.path,
        token_size=size,
        waited=times[0],
        stepped=times[1],
        adapter=adapter,
        detail=detail,
    )


def check_listeners(option: str, value: object) -> tuple[Listener, ...]:
    """Refuse a value that is no listener and has others than listeners; return the listeners."""
    listeners: list[Listener] = []
    for listener in (value,) if callable(value) else elements(option, value, "functions of an Event"):
        if not callable(listener):
            raise ConfigurationError(option, f"must be functions of an Event, not {listener!r}")
        if any(map(_is_async, (listener, getattr(type(listener), "__call__", None)))):  # noqa: B004
            raise ConfigurationError(
                option,
                f"{listener!r} is async, and nobody would await it: give a function that is not, and puts the event "
                "into a queue, say",
            )
        listeners.append(listener)
    return tuple(listeners)


def _is_async(function: Any) -> bool:
    return inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)


class Listeners:
    """The application's listeners. What they do changes no answer.

    Args:
        listeners: the functions.
        clock: seconds that never go back.
    """

    def __init__(self, listeners: Sequence[Listener], clock: Callable[[], float] = time.monotonic) -> None:
        self._listeners = tuple(listeners)
        self._faults = Faults(clock)

    def tell(self, event: Event) -> None:
        """Call each listener. An error is logged; what is no ``Exception``, such as KeyboardInterrupt, passes."""
        for number, listener in enumerate(self._listeners):
            try:
                result = listener(event)
            except Exception as error:
                if self._faults.is_new(number, type(error).__qualname__):
                    _logger.exception(
                        "Kerberos: the listener %r has failed (on_event). The answer is the same. Its next error of "
                        "this type is logged after a minute.",
                        listener,
                    )
                continue
            if result is None:
                continue
            # What has callbacks, a task or a future, goes on by itself.
            if inspect.isawaitable(result) and not hasattr(result, "add_done_callback"):
                if inspect.iscoroutine(result):
                    result.close()  # Python would complain in words of its own
                if self._faults.is_new(number, "awaitable"):
                    _logger.error(
                        "Kerberos: the listener %r returns something to await, and nobody does (on_event): give a "
                        "function that is not async.",
                        listener,
                    )
