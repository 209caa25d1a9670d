"""Between an ASGI scope and the decision: what the adapters of ASGI frameworks have in common.

One request may be checked several times: by a middleware, by that of a mounted application, by a decorator, by a
dependency. Each finds what the others have done by keys of the scope.
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from .._decision.guard import NO_GUARD, Guard
from .._protocol.paths import plain_path
from ..kerberos import Kerberos, default_kerberos, is_default
from ..options import DrainLimits
from ..outcomes import Accepted, Denied, Headers, Outcome
from ..reasons import Reason
from ..request import EARLY_FIELDS, MOST_VALUES, AuthRequest
from .drain import Body, has_streams, watched
from .drain import Message as Message
from .drain import Receive as Receive
from .nearest import IDENTITY, NEAREST, Protection, Scope, decider_of, nearest_of, refuse_second_service
from .state import FOR_CACHES, STATE, Owed, RequestState
from .uwsgi import scheme_is_hearsay

Send = Callable[[Message], Awaitable[None]]
# Frameworks type the arguments of their applications each in another way.
App = Callable[[Any, Any, Any], Awaitable[None]]

_RESPONSE_STARTS = frozenset({"http.response.start", "websocket.accept", "websocket.http.response.start"})
# Of HTTP/2, where a server leaves it as it came, ``:authority`` is what ``Host`` was before (RFC 9113, section 8.3.1).
_FIELDS = {
    b":authority": "host",
    **{name.encode(): name for name in EARLY_FIELDS},
    # Those that say whether a body comes are noted in the same look at the headers, which costs the most.
    **dict.fromkeys((b"content-length", b"expect", b"transfer-encoding"), ""),
}
POLICY_VIOLATION = 1008  # RFC 6455, section 7.4.1


def state_of(scope: Scope) -> RequestState:
    """The request's state; begun here if it was not yet."""
    state = scope.get(STATE)
    if not isinstance(state, RequestState):
        state = scope[STATE] = RequestState()
    return state


def carry(scope: Scope, state: RequestState, send: Send, kerberos: Kerberos) -> Send:
    """Make ``kerberos`` the nearest one for all that handles the scope further down.

    Returns:
        The ``send`` for those further down: it adds the acceptor's reply, unless an outer one does.
    """
    scope[NEAREST] = (kerberos, scope.get("app"))
    return send if state.carried else adding_owed(state, send)


def watch_body(scope: Scope, state: RequestState, receive: Receive) -> Receive:
    """The ``receive`` for all that handles the request further down: the rest can be dropped if it is refused."""
    if scope["type"] != "http" or state.watched:
        return receive
    state.watched = True
    body = watched(scope, receive)
    if body is None:
        return receive
    state.body, state.streams = body, has_streams(scope)
    return body.receive


async def _drop_body(state: RequestState, body: Body, limits: DrainLimits) -> None:
    state.drain = None
    await body.drop(limits)
    # Over HTTP/1, the connection ends with what is left of the body on it.
    body.is_open = body.is_open and state.streams


def adding_owed(state: RequestState, send: Send) -> Send:
    """Wrap ``send`` so that the response, whatever it turns out to be, carries what is owed."""
    state.carried = True

    async def send_with_owed(message: Message) -> None:
        if message["type"] in _RESPONSE_STARTS:
            # With another status, the application has gone on.
            if state.drain is not None and state.body is not None and message.get("status", 0) >= 400:
                await _drop_body(state, state.body, state.drain)
            if state.checked is not None or state.owed or state.for_nobody or state.for_some:
                headers: list[tuple[bytes, bytes]] = list(message.get("headers", ()))
                owed = state.take(message.get("status"), functools.partial(values_of, headers))
                message = {**message, "headers": with_owed(headers, owed)} if owed.headers else message
        elif message["type"] == "http.response.body" and not message.get("more_body", False):
            state.over = True  # before it is sent: a server may begin the connection's next request meanwhile
            if state.body is not None and state.body.is_open:
                await _send_when_ended(state.body, send, message)
                return
        await send(message)

    return send_with_owed


def values_of(headers: list[tuple[bytes, bytes]], name: str) -> list[str]:
    """The values of a header field, by its name in small letters."""
    raw, length = name.encode(), len(name)
    values: list[str] = []
    for key, value in headers:  # faster than a comprehension, up to Python 3.11 twice; many a 401 needs it
        # Most names have another length, and need no look at their letters.
        if len(key) == length and key.lower() == raw:
            values.append(value.decode("latin-1"))
    return values


async def _send_when_ended(body: Body, send: Send, message: Message) -> None:
    """Send the last message of a response to a request whose body still comes.

    Over HTTP/2 and 3, Hypercorn falls over what comes after the last message: the whole connection ends and, over
    HTTP/3, the server. So the answer is complete, and its stream stays open, until the client has ended its own.
    """
    await send({**message, "more_body": True})
    await body.end()
    await send({"type": "http.response.body", "body": b"", "more_body": False})


class CarrierMiddleware:
    """Enforces nothing: carries an application's ``Kerberos``, and adds the reply where the response starts.

    That is the only place that sees every response: what a view returns, streams or raises, what handlers of
    exceptions make of it, and what hooks put in its place.
    """

    def __init__(self, app: App, kerberos: Kerberos) -> None:
        self.app = app
        self.kerberos = kerberos

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI scope."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        state = state_of(scope)
        # Of an HTTP/1 request with one of these methods, which hardly ever has a body, a view drops it by hand.
        if scope.get("method") not in ("GET", "HEAD") or has_streams(scope):
            receive = watch_body(scope, state, receive)
        if state.by_default:
            denied = refuse_second_service(self.kerberos, default_kerberos())
            await send_denial(scope, send, refused(scope, state, denied, self.kerberos))
            return
        before = nearest_of(scope)
        send = carry(scope, state, send, self.kerberos)
        try:
            await self.app(scope, receive, send)
        finally:
            scope[NEAREST] = before


async def authenticate_scope(
    scope: Scope, protection: Protection, application: Kerberos | None = None, request: AuthRequest | None = None
) -> Outcome:
    """Decide on the request of an HTTP or WebSocket scope, and note the identity in it.

    Args:
        scope: the scope.
        protection: what the view, or the application, demands.
        application: the application's ``Kerberos``, where the scope does not tell it.
        request: what :func:`request_of` has made of the scope, if it was called.
    """
    state, decider = state_of(scope), decider_of(scope, protection, application) or default_kerberos()
    request = request or request_of(scope, state, protection.guard)
    outcome = await decider.authenticate(request, protection.guard)
    return _noted(scope, state, decider, outcome)


def authenticate_scope_blocking(scope: Scope, protection: Protection, application: Kerberos | None = None) -> Outcome:
    """As :func:`authenticate_scope`, on a thread that may wait."""
    state, decider = state_of(scope), decider_of(scope, protection, application) or default_kerberos()
    outcome = decider.authenticate_blocking(request_of(scope, state, protection.guard), protection.guard)
    return _noted(scope, state, decider, outcome)


def _noted(scope: Scope, state: RequestState, decider: Kerberos, outcome: Outcome) -> Outcome:
    if isinstance(outcome, Denied):
        return refused(scope, state, outcome, decider)
    state = _state_for(scope, state, outcome)
    state.note(outcome, decider, by_default=is_default(decider))
    if outcome.exempt:
        scope.setdefault(IDENTITY, None)  # an outer check's user stays
    else:
        scope[IDENTITY] = outcome.identity
    return outcome


def _state_for(scope: Scope, state: RequestState, accepted: Accepted) -> RequestState:
    """The request's state; a new one for a copy of the scope that was given other credentials: another request's."""
    if state.checked is None or accepted.exempt or state.is_of(accepted.authorization):
        return state
    another = scope[STATE] = RequestState()
    another.watched, another.body, another.streams = state.watched, state.body, state.streams
    return another


def refused(scope: Scope, state: RequestState, denied: Denied, decider: Kerberos) -> Denied:
    """Note that a request is refused, so that the rest of its body is dropped before the answer.

    Returns:
        The answer. It says that the connection ends where that is so: where nobody can read the body that a client
        waits to send (RFC 9110, section 10.1.1), and on a WebSocket's handshake. Servers close the connection then, and
        some do not say so (RFC 9112, section 9.6, wants it): over TLS, Chromium sends its ticket on the same
        connection, finds it closed, and gives up. HTTP/2 has no such field (RFC 9113, section 8.2.2).
    """
    closes = scope["type"] == "websocket"
    if not (closes or state.announced or has_streams(scope)):
        return denied  # as nearly always
    copes = state.watched and state.body is None
    if state.body is None and state.announced and state.expects_continue:
        closes = True
    elif decider.drain.bytes and not (closes or copes):
        state.drain = decider.drain
    if not closes or scope.get("http_version", "1.1") != "1.1":
        return denied
    return replace(denied, headers=(*denied.headers, ("Connection", "close")))


def request_of(scope: Scope, state: RequestState, guard: Guard = NO_GUARD) -> AuthRequest:
    """What the decision needs to know of a request; whether a body comes is noted in the request's state."""
    headers: list[tuple[bytes, bytes]] = scope["headers"]
    fields: dict[str, list[str]] = {}
    wanted = _FIELDS
    for raw_name, value in headers:
        name = wanted.get(raw_name.lower())
        if name:
            values = fields.setdefault(name, [])
            values.append(value.decode("latin-1"))
            if len(values) == MOST_VALUES:
                # Some servers let thousands of one name pass: from here on they cost what fields do that nobody reads.
                wanted = {raw: field for raw, field in wanted.items() if field != name}
        elif name is not None:
            _note_body(state, raw_name.lower(), value)
    if state.hidden:
        fields.setdefault("authorization", list(state.hidden))
    client: tuple[str, int] | None = scope.get("client")
    websocket = scope["type"] == "websocket"
    path: str = scope.get("path", "")
    # Of some servers and frameworks, the path begins with the part under which the application is mounted.
    root: str = scope.get("root_path", "")
    return AuthRequest(
        fields,
        peer=None if client is None or not client[0] else (client[0], client[1] or 0),
        # A WebSocket's second leg comes on a new connection; the streams of one HTTP/2 connection are not one exchange.
        exclusive=not websocket and scope.get("http_version", "1.1") in ("1.0", "1.1"),
        # The bridge a2wsgi, below which an ASGI application runs on a server of WSGI, passes environ on.
        secure=scope.get("scheme") in ("https", "wss") and not scheme_is_hearsay(scope.get("wsgi_environ") or {}),
        method=scope.get("method", "GET"),
        path=path if not root or path == root or path.startswith(f"{root.rstrip('/')}/") else root + path,
        websocket=websocket,
        earlier=state.checked,
        later=functools.partial(values_of, headers),
        # Of a server that does not tell how the client has written the path, no path is plain.
        plain_path=plain_path(scope.get("raw_path") or b"", path, root) if guard.exempts_some else "",
    )


def _note_body(state: RequestState, name: bytes, value: bytes) -> None:
    """Note whether an HTTP request has a body (RFC 9112, section 6.3; with HTTP/2 and 3 no field has to tell)."""
    if name == b"expect":
        state.expects_continue = value.lower() == b"100-continue"
    elif name == b"transfer-encoding" or value != b"0":
        state.announced = True


def headers_of(denied: Denied) -> list[tuple[bytes, bytes]]:
    """The headers of a denial as ASGI has them; the caller must not change the list."""
    return _encoded(denied.headers) if denied.reason is Reason.NO_CREDENTIALS else encode_headers(denied.headers)


def can_answer(scope: Scope) -> bool:
    """Whether a denial can be sent as a response. Of some servers, a WebSocket's handshake can be closed alone."""
    return scope["type"] != "websocket" or "websocket.http.response" in (scope.get("extensions") or {})


async def send_denial(scope: Scope, send: Send, denied: Denied) -> None:
    """Answer a request that may not pass: nothing of its body is kept, and its handshake is not accepted."""
    state = state_of(scope)
    if state.drain is not None and state.body is not None:
        await _drop_body(state, state.body, state.drain)
    if not can_answer(scope):
        await send({"type": "websocket.close", "code": POLICY_VIOLATION, "reason": ""})
        return
    prefix = "websocket." if scope["type"] == "websocket" else ""
    headers = [*headers_of(denied), (b"content-length", str(len(denied.body)).encode())]
    await send({"type": f"{prefix}http.response.start", "status": denied.status, "headers": headers})
    last: Message = {"type": f"{prefix}http.response.body", "body": denied.body, "more_body": False}
    if state.body is not None and state.body.is_open:
        await _send_when_ended(state.body, send, last)
    else:
        await send(last)


@functools.lru_cache(maxsize=64)  # half of all requests get one of few answers
def _encoded(headers: Headers) -> list[tuple[bytes, bytes]]:
    return encode_headers(headers)


def with_owed(headers: list[tuple[bytes, bytes]], owed: Owed) -> list[tuple[bytes, bytes]]:
    """A response's headers with what :meth:`RequestState.take` adds."""
    if owed.with_vary:
        headers = [field for field in headers if field[0].lower() != b"vary"]
    return [*headers, *encode_headers(owed.headers)]


def encode_headers(headers: Headers) -> list[tuple[bytes, bytes]]:
    """Headers as ASGI has them: bytes, the names in small letters."""
    return [_ENCODED.get(field) or _encode(*field) for field in headers]


def _encode(name: str, value: str) -> tuple[bytes, bytes]:
    return name.lower().encode(), value.encode("latin-1")


_ENCODED = {field: _encode(*field) for field in FOR_CACHES}  # every response to somebody signed in has these
