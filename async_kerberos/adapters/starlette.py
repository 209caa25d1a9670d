"""Kerberos for Starlette, and for FastAPI applications that use Starlette's ways."""

from __future__ import annotations

import copy
import functools
import inspect
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Concatenate, NoReturn, ParamSpec, Protocol, TypeGuard, TypeVar, cast, overload

import anyio.from_thread

from .._decision.guard import Guard
from .._never_sent import NeverSent
from .._web.asgi import (
    IDENTITY,
    POLICY_VIOLATION,
    CarrierMiddleware,
    adding_owed,
    authenticate_scope,
    encode_headers,
    join_headers,
    send_denial,
    state_of,
)
from .._web.nearest import Protection, Scope, configure
from .._web.views import View, inspect_view, is_async, takes_user
from ..identity import Identity
from ..kerberos import Kerberos
from ..options import CrossSite, Hostname
from ..outcomes import Denied
from .asgi import KerberosMiddleware as ASGIKerberosMiddleware

try:
    from starlette.applications import Starlette
    from starlette.authentication import AuthCredentials, BaseUser
    from starlette.endpoints import HTTPEndpoint, WebSocketEndpoint
    from starlette.exceptions import HTTPException, WebSocketException
    from starlette.requests import HTTPConnection, Request
    from starlette.responses import Response
    from starlette.websockets import WebSocket, WebSocketState
except ImportError as error:
    raise ImportError("this adapter needs Starlette: pip install 'async-kerberos[starlette]'") from error

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ..options import KerberosOptions

__all__ = ["KerberosMiddleware", "KerberosUser", "init_kerberos", "requires_authentication"]

P = ParamSpec("P")
R = TypeVar("R")
S = TypeVar("S")
E = TypeVar("E", bound="type[HTTPEndpoint] | type[WebSocketEndpoint]")

_HANDLERS = frozenset(
    {"get", "head", "post", "put", "patch", "delete", "options", "query", "on_connect", "on_receive", "on_disconnect"}
)


class KerberosUser(NeverSent, BaseUser):
    """The user as Starlette knows users: ``request.user``.

    Attributes:
        kerberos_identity: the :class:`~async_kerberos.Identity`.
    """

    def __init__(self, kerberos_identity: Identity) -> None:
        self.kerberos_identity = kerberos_identity

    @property
    def is_authenticated(self) -> bool:
        """True."""
        return True

    @property
    def display_name(self) -> str:
        """The principal."""
        return self.kerberos_identity.principal

    @property
    def identity(self) -> str:
        """The principal."""
        return self.kerberos_identity.principal


class KerberosMiddleware(ASGIKerberosMiddleware):
    """Let none but authenticated requests reach the application, and set ``request.user`` and ``request.auth``.

    As :class:`async_kerberos.adapters.asgi.KerberosMiddleware` in all else.
    """

    def publish(self, scope: Scope) -> None:
        """Set ``scope["user"]`` and ``scope["auth"]``."""
        _publish(scope)


def init_kerberos(
    app: Starlette, service: str = "HTTP", hostname: Hostname = None, **options: Unpack[KerberosOptions]
) -> Kerberos:
    """Configure an application's Kerberos service, and log its principal, or what is wrong with the keytab.

    Nothing is enforced by this alone: decorate views with :func:`requires_authentication`, or add
    :class:`KerberosMiddleware`.

    Args:
        app: the application, before it has served a request.
        service: the service's name.
        hostname: the host name that clients use, or several, or ``"*"``; None for this host's.
        options: those of :class:`~async_kerberos.Kerberos`.

    Returns:
        The application's ``Kerberos``.

    Raises:
        ConfigurationError: an option is wrong.
    """
    kerberos = Kerberos(service=service, hostname=hostname, **options)
    # The last call counts, as on the other frameworks.
    carrier: Any = CarrierMiddleware
    app.user_middleware = [middleware for middleware in app.user_middleware if middleware.cls is not carrier]
    app.add_middleware(CarrierMiddleware, kerberos=kerberos)
    configure(app, kerberos)
    kerberos.log_setup()
    return kerberos


class Decorator(Protocol):
    """What ``requires_authentication(...)`` with options returns: it takes what the bare one does."""

    @overload
    def __call__(self, view: E, /) -> E: ...
    @overload
    def __call__(self, view: Callable[Concatenate[str, P], R], /) -> Callable[P, R]: ...
    @overload
    def __call__(self, view: Callable[Concatenate[S, str, P], R], /) -> Callable[Concatenate[S, P], R]: ...


@overload
def requires_authentication(view: E, /) -> E: ...
@overload
def requires_authentication(view: Callable[Concatenate[str, P], R], /) -> Callable[P, R]: ...
@overload
def requires_authentication(view: Callable[Concatenate[S, str, P], R], /) -> Callable[Concatenate[S, P], R]: ...
@overload
def requires_authentication(*, kerberos: Kerberos | None = None, cross_site: CrossSite | None = None) -> Decorator: ...
def requires_authentication(
    view: Any = None, /, *, kerberos: Kerberos | None = None, cross_site: CrossSite | None = None
) -> Any:
    """Demand Kerberos authentication of whoever calls a view.

    A function, or a method of an ``HTTPEndpoint`` or ``WebSocketEndpoint``, gets the principal as its first argument
    (after ``self``), then what it got before. Of a decorated endpoint class, the handlers whose first parameter is
    named ``user`` do.

    Args:
        view: the view; a route's function must get the request or the WebSocket.
        kerberos: the service; None for that of the nearest configured application or middleware.
        cross_site: instead of the service's option of this name: ``"allow"`` for a view that other sites' forms may
            post to.
    """
    protection = Protection(kerberos, Guard(cross_site=cross_site))
    if view is None:
        return functools.partial(requires_authentication, kerberos=kerberos, cross_site=cross_site)
    if isinstance(view, type):
        return _protect_endpoint(view, protection)
    inspected = inspect_view(view)
    protect = _protect_async if is_async(view) else _protect_sync
    return inspected.dress(protect(inspected, protection))


def _protect_async(view: View, protection: Protection) -> Callable[..., Any]:
    async def protected(*args: Any, **kwargs: Any) -> Any:
        connection = _find_connection(view, args, kwargs)
        outcome = await authenticate_scope(connection.scope, protection)
        if isinstance(outcome, Denied):
            if _may_answer(view, connection):
                return await _answer(connection, outcome)
            raise_denial(connection, outcome, HTTPException)
        _publish(connection.scope)
        args, kwargs = view.arguments(outcome.identity.principal, args, kwargs)
        if _replies_by_itself(connection):
            replying = _replying_websocket(connection)
            args = tuple(replying if value is connection else value for value in args)
            kwargs = {name: replying if value is connection else value for name, value in kwargs.items()}
        try:
            return _with_reply(connection, await view.call(*args, **kwargs))
        except HTTPException as error:
            if state_of(connection.scope).carried:
                raise
            raise _with_reply_on_error(connection.scope, error) from error.__cause__

    return protected


def _protect_sync(view: View, protection: Protection) -> Callable[..., Any]:
    def protected(*args: Any, **kwargs: Any) -> Any:
        connection = _find_connection(view, args, kwargs)
        # Starlette calls this on a thread of its pool; the loop takes the request through the workers as any other.
        view.check_thread()
        outcome = anyio.from_thread.run(authenticate_scope, connection.scope, protection)
        if isinstance(outcome, Denied):
            if connection.scope["type"] != "websocket" and _may_answer(view, connection):
                return _denial(outcome)
            raise_denial(connection, outcome, HTTPException)
        _publish(connection.scope)
        args, kwargs = view.arguments(outcome.identity.principal, args, kwargs)
        try:
            result = view.call(*args, **kwargs)
            if inspect.iscoroutine(result):  # of a decorator that is sync around a view that is not
                result = anyio.from_thread.run(_run, result)
            return _with_reply(connection, result)
        except HTTPException as error:
            if state_of(connection.scope).carried:
                raise
            raise _with_reply_on_error(connection.scope, error) from error.__cause__

    return protected


async def _run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    return await coroutine


def _protect_endpoint(endpoint: type[Any], protection: Protection) -> type[Any]:
    if not issubclass(endpoint, (HTTPEndpoint, WebSocketEndpoint)):
        raise TypeError(f"{endpoint.__qualname__} is neither an HTTPEndpoint nor a WebSocketEndpoint")
    undecorated_dispatch: Callable[..., Any] = endpoint.dispatch

    async def dispatch(self: Any) -> None:
        outcome = await authenticate_scope(self.scope, protection)
        if isinstance(outcome, Denied):
            await send_denial(self.scope, self.send, outcome)
            return
        _publish(self.scope)
        state = state_of(self.scope)
        if state.carried:
            await undecorated_dispatch(self)
            return
        self.send = adding_owed(state, self.send)
        try:
            await undecorated_dispatch(self)
        except HTTPException as error:
            raise _with_reply_on_error(self.scope, error) from error.__cause__

    def run(self: Any) -> Any:
        return dispatch(self).__await__()

    members: dict[str, Any] = {"dispatch": dispatch, "__await__": run}
    for name in _HANDLERS:
        handler = getattr(endpoint, name, None)
        if handler is not None and takes_user(handler):
            members[name] = _handler_with_user(inspect_view(handler))
    for name in ("__module__", "__qualname__", "__doc__"):
        members[name] = getattr(endpoint, name)
    return type(endpoint.__name__, (endpoint,), members)


def _handler_with_user(view: View) -> Callable[..., Any]:
    def with_user(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        identity: Identity = args[0].scope[IDENTITY]
        args, kwargs = view.arguments(identity.principal, args, kwargs)
        return view.call(*args, **kwargs)

    async def async_handler(*args: Any, **kwargs: Any) -> Any:
        return await with_user(args, kwargs)

    def handler(*args: Any, **kwargs: Any) -> Any:
        return with_user(args, kwargs)

    return view.dress(async_handler if is_async(view.call) else handler)


def _find_connection(view: View, args: tuple[Any, ...], kwargs: dict[str, Any]) -> HTTPConnection[Any]:
    for values in (args, kwargs.values()):
        for value in values:
            if isinstance(value, (Request, WebSocket, HTTPConnection)):  # the first two are recognised without a search
                connection: HTTPConnection[Any] = cast("Any", value)
                return connection
    name = getattr(view.call, "__qualname__", repr(view.call))
    raise TypeError(f"{name} must take the request: a parameter of type Request, or WebSocket")


def _publish(scope: Scope) -> None:
    scope["user"] = KerberosUser(scope[IDENTITY])
    earlier = scope.get("auth")
    scopes = earlier.scopes if isinstance(earlier, AuthCredentials) else []
    scope["auth"] = AuthCredentials(scopes if "authenticated" in scopes else [*scopes, "authenticated"])


def _denial(denied: Denied) -> Response:
    response = Response(denied.body, denied.status)
    response.raw_headers.extend(encode_headers(denied.headers))
    return response


def _may_answer(view: View, connection: HTTPConnection[Any]) -> bool:
    """Whether a denied view is the last one to run, so that what it answers, or returns, is the response."""
    scope = connection.scope
    endpoint = scope.get("endpoint")
    if getattr(endpoint, "__func__", endpoint) is view.wrapper:
        return not isinstance(connection, WebSocket) or connection.application_state is WebSocketState.CONNECTING
    if scope["type"] == "websocket":
        return False  # what called it, an endpoint's `dispatch` say, would go on
    # What a dependency of FastAPI's returns is taken for its value: for the user.
    return all(base.__module__ != "fastapi.routing" for base in type(scope.get("route")).__mro__)


async def _answer(connection: HTTPConnection[Any], denied: Denied) -> Response | None:
    if not isinstance(connection, WebSocket):
        return _denial(denied)
    await send_denial(connection.scope, connection.send, denied)
    return None


def raise_denial(connection: HTTPConnection[Any], denied: Denied, error: type[HTTPException]) -> NoReturn:
    """Deny by an exception, which ends all that would otherwise go on for a stranger.

    Raises:
        HTTPException: of the given type; it carries the answer.
        WebSocketException: where a WebSocket can be closed alone.
    """
    scope = connection.scope
    if isinstance(connection, WebSocket):
        connecting = connection.application_state is WebSocketState.CONNECTING
        if not connecting or "websocket.http.response" not in (scope.get("extensions") or {}):
            raise WebSocketException(POLICY_VIOLATION)
    # The application's handler makes the body.
    headers = tuple((name, value) for name, value in denied.headers if name != "Content-Type")
    state = state_of(scope)
    state.challenge = headers
    # Added further out, each challenge is a field of its own, as browsers need it.
    added = state.carried and denied.status == 401 and scope["type"] == "websocket"
    raise error(denied.status, denied.body.decode(), join_headers(() if added else headers))


def _replies_by_itself(connection: HTTPConnection[Any]) -> TypeGuard[WebSocket]:
    """Whether this is a WebSocket that is not accepted yet, and no middleware adds the reply."""
    return (
        isinstance(connection, WebSocket)
        and connection.application_state is WebSocketState.CONNECTING
        and not state_of(connection.scope).carried
    )


def _replying_websocket(websocket: WebSocket) -> WebSocket:
    """The same WebSocket, accepting with the reply: where no middleware adds it, this is the last place that can."""
    send = adding_owed(state_of(websocket.scope), websocket.send)
    return WebSocket(websocket.scope, websocket.receive, send)


def _with_reply(connection: HTTPConnection[Any], response: Any) -> Any:
    """Append the reply to what a view returned, unless something further out adds it, or it is a 401."""
    state = state_of(connection.scope)
    if not isinstance(response, Response) or state.carried or response.status_code == 401:
        return response
    # A view may return one object to many users: what is appended goes to a copy.
    replying = copy.copy(response)
    replying.__dict__.pop("_headers", None)  # Starlette's view of the old list, made at first use
    replying.raw_headers = [*response.raw_headers, *encode_headers(state.take(response.status_code))]
    return replying


def _with_reply_on_error(scope: Scope, error: HTTPException) -> HTTPException:
    """The same error with the reply among its headers, for whatever handler makes the response; not on a 401."""
    if error.status_code == 401:
        return error
    # As above, a copy; by hand, for copy.copy would call the constructor, and cannot know with what.
    replying = type(error).__new__(type(error), *error.args)
    replying.__dict__.update(error.__dict__)
    replying.headers = join_headers(state_of(scope).take(error.status_code), onto=error.headers)
    return replying.with_traceback(error.__traceback__)
