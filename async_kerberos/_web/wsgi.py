"""Between a WSGI environment and the decision: as the ASGI bridge, but on threads that may wait."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any

from ..kerberos import Kerberos, default_kerberos
from ..outcomes import Checked, Denied, Headers, Outcome
from ..request import FIELDS, AuthRequest
from .nearest import Protection, refuse_second_service
from .state import STATE, RequestState, outer_state
from .uwsgi import peer_port, scheme_is_hearsay

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
App = Callable[[Environ, StartResponse], Iterable[bytes]]

_PROXY_FIX = "werkzeug.proxy_fix.orig"
_FIELDS = tuple((f"HTTP_{name.upper().replace('-', '_')}", name) for name in sorted(FIELDS))


def state_of(environ: Environ) -> RequestState:
    """The request's state, one object for all who handle the request: a copy of the environ shares it.

    A copy for another request has other credentials, and begins a new state here.
    """
    authorization = _authorization(environ)
    of, state = environ.get(STATE, (None, None))
    if not isinstance(state, RequestState) or of != authorization:
        state = RequestState()
        environ[STATE] = authorization, state
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
        outer = _outer()
        if outer is not None and outer.by_default and outer.is_of(_authorization(environ)):
            return send_denial(environ, start_response, refuse_second_service(self.kerberos, default_kerberos()))
        state = state_of(environ)
        if state.carried:  # as another of these does further out, around a dispatcher say
            return self.app(environ, start_response)
        return self.app(environ, adding_owed(state, start_response))


def adding_owed(state: RequestState, start_response: StartResponse) -> StartResponse:
    """Wrap ``start_response`` so that the response carries what is owed."""
    state.carried = True

    def start_with_owed(status: str, headers: list[tuple[str, str]], *exc_info: Any) -> Any:
        # The status is text, which an application may have made without a number.
        owed = state.take(401 if status.startswith("401") else None)
        return start_response(status, [*headers, *owed], *exc_info)

    return start_with_owed


def authenticate_environ(environ: Environ, protection: Protection, application: Kerberos | None) -> Outcome:
    """Decide on the request of an environment, on this thread, and note the user in it.

    Args:
        environ: the environment.
        protection: what the view demands.
        application: the application's ``Kerberos``.
    """
    state, outer = state_of(environ), _outer()
    earlier = state.checked or (None if outer is None else outer.checked)
    nearest = outer.decider if outer is not None and outer.is_of(_authorization(environ)) else None
    decider = protection.kerberos or application or nearest or default_kerberos()
    outcome = decider.authenticate_blocking(_request(environ, earlier), protection.guard)
    if isinstance(outcome, Denied):
        return outcome
    state.note(outcome, decider, by_default=False)
    environ["REMOTE_USER"] = outcome.identity.principal
    return outcome


def send_denial(environ: Environ, start_response: StartResponse, denied: Denied) -> Iterable[bytes]:
    """Answer a request that may not pass."""
    headers: Headers = (*denied.headers, ("Content-Length", str(len(denied.body))))
    start_response(f"{denied.status} {HTTPStatus(denied.status).phrase}", list(headers))
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [denied.body]


def _outer() -> RequestState | None:
    """The state of an ASGI middleware around this application, while its request lasts."""
    state = outer_state.get()
    return None if state is None or state.over else state


def _request(environ: Environ, earlier: Checked | None) -> AuthRequest:
    address: str = environ.get("REMOTE_ADDR", "")
    port = str(environ.get("REMOTE_PORT") or peer_port(environ))  # a number on werkzeug, a text on gunicorn
    # With ProxyFix the address is what a proxy says, and the port still the proxy's own.
    known = _PROXY_FIX not in environ and port.isascii() and port.isdigit()
    fields: dict[str, tuple[str, ...]] = {name: (environ[key],) for key, name in _FIELDS if key in environ}
    return AuthRequest(
        fields,
        method=environ["REQUEST_METHOD"],
        peer=(address, int(port) if known else 0) if address else None,
        exclusive=environ.get("SERVER_PROTOCOL") in ("HTTP/1.0", "HTTP/1.1"),
        secure=environ.get("wsgi.url_scheme") == "https" and not scheme_is_hearsay(environ),
        # WSGI has no other sign of it: within the view, extensions take the socket from the server.
        websocket=any("websocket" in value.lower() for value in fields.get("upgrade", ())),
        earlier=earlier,
    )


def _authorization(environ: Environ) -> tuple[str, ...]:
    return (environ["HTTP_AUTHORIZATION"],) if "HTTP_AUTHORIZATION" in environ else ()
