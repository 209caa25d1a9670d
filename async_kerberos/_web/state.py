"""What is known of one request, and owed to its response."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from ..kerberos import Kerberos
from ..options import DrainLimits
from ..outcomes import Accepted, Checked, Headers
from .drain import Body

STATE = "async_kerberos.state"
"""The key of a request's state, in an ASGI scope or a WSGI environ."""

# A cache between client and server must not hand one user's page to another (RFC 9111, sections 4.1 and 5.2.2.7).
_VARY = ("Cookie", "Authorization")
_VARY_ALONE = "Vary", ", ".join(_VARY)
_PRIVATE = "Cache-Control", "private"
FOR_CACHES: Headers = (_VARY_ALONE, _PRIVATE)
"""What is added to a response to somebody signed in, where the application says nothing of caches."""


class Owed(NamedTuple):
    """What goes onto a response.

    Attributes:
        headers: the headers to add.
        with_vary: whether they contain the response's own ``Vary``, which is left out: of two fields, software that
            adds a third name may drop one (older releases of Starlette do).
    """

    headers: Headers = ()
    with_vary: bool = False

    def __repr__(self) -> str:
        return "<what a response is owed>"  # the acceptor's reply is among it


NOTHING = Owed()


class RequestState:
    """What is known of one request, and owed to its response; shared by all who handle the request.

    Attributes:
        checked: what the first check has found.
        of: in a WSGI environ, the values of ``Authorization`` there. Kept here: an environ is shown in debug pages.
        hidden: the values of ``Authorization`` that the application below does not see; empty if it sees them.
        owed: headers that are still to be added where the response starts.
        carried: whether a carrier adds them there.
        watched: whether it has been looked at whether the body is to be dropped; who does it first stands outermost.
        announced: whether a body comes; over HTTP/2 and 3, one may come all the same.
        expects_continue: whether the client waits for leave to send it (RFC 9110, section 10.1.1).
        streams: whether the connection has other requests beside this one (HTTP/2 and 3).
        body: the request's body, as it comes; None where the server copes with one that is left unread.
        drain: the limits within which the rest of it is dropped before the answer; None unless it is refused.
        over: whether the response has been sent, or the application has ended.
        username: the user's name for applications; of several checks, the last one's.
        for_nobody: whether nobody has signed in where somebody might: the response would be another one then.
        for_some: whether a function of the application's has let it in: others may not get the response.
        decider: the ``Kerberos`` that let the request in; of several, the last.
        by_default: whether the default ``Kerberos`` has let the request in.
    """

    # Attributes of the class, so that making an object, one for each request, sets none of them.
    checked: Checked | None = None
    of: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()
    owed: Headers = ()
    carried: bool = False
    watched: bool = False
    announced: bool = False
    expects_continue: bool = False
    streams: bool = False
    body: Body | None = None
    drain: DrainLimits | None = None
    over: bool = False
    username: str = ""
    for_nobody: bool = False
    for_some: bool = False
    decider: Kerberos | None = None
    by_default: bool = False

    @property
    def drain_by_hand(self) -> DrainLimits | None:
        """The limits where no carrier drops the body, so that a decorated view does, by what its framework has."""
        return None if self.watched else self.drain

    def note(self, accepted: Accepted, decider: Kerberos, *, by_default: bool) -> None:
        """Note that a request has been let in. The first check stays: it used up the token, and brings the reply."""
        self.decider = decider
        if not accepted.exempt:  # there, a user whom an outer check has found stays
            self.username, self.for_nobody = accepted.username, accepted.identity is None
        self.for_some = self.for_some or accepted.by_function
        self.by_default = self.by_default or by_default
        # An earlier refusal that the application has recovered from no longer counts.
        self.drain = None
        checked = accepted.checked
        if checked is not None and not self.is_of(checked.authorization):
            self.checked = checked
            self.owed = accepted.headers

    def is_of(self, authorization: tuple[str, ...]) -> bool:
        """Whether the check was made from these values of ``Authorization``."""
        return self.checked is not None and self.seen(authorization) == self.checked.authorization

    def seen(self, authorization: tuple[str, ...]) -> tuple[str, ...]:
        """The values of ``Authorization`` that came, where the application below sees these."""
        return authorization or self.hidden

    def take(self, status: int | None, values_of: Callable[[str], Sequence[str]], *, reply: bool = True) -> Owed:
        """What goes onto the response that starts. A reply is taken once, and the caller adds all of it.

        On a 401 of the application's own, a client would take the reply for one more leg of the exchange.

        Args:
            status: the response's; None where a WebSocket is accepted.
            values_of: gives the values of the response's headers, by their names in small letters.
            reply: whether the reply may go onto this response.
        """
        added: Headers = ()
        if status != 401 and reply:
            added, self.owed = self.owed, ()
        is_private = self.checked is not None or self.for_some
        if not (is_private or self.for_nobody) or status is None:
            return Owed(added)
        varies = values_of("vary")
        vary = _with_ours(varies) if varies else (_VARY_ALONE,)
        private = () if not is_private or values_of("cache-control") else (_PRIVATE,)
        return Owed((*added, *vary, *private), bool(varies and vary))


def _with_ours(varies: Sequence[str]) -> Headers:
    """The field with our names as well; nothing if it has them."""
    names = [name.strip() for value in varies for name in value.split(",")]
    missing = [name for name in _VARY if name.lower() not in map(str.lower, names)]
    return (("Vary", ", ".join([*names, *missing])),) if missing else ()


_with_state: dict[int, tuple[str, RequestState]] = {}


def mark(method: str, state: RequestState) -> str:
    """For the time that an ASGI application handles a request: its method, by which the request's state is found.

    A WSGI application below needs it. Of all that is in a scope, bridges pass nothing on into ``environ`` unchanged but
    a few texts, and of these each request can have one of its own: this. A context would reach other requests too, such
    as the connection's next one.

    Returns:
        A text of the same letters, and no other request's object.
    """
    marked = f"{method} "[:-1]
    if len(method) > 1:  # of texts with one letter, Python keeps a single object
        _with_state[id(marked)] = (marked, state)
    return marked


def forget(marked: str) -> None:
    """Forget what :func:`mark` made, once the application has ended: a text that was kept leads to no state."""
    _with_state.pop(id(marked), None)


def outer_state(method: str) -> RequestState | None:
    """The state that an ASGI middleware has given a request, by its method, as long as the request lasts."""
    marked, state = _with_state.get(id(method), (None, None))
    return None if state is None or marked is not method or state.over else state
