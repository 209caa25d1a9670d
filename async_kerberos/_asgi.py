"""Between an ASGI scope and the decision: what the adapters of ASGI frameworks have in common.

One request may be checked at several places: a middleware, a mounted application's, a decorator, a dependency. They
find each other by two keys of the scope.
"""

from __future__ import annotations

import weakref
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from contextvars import ContextVar
from dataclasses import replace
from typing import Any

from ._guard import Guard, refuse_second_service
from ._kerberos import Kerberos, default_kerberos
from ._outcomes import Accepted, Denied, Headers, Outcome
from ._request import FIELDS, MOST_VALUES, AuthRequest
from ._uwsgi import scheme_is_hearsay

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
# Frameworks type the arguments of their applications each in another way.
App = Callable[[Any, Any, Any], Awaitable[None]]

NEAREST = "async_kerberos.nearest"
_SIGN_IN = "async_kerberos.sign_in"
IDENTITY = "kerberos"

_NOBODYS: tuple[Kerberos | None, object] = (None, None)
_configured: weakref.WeakKeyDictionary[object, Kerberos] = weakref.WeakKeyDictionary()

_RESPONSE_STARTS = frozenset({"http.response.start", "websocket.accept", "websocket.http.response.start"})
# Of HTTP/2, where a server leaves it as it came, ``:authority`` is what ``Host`` was before (RFC 9113, section 8.3.1).
_FIELDS = {b":authority": "host", **{name.encode(): name for name in FIELDS}}
POLICY_VIOLATION = 1008  # RFC 6455, section 7.4.1


class SignIn:
    """What is known of one request's sign-in, shared by all who handle the request."""

    accepted: Accepted | None = None
    # Headers that are still to be added where the response starts.
    reply: Headers = ()
    # Whether somebody adds them there.
    adds_reply = False
    # Whether the middleware that began it has seen the application's end.
    over = False
    # Who let it in, last.
    decider: Kerberos | None = None
    # Whether the default ``Kerberos`` has let it in.
    by_default = False
    # The challenge of a denial that an exception carries to the application's own handler.
    challenge: Headers = ()

    def is_of(self, authorization: tuple[str, ...]) -> bool:
        """Whether it is that of a request with these values of ``Authorization``."""
        return self.accepted is not None and self.accepted.authorization == authorization

    def take_reply(self) -> Headers:
        """The headers that are still to be added: whoever takes them adds them."""
        reply, self.reply = self.reply, ()
        return reply

    def adding_reply(self, send: Send) -> Send:
        """Wrap ``send`` so that the response, whatever it turns out to be, carries the acceptor's reply."""
        self.adds_reply = True

        async def send_with_reply(message: Message) -> None:
            # On a 401 of the application's own, a client would take the reply for one more leg of the exchange.
            added: Headers = ()
            if message["type"] in _RESPONSE_STARTS:
                if message.get("status") != 401:
                    added = self.take_reply()
                elif self.challenge and not _has_challenge(message):
                    added = self.challenge
            if added:
                message = {**message, "headers": [*message.get("headers", ()), *encode_headers(added)]}
            await send(message)

        return send_with_reply


def _has_challenge(message: Message) -> bool:
    return any(name.lower() == b"www-authenticate" for name, _ in message.get("headers", ()))


carried: ContextVar[SignIn | None] = ContextVar("async_kerberos_carried", default=None)
"""The sign-in of an ASGI middleware, for a WSGI application below a bridge, which passes contexts but no scope on.

A context also reaches what is none of its request's business: requests that the application makes in its own process,
and the connection's next request, which a server may begin within it. So whoever reads this compares the
``Authorization`` that the result was made from, and takes nothing of a request that is over.
"""


def sign_in_of(scope: Scope) -> SignIn:
    """The scope's sign-in; begun here if it was not yet."""
    sign_in = scope.get(_SIGN_IN)
    if not isinstance(sign_in, SignIn):
        sign_in = scope[_SIGN_IN] = SignIn()
    return sign_in


def configure(app: object, kerberos: Kerberos) -> None:
    """Make ``kerberos`` that of an application which stands in its scopes as ``scope["app"]``."""
    _configured[app] = kerberos


def nearest_of(scope: Scope) -> tuple[Kerberos | None, object]:
    """The ``Kerberos`` that is carried here, and the application within which it was begun to be.

    Whoever carries another one puts this back: an application around a mounted one has handlers of errors.
    """
    nearest: tuple[Kerberos | None, object] = scope.get(NEAREST, _NOBODYS)
    return nearest


def configured(app: object) -> Kerberos | None:
    """The ``Kerberos`` of an application that :func:`configure` has seen; None of any other."""
    try:
        return _configured.get(app)
    except TypeError:  # there is none, or one that cannot be a key, and is not ours
        return None


def decider_of(scope: Scope, guard: Guard, application: Kerberos | None = None) -> Kerberos | None:
    """The ``Kerberos`` that decides: the guard's own, or else the nearest; None for the default.

    Args:
        scope: the scope.
        guard: the guard.
        application: that of the application, where the scope does not tell it.
    """
    own = guard.kerberos or application
    if own is not None:
        return own
    app = scope.get("app")
    kerberos, carried_in = nearest_of(scope)
    if kerberos is None or carried_in is not app:
        # Nothing within this application carries one yet: its own is nearer than what came from outside of it.
        return configured(app) or kerberos
    return kerberos


def carry(scope: Scope, send: Send, kerberos: Kerberos) -> Send:
    """Make ``kerberos`` the nearest one for all that handles the scope further down.

    Returns:
        The ``send`` for those further down: it adds the acceptor's reply, unless an outer one does.
    """
    scope[NEAREST] = (kerberos, scope.get("app"))
    sign_in = sign_in_of(scope)
    return send if sign_in.adds_reply else sign_in.adding_reply(send)


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
        if sign_in_of(scope).by_default:
            await send_denial(scope, send, refuse_second_service(self.kerberos, default_kerberos()))
            return
        before = nearest_of(scope)
        send = carry(scope, send, self.kerberos)
        try:
            await self.app(scope, receive, send)
        finally:
            scope[NEAREST] = before


async def authenticate_scope(scope: Scope, guard: Guard, application: Kerberos | None = None) -> Outcome:
    """Decide on the request of an HTTP or WebSocket scope, and note the identity in it.

    Args:
        scope: the scope.
        guard: what guards the view, or the application.
        application: the application's ``Kerberos``, where the scope does not tell it.
    """
    sign_in = sign_in_of(scope)
    decider = decider_of(scope, guard, application) or default_kerberos()
    outcome = await decider.authenticate(_request(scope, sign_in.accepted), guard.cross_site)
    if isinstance(outcome, Denied):
        return _closing(scope, outcome)
    _note(scope, sign_in, outcome, decider)
    return outcome


def authenticate_scope_blocking(scope: Scope, guard: Guard, application: Kerberos | None = None) -> Outcome:
    """As :func:`authenticate_scope`, on a thread that may wait."""
    sign_in = sign_in_of(scope)
    decider = decider_of(scope, guard, application) or default_kerberos()
    outcome = decider.authenticate_blocking(_request(scope, sign_in.accepted), guard.cross_site)
    if isinstance(outcome, Denied):
        return _closing(scope, outcome)
    _note(scope, sign_in, outcome, decider)
    return outcome


def _closing(scope: Scope, denied: Denied) -> Denied:
    """Say that the connection ends, where it is the handshake of a WebSocket that is denied.

    Servers close it then, and some do not say so (RFC 9112, section 9.6, wants it): over TLS, Chromium sends its ticket
    on the same connection, finds it closed, and gives up. HTTP/2 has no such field (RFC 9113, section 8.2.2).
    """
    if scope["type"] != "websocket" or scope.get("http_version", "1.1") != "1.1":
        return denied
    return replace(denied, headers=(*denied.headers, ("Connection", "close")))


def _note(scope: Scope, sign_in: SignIn, accepted: Accepted, decider: Kerberos) -> None:
    sign_in.decider = decider
    if decider is default_kerberos():
        sign_in.by_default = True
    # The first result stays: it names the one that took the step, and brings the reply.
    if sign_in.accepted is None or sign_in.accepted.authorization != accepted.authorization:
        sign_in.accepted = accepted
        sign_in.reply = accepted.headers
    scope[IDENTITY] = accepted.identity


def _request(scope: Scope, earlier: Accepted | None) -> AuthRequest:
    headers: list[tuple[bytes, bytes]] = scope["headers"]
    fields: dict[str, list[str]] = {}
    for raw_name, value in headers:
        name = _FIELDS.get(raw_name.lower())
        if name is not None:
            # Some servers let thousands of one name pass.
            values = fields.setdefault(name, [])
            if len(values) < MOST_VALUES:
                values.append(value.decode("latin-1"))
    client: tuple[str, int] | None = scope.get("client")
    websocket = scope["type"] == "websocket"
    return AuthRequest(
        authorization=tuple(fields.pop("authorization", ())),
        peer=None if client is None or not client[0] else (client[0], client[1] or 0),
        # A WebSocket's second leg comes on a new connection; the streams of one HTTP/2 connection are not one exchange.
        own_connection=not websocket and scope.get("http_version", "1.1") in ("1.0", "1.1"),
        # The bridge a2wsgi, below which an ASGI application runs on a server of WSGI, passes environ on.
        secure=scope.get("scheme") in ("https", "wss") and not scheme_is_hearsay(scope.get("wsgi_environ") or {}),
        method=scope.get("method", "GET"),
        websocket=websocket,
        fields=fields,
        earlier=earlier,
    )


async def send_denial(scope: Scope, send: Send, denied: Denied) -> None:
    """Answer a request that may not pass, before its body is read or its handshake accepted."""
    prefix = ""
    if scope["type"] == "websocket":
        if "websocket.http.response" not in (scope.get("extensions") or {}):
            await send({"type": "websocket.close", "code": POLICY_VIOLATION, "reason": ""})
            return
        prefix = "websocket."
    body = denied.body.encode()
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
        *encode_headers(denied.headers),
    ]
    await send({"type": f"{prefix}http.response.start", "status": denied.status, "headers": headers})
    await send({"type": f"{prefix}http.response.body", "body": body, "more_body": False})


def encode_headers(headers: Headers) -> list[tuple[bytes, bytes]]:
    """Headers as ASGI has them: bytes, the names in small letters."""
    return [(name.lower().encode(), value.encode("latin-1")) for name, value in headers]


def join_headers(headers: Headers, *, onto: Mapping[str, str] | None = None) -> dict[str, str]:
    """Headers as a mapping, for exceptions that carry one: a list in one field says the same (RFC 9110, 5.3).

    Args:
        headers: the headers.
        onto: headers that stay before them.
    """
    joined = dict(onto or {})
    for name, value in headers:
        joined[name] = f"{joined[name]}, {value}" if name in joined else value
    return joined
