"""What is known of one request, and owed to its response."""

from __future__ import annotations

from contextvars import ContextVar

from ..kerberos import Kerberos
from ..outcomes import Accepted, Checked, Headers

STATE = "async_kerberos.state"
"""The key of a request's state, in an ASGI scope; in a WSGI environ, with the credentials that it is of."""


class RequestState:
    """What is known of one request, and owed to its response; shared by all who handle the request.

    Attributes:
        checked: what the first check has found.
        owed: headers that are still to be added where the response starts.
        carried: whether a carrier adds them there.
        challenge: the challenge of a denial that an exception carries to the application's own handler.
        over: whether the middleware that began it has seen the application's end.
        decider: the ``Kerberos`` that let the request in; of several, the last.
        by_default: whether the default ``Kerberos`` has let the request in.
    """

    # Attributes of the class, so that making an object, one for each request, sets none of them.
    checked: Checked | None = None
    owed: Headers = ()
    carried: bool = False
    challenge: Headers = ()
    over: bool = False
    decider: Kerberos | None = None
    by_default: bool = False

    def note(self, accepted: Accepted, decider: Kerberos, *, by_default: bool) -> None:
        """Note that a request has been let in. The first check stays: it used up the token, and brings the reply."""
        self.decider = decider
        self.by_default = self.by_default or by_default
        checked = accepted.checked
        if checked is not None and not self.is_of(checked.authorization):
            self.checked = checked
            self.owed = accepted.headers

    def is_of(self, authorization: tuple[str, ...]) -> bool:
        """Whether the check was made from these values of ``Authorization``."""
        return self.checked is not None and self.checked.authorization == authorization

    def take(self, status: int | None, *, challenged: bool = False) -> Headers:
        """What goes onto the response that starts. It is taken once, and the caller adds it.

        On a 401 of the application's own, a client would take the reply for one more leg of the exchange.

        Args:
            status: the response's; None where a WebSocket is accepted.
            challenged: whether the response has a challenge.
        """
        if status == 401:
            return () if challenged else self.challenge
        owed, self.owed = self.owed, ()
        return owed


outer_state: ContextVar[RequestState | None] = ContextVar("async_kerberos_outer_state", default=None)
"""The state of an ASGI middleware, for a WSGI application below a bridge, which passes contexts but no scope on.

Other requests can see this context too: those that the application makes in its own process, and the connection's next
one, which a server may begin within it. So all code that reads this compares the ``Authorization`` that the check was
made from, and takes nothing of a request that is over.
"""
