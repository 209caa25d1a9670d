"""Between a WSGI environment and the decision: as the ASGI bridge, but on threads that may wait."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator
from http import HTTPStatus
from typing import Any

from .._decision.guard import Guard
from .._protocol.header import SCHEME
from .._protocol.paths import plain_path
from ..kerberos import Kerberos, default_kerberos, is_default
from ..outcomes import Accepted, Denied, Headers, Outcome
from ..request import EARLY_FIELDS, AuthRequest
from .drain import drop_from_socket
from .nearest import IDENTITY, NEAREST, Protection, Scope, refuse_second_service
from .state import STATE, RequestState, outer_state
from .uwsgi import peer_port, scheme_is_hearsay

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
App = Callable[[Environ, StartResponse], Iterable[bytes]]

_PROXY_FIX = "werkzeug.proxy_fix.orig"


def _key_of(name: str) -> str:
    return f"HTTP_{name.upper().replace('-', '_')}"  # RFC 3875, section 4.1.18


_FIELDS = tuple((_key_of(name), name) for name in sorted(EARLY_FIELDS))


def state_of(environ: Environ) -> RequestState:
    """The request's state, one object for all who handle the request: a copy of the environ shares it.

    A copy for another request has other credentials, and begins a new state here.
    """
    authorization = _authorization(environ)
    state = environ.get(STATE)
    if not isinstance(state, RequestState) or state.of != authorization:
        state = environ[STATE] = RequestState()
        state.of = authorization
    return state


class CarrierMiddleware:
    """Enforces nothing: adds what is owed where the response starts, the only place that sees every response.

    Attributes:
        kerberos: the application's.
    """

    def __init__(self, app: App, kerberos: Kerberos) -> None:
        self.app = app
        self.kerberos = kerberos

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Handle one WSGI request."""
        outer, state = outer_state(environ["REQUEST_METHOD"]), state_of(environ)
        checked_by_default = outer is not None and outer.by_default and outer.is_of(_authorization(environ))
        if checked_by_default or state.by_default:
            denied = refused(environ, refuse_second_service(self.kerberos, default_kerberos()), self.kerberos)
            return send_denial(environ, start_response, denied)
        response = self.app(environ, carry(environ, state, start_response, self.kerberos))
        return response if state.drain is None else _Dropping(response, environ)


def carry(environ: Environ, state: RequestState, start_response: StartResponse, kerberos: Kerberos) -> StartResponse:
    """Make ``kerberos`` the nearest one for all that handles the request further down.

    Returns:
        The ``start_response`` for those further down: it adds what is owed, unless an outer one does.
    """
    environ[NEAREST] = kerberos
    if state.carried:  # as another of these does further out, around a dispatcher say
        return start_response
    state.carried = True
    taken: Headers = ()

    def start_with_owed(status: str, headers: list[tuple[str, str]], *exc_info: Any) -> Any:
        def values_of(name: str) -> list[str]:
            return [value for key, value in headers if key.lower() == name]

        nonlocal taken
        if exc_info:  # the response begins anew, and what it had is gone
            state.owed = state.owed or taken
        taken = state.owed
        # The status is text, which an application may have made without a number.
        number = int(status[:3]) if status[:3].isdigit() else 0
        owed = state.take(number, values_of)
        if owed.with_vary:
            headers = [field for field in headers if field[0].lower() != "vary"]
        return start_response(status, [*headers, *owed.headers], *exc_info)

    return start_with_owed


def hide_credentials(environ: Environ) -> None:
    """Remove ``Authorization`` from the environment of a request that has been let in; its state keeps the values."""
    state = state_of(environ)
    state.hidden = state.hidden or _authorization(environ)
    environ.pop("HTTP_AUTHORIZATION", None)
    state.of = ()
    scope: Scope | None = environ.get("asgi.scope")  # the bridge a2wsgi passes it on
    if scope is not None:
        kept = [field for field in scope["headers"] if field[0].lower() != b"authorization"]
        environ["asgi.scope"] = {**scope, "headers": kept}


def authenticate_environ(environ: Environ, protection: Protection, application: Kerberos | None) -> Outcome:
    """Decide on the request of an environment, on this thread, and note the user in it.

    Args:
        environ: the environment.
        protection: what the view demands.
        application: the application's ``Kerberos``.
    """
    state, outer = state_of(environ), outer_state(environ["REQUEST_METHOD"])
    if outer is not None and not outer.is_of(_authorization(environ)):
        outer = None  # something in between has put other credentials there
    nearest: Kerberos | None = environ.get(NEAREST) or (None if outer is None else outer.decider)
    decider = protection.kerberos or application or nearest or default_kerberos()
    request = _request(environ, outer if state.checked is None and outer is not None else state, protection.guard)
    outcome = decider.authenticate_blocking(request, protection.guard)
    if isinstance(outcome, Denied):
        return refused(environ, outcome, decider)
    if outer is not None:
        state.hidden = state.hidden or outer.hidden
    state.note(outcome, decider, protection.guard, by_default=is_default(decider))
    _name_user(environ, outcome)
    return outcome


def _name_user(environ: Environ, accepted: Accepted) -> None:
    """Say who the user is, and let nothing else stand there."""
    if accepted.exempt and environ.get(IDENTITY) is not None:
        return  # an outer check's user stays
    environ[IDENTITY] = accepted.identity
    if accepted.identity is None:
        for name in ("REMOTE_USER", "AUTH_TYPE"):
            environ.pop(name, None)
    else:
        environ["REMOTE_USER"], environ["AUTH_TYPE"] = accepted.username, SCHEME


def refused(environ: Environ, denied: Denied, decider: Kerberos) -> Denied:
    """Note that a request is refused, so that the rest of its body is dropped after the answer."""
    # RFC 9112, section 6.3.
    announced = environ.get("CONTENT_LENGTH") not in (None, "", "0") or "HTTP_TRANSFER_ENCODING" in environ
    if announced and decider.drain.bytes:
        state_of(environ).drain = decider.drain
    return denied


def drop_body(environ: Environ) -> None:
    """Drop the rest of a refused request's body; called once it is answered."""
    state = state_of(environ)
    limits, state.drain = state.drain, None
    if limits is not None:
        drop_from_socket(environ, limits)


class _Dropping:
    """A response, after which the rest of the request's body is dropped."""

    def __init__(self, response: Iterable[bytes], environ: Environ) -> None:
        self._response = response
        self._environ = environ

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._response)

    def close(self) -> None:
        """Called by the server, which has sent the response."""
        try:
            drop_body(self._environ)
        finally:
            close = getattr(self._response, "close", None)
            if close is not None:
                close()


def send_denial(environ: Environ, start_response: StartResponse, denied: Denied) -> Iterable[bytes]:
    """Answer a request that may not pass."""
    headers: Headers = (*denied.headers, ("Content-Length", str(len(denied.body))))
    start_response(f"{denied.status} {HTTPStatus(denied.status).phrase}", list(headers))
    return _Dropping([] if environ["REQUEST_METHOD"] == "HEAD" else [denied.body], environ)


def _request(environ: Environ, state: RequestState, guard: Guard) -> AuthRequest:
    address: str = environ.get("REMOTE_ADDR", "")
    port = str(environ.get("REMOTE_PORT") or peer_port(environ))  # a number on werkzeug, a text on gunicorn
    # With ProxyFix the address is what a proxy says, and the port still the proxy's own.
    known = _PROXY_FIX not in environ and port.isascii() and port.isdigit()
    fields: dict[str, tuple[str, ...]] = {name: (environ[key],) for key, name in _FIELDS if key in environ}
    if state.hidden:
        fields.setdefault("authorization", state.hidden)
    return AuthRequest(
        fields,
        method=environ["REQUEST_METHOD"],
        path=_path(environ),
        peer=(address, int(port) if known else 0) if address else None,
        exclusive=environ.get("SERVER_PROTOCOL") in ("HTTP/1.0", "HTTP/1.1"),
        secure=environ.get("wsgi.url_scheme") == "https" and not scheme_is_hearsay(environ),
        # WSGI has no other sign of it: within the view, extensions take the socket from the server.
        websocket=any("websocket" in value.lower() for value in fields.get("upgrade", ())),
        earlier=state.checked,
        later=functools.partial(_field, environ),
        plain_path=_plain_path(environ) if guard.exempts_some else "",
    )


def _field(environ: Environ, name: str) -> tuple[str, ...]:
    value = environ.get(_key_of(name))
    return () if value is None else (value,)


def _path(environ: Environ) -> str:
    # PEP 3333: texts of bytes, as if these were Latin-1.
    raw: str = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
    return raw if raw.isascii() else raw.encode("latin-1").decode(errors="replace")


def _plain_path(environ: Environ) -> str:
    # What the client has asked for, with the query. Some servers name it so, some otherwise, and some do not tell.
    target: str | None = environ.get("REQUEST_URI") or environ.get("RAW_URI")
    root: str = environ.get("SCRIPT_NAME", "")
    path: str = root + environ.get("PATH_INFO", "")
    try:
        path = path.encode("latin-1").decode()
    except UnicodeError:
        return ""
    return plain_path(None if target is None else target.partition("?")[0], path, root)


def _authorization(environ: Environ) -> tuple[str, ...]:
    return (environ["HTTP_AUTHORIZATION"],) if "HTTP_AUTHORIZATION" in environ else ()
