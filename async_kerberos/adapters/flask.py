"""Kerberos for Flask: the decorator of Flask-Kerberos, for sync and async views."""

from __future__ import annotations

import copy
import functools
import inspect
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Protocol, TypeVar, overload

from .._asgi import SignIn, carried
from .._guard import Guard, refuse_second_service
from .._kerberos import Kerberos, default_kerberos
from .._options import CrossSite, Hostname
from .._outcomes import Accepted, Denied, Outcome
from .._request import FIELDS, AuthRequest
from .._uwsgi import peer_port, scheme_is_hearsay
from .._views import inspect_view, is_async

try:
    from flask import Flask, Response, after_this_request, current_app, g, request
except ImportError as error:
    raise ImportError("this adapter needs Flask: pip install 'async-kerberos[flask]'") from error

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from .._options import KerberosOptions

__all__ = ["init_kerberos", "requires_authentication"]

P = ParamSpec("P")
R = TypeVar("R")
S = TypeVar("S")

_EXTENSION = "async_kerberos"
_SIGN_IN = "async_kerberos.sign_in"
_PROXY_FIX = "werkzeug.proxy_fix.orig"
_FIELDS = tuple((f"HTTP_{name.upper().replace('-', '_')}", name) for name in sorted(FIELDS))


def init_kerberos(
    app: Flask, service: str = "HTTP", hostname: Hostname = None, **options: Unpack[KerberosOptions]
) -> Kerberos:
    """Configure an application's Kerberos service, and log its principal, or what is wrong with the keytab.

    Args:
        app: the application.
        service: the service's name.
        hostname: the host name that clients use, or several, or ``"*"``; None for this host's.
        options: those of :class:`~async_kerberos.Kerberos`.

    Returns:
        The application's ``Kerberos``.

    Raises:
        ConfigurationError: an option is wrong.
    """
    kerberos = Kerberos(service=service, hostname=hostname, **options)
    app.extensions[_EXTENSION] = kerberos
    # Assigned over a method, which type checkers refuse; Flask's documentation recommends it.
    anything: Any = app
    if not isinstance(anything.wsgi_app, _ReplyMiddleware):
        anything.wsgi_app = _ReplyMiddleware(anything.wsgi_app, app)
    kerberos.log_setup()
    return kerberos


class _ReplyMiddleware:
    """Adds the acceptor's reply where the response starts, the only place that sees every response."""

    def __init__(self, wsgi_app: Callable[..., Any], app: Flask) -> None:
        self.wsgi_app = wsgi_app
        self.app = app

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        """Handle one WSGI request."""
        outer = _carried()
        if outer is not None and outer.by_default and outer.is_of(_authorization(environ)):
            denied = refuse_second_service(self.app.extensions[_EXTENSION], default_kerberos())
            return _denial(denied)(environ, start_response)
        sign_in = _sign_in_of(environ)
        if sign_in.adds_reply:  # as another of these does further out, around a dispatcher say
            return self.wsgi_app(environ, start_response)
        sign_in.adds_reply = True

        def start_with_reply(status: str, headers: list[tuple[str, str]], *exc_info: Any) -> Any:
            # On a 401 of the application's own, a client would take the reply for one more leg of the exchange.
            reply = () if status.startswith("401") else sign_in.take_reply()
            return start_response(status, [*headers, *reply], *exc_info)

        return self.wsgi_app(environ, start_with_reply)


class Decorator(Protocol):
    """What ``requires_authentication(...)`` with options returns: it takes what the bare one does."""

    @overload
    def __call__(self, view: Callable[Concatenate[str, P], Coroutine[Any, Any, R]], /) -> Callable[P, R | Response]: ...
    @overload
    def __call__(self, view: Callable[Concatenate[str, P], R], /) -> Callable[P, R | Response]: ...
    @overload
    def __call__(
        self, view: Callable[Concatenate[S, str, P], Coroutine[Any, Any, R]], /
    ) -> Callable[Concatenate[S, P], R | Response]: ...
    @overload
    def __call__(self, view: Callable[Concatenate[S, str, P], R], /) -> Callable[Concatenate[S, P], R | Response]: ...


@overload
def requires_authentication(
    view: Callable[Concatenate[str, P], Coroutine[Any, Any, R]], /
) -> Callable[P, R | Response]: ...
@overload
def requires_authentication(view: Callable[Concatenate[str, P], R], /) -> Callable[P, R | Response]: ...
@overload
def requires_authentication(
    view: Callable[Concatenate[S, str, P], Coroutine[Any, Any, R]], /
) -> Callable[Concatenate[S, P], R | Response]: ...
@overload
def requires_authentication(
    view: Callable[Concatenate[S, str, P], R], /
) -> Callable[Concatenate[S, P], R | Response]: ...
@overload
def requires_authentication(*, kerberos: Kerberos | None = None, cross_site: CrossSite | None = None) -> Decorator: ...
def requires_authentication(
    view: Any = None, /, *, kerberos: Kerberos | None = None, cross_site: CrossSite | None = None
) -> Any:
    """Demand Kerberos authentication of whoever calls a view; put it below ``@app.route``.

    The view gets the principal as its first argument (after ``self``), then what it got before. An async view becomes
    a sync one: authentication is done on the WSGI thread, before Flask makes a loop for the view.

    Args:
        view: a view, a method of a ``MethodView``, or a function for ``before_request``. Among the ``decorators`` of a
            ``MethodView``, its methods get the principal by the name ``user``.
        kerberos: the service; None for the application's, or the default.
        cross_site: instead of the service's option of this name: ``"allow"`` for a view that other sites' forms may
            post to.
    """
    guard = Guard(kerberos=kerberos, cross_site=cross_site)
    if view is None:
        return functools.partial(requires_authentication, kerberos=kerberos, cross_site=cross_site)
    inspected = inspect_view(view)
    asynchronous = is_async(view)

    def protected(*args: Any, **kwargs: Any) -> Any:
        outcome = _authenticate(guard)
        if isinstance(outcome, Denied):
            return _denial(outcome)
        args, kwargs = inspected.arguments(outcome.identity.principal, args, kwargs)
        call: Any = inspected.call
        if asynchronous:
            # Of an object that is called as a view, Flask looks for no coroutine.
            call = current_app.ensure_sync(call if inspect.iscoroutinefunction(call) else call.__call__)
        return call(*args, **kwargs)

    return inspected.dress(protected)


def _authenticate(guard: Guard) -> Outcome:
    environ: dict[str, Any] = request.environ
    sign_in, outer = _sign_in_of(environ), _carried()
    earlier = sign_in.accepted or (None if outer is None else outer.accepted)
    nearest = outer.decider if outer is not None and outer.is_of(_authorization(environ)) else None
    configured: Kerberos | None = current_app.extensions.get(_EXTENSION)
    decider = guard.kerberos or configured or nearest or default_kerberos()
    outcome = decider.authenticate_blocking(_request(environ, earlier), guard.cross_site)
    if isinstance(outcome, Accepted):
        # The first result of this request stays: it names the one that took the step.
        same = earlier is not None and earlier.authorization == outcome.authorization
        sign_in.accepted = earlier if same else outcome
        g.kerberos_identity = outcome.identity
        environ["REMOTE_USER"] = outcome.identity.principal
        if not outcome.headers:
            return outcome
        if sign_in.adds_reply:
            sign_in.reply = outcome.headers
        else:
            after_this_request(functools.partial(_add_reply, outcome))
    return outcome


def _sign_in_of(environ: dict[str, Any]) -> SignIn:
    """The request's sign-in, one object for all who handle it: a copy of the environ shares it.

    Not a copy for another request, with other credentials.
    """
    authorization = _authorization(environ)
    of, sign_in = environ.get(_SIGN_IN, (None, None))
    if not isinstance(sign_in, SignIn) or of != authorization:
        sign_in = SignIn()
        environ[_SIGN_IN] = authorization, sign_in
    return sign_in


def _carried() -> SignIn | None:
    sign_in = carried.get()
    return None if sign_in is None or sign_in.over else sign_in


def _denial(denied: Denied) -> Response:
    response = Response(denied.body, denied.status, content_type="text/plain; charset=utf-8")
    response.headers.extend(denied.headers)
    return response


def _add_reply(accepted: Accepted, response: Response) -> Response:
    # On a 401 of the application's own, a client would take the reply for one more leg of the exchange.
    if response.status_code == 401:
        return response
    # A view may return one object to many users: what is appended goes to a copy.
    replying = copy.copy(response)
    replying.headers = response.headers.copy()
    replying.headers.extend(accepted.headers)
    return replying


def _request(environ: dict[str, Any], earlier: Accepted | None) -> AuthRequest:
    address: str = environ.get("REMOTE_ADDR", "")
    port = str(environ.get("REMOTE_PORT") or peer_port(environ))  # a number on werkzeug, a text on gunicorn
    # With ProxyFix the address is what a proxy says, and the port still the proxy's own.
    known = _PROXY_FIX not in environ and port.isascii() and port.isdigit()
    fields: dict[str, tuple[str, ...]] = {name: (environ[key],) for key, name in _FIELDS if key in environ}
    return AuthRequest(
        authorization=fields.pop("authorization", ()),
        peer=(address, int(port) if known else 0) if address else None,
        own_connection=environ.get("SERVER_PROTOCOL") in ("HTTP/1.0", "HTTP/1.1"),
        secure=environ.get("wsgi.url_scheme") == "https" and not scheme_is_hearsay(environ),
        method=environ["REQUEST_METHOD"],
        # WSGI has no other sign of it: within the view, extensions take the socket from the server.
        websocket=any("websocket" in value.lower() for value in fields.get("upgrade", ())),
        fields=fields,
        earlier=earlier,
    )


def _authorization(environ: dict[str, Any]) -> tuple[str, ...]:
    return (environ["HTTP_AUTHORIZATION"],) if "HTTP_AUTHORIZATION" in environ else ()
