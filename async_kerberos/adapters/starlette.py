"""Kerberos for Starlette, and for FastAPI applications that use Starlette's ways."""

from __future__ import annotations

import contextlib
import copy
import inspect
from collections.abc import Callable, Coroutine, Generator, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Concatenate, Generic, Literal, NoReturn, ParamSpec, TypeVar, cast, overload

from .._never_sent import NeverSent
from .._web.asgi import (
    POLICY_VIOLATION,
    CarrierMiddleware,
    adding_owed,
    authenticate_scope,
    can_answer,
    headers_of,
    send_denial,
    state_of,
    with_owed,
)
from .._web.drain import drop_pieces
from .._web.guarded import Guarded
from .._web.handlers import with_handlers_body
from .._web.nearest import IDENTITY, Protection, Scope, configure
from .._web.state import NOTHING, Owed
from .._web.views import View, inspect_view, is_async, takes_user
from ..errors import ConfigurationError
from ..identity import Identity
from ..kerberos import Kerberos
from ..options import Hostname
from ..outcomes import Denied, Outcome
from .asgi import KerberosMiddleware as ASGIKerberosMiddleware

try:
    from starlette.applications import Starlette
    from starlette.authentication import AuthCredentials, BaseUser, UnauthenticatedUser
    from starlette.concurrency import run_in_threadpool
    from starlette.datastructures import MutableHeaders
    from starlette.endpoints import HTTPEndpoint, WebSocketEndpoint
    from starlette.exceptions import HTTPException, WebSocketException
    from starlette.requests import HTTPConnection, Request
    from starlette.responses import Response
    from starlette.websockets import WebSocket, WebSocketState
except ImportError as _error:
    raise ImportError("this adapter needs Starlette: pip install 'async-kerberos[starlette]'") from _error

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from .._decision.guard import AllGuardOptions, GuardOptions
    from ..options import KerberosOptions

__all__ = ["KerberosMiddleware", "KerberosUser", "init_kerberos", "requires_authentication"]

P = ParamSpec("P")
R = TypeVar("R")
S = TypeVar("S")
U_co = TypeVar("U_co", bound="str | None", covariant=True)  # what a view gets for the user
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

    adapter = "starlette"
    knows_handlers = True

    async def dress(self, scope: Scope, denied: Denied) -> Denied:
        """Call the handler that the application has for exactly this status, for its body."""
        return await _with_handlers_body(scope, denied)

    def publish(self, scope: Scope) -> None:
        """Set ``scope["user"]`` and ``scope["auth"]``."""
        _publish(scope)


def init_kerberos(
    app: Starlette, service: str = "HTTP", hostname: Hostname = None, **options: Unpack[KerberosOptions]
) -> Kerberos:
    """Configure an application's Kerberos service, and log its principal, or what is wrong with the keytab.

    Arguments, and errors, are those of :class:`~async_kerberos.Kerberos`, which is returned. The last call counts, and
    the application must not have served a request before it. Nothing is enforced by this alone: decorate views with
    :data:`requires_authentication`, or add :class:`KerberosMiddleware`.
    """
    if "protect" in options:
        problem = "is an option of Flask's and Quart's adapters: here, app.add_middleware(KerberosMiddleware) does it"
        raise ConfigurationError("protect", problem)
    kerberos = Kerberos(service=service, hostname=hostname, **options)
    # The last call counts, as on the other frameworks.
    carrier: Any = CarrierMiddleware
    app.user_middleware = [middleware for middleware in app.user_middleware if middleware.cls is not carrier]
    app.add_middleware(CarrierMiddleware, kerberos=kerberos)
    configure(app, kerberos)
    kerberos.log_setup()
    return kerberos


class RequiresAuthentication(Guarded, Generic[U_co]):
    """Demand Kerberos authentication of all who call a view.

    A function, or a method of an ``HTTPEndpoint`` or ``WebSocketEndpoint``, gets the principal as its first argument
    (after ``self``), then what it got before. Of a decorated endpoint class, the handlers whose first parameter is
    named ``user`` do.

    Args:
        view: the view; a route's function must get the request or the WebSocket.
        kerberos: the service; None for that of the nearest configured application or middleware.
        cross_site: instead of the service's option of this name: ``"allow"`` for a view that other sites' forms may
            post to.
        optional: whether the view also runs for those who bring no ticket: its user is None then. A ticket that is no
            good is refused as ever.
        options: ``realms``, ``principals``, ``authorize``: who may enter here, as in :class:`~async_kerberos.Access`;
            the service's ``access`` has to let them in as well.
    """

    adapter = "starlette"

    @overload
    def __call__(self, view: E, /) -> E: ...
    @overload
    def __call__(self, view: Callable[Concatenate[U_co, P], R], /) -> Callable[P, R]: ...
    @overload
    def __call__(self, view: Callable[Concatenate[S, U_co, P], R], /) -> Callable[Concatenate[S, P], R]: ...
    @overload
    def __call__(
        self, /, *, optional: Literal[False], kerberos: Kerberos | None = None, **options: Unpack[GuardOptions]
    ) -> RequiresAuthentication[str]: ...
    @overload
    def __call__(
        self, /, *, optional: bool, kerberos: Kerberos | None = None, **options: Unpack[GuardOptions]
    ) -> RequiresAuthentication[str | None]: ...
    @overload
    def __call__(
        self, /, *, kerberos: Kerberos | None = None, **options: Unpack[GuardOptions]
    ) -> RequiresAuthentication[U_co]: ...
    def __call__(self, view: Any = None, /, *, kerberos: Kerberos | None = None, **options: Any) -> Any:
        """Decorate a view, or make a decorator with options."""
        return self.decorate(view, kerberos, cast("AllGuardOptions", options))

    def protect(self, view: Any, protection: Protection) -> Any:
        """The function that takes a view's place."""
        if isinstance(view, type):
            return _protect_endpoint(view, protection)
        inspected = inspect_view(view)
        protect = _protect_async if is_async(view) else _protect_sync
        return inspected.dress(protect(inspected, protection))


requires_authentication: RequiresAuthentication[str] = RequiresAuthentication()


def _protect_async(view: View, protection: Protection) -> Callable[..., Any]:
    async def protected(*args: Any, **kwargs: Any) -> Any:
        connection = _find_connection(view, args, kwargs)
        outcome = await decide(connection.scope, protection)
        if isinstance(outcome, Denied):
            if _may_answer(view, connection):
                return await _answer(connection, outcome)
            raise_denial(connection, outcome, KerberosDenial)
        _publish(connection.scope)
        args, kwargs = view.arguments(outcome.principal, args, kwargs)
        args, kwargs = _replying_websocket(connection, args, kwargs)
        with _replying_on_error(connection.scope):
            return _with_reply(connection.scope, await view.call(*args, **kwargs))

    return protected


def _protect_sync(view: View, protection: Protection) -> Callable[..., Any]:
    def protected(*args: Any, **kwargs: Any) -> Any:
        connection = _find_connection(view, args, kwargs)
        # Starlette calls this on a thread of its pool; the loop takes the request through the workers as any other.
        outcome = view.call_on_loop(decide, connection.scope, protection)
        if isinstance(outcome, Denied):
            if connection.scope["type"] != "websocket" and _may_answer(view, connection):
                return view.call_on_loop(_answer, connection, outcome)
            raise_denial(connection, outcome, KerberosDenial)
        _publish(connection.scope)
        args, kwargs = view.arguments(outcome.principal, args, kwargs)
        with _replying_on_error(connection.scope):
            result = view.call(*args, **kwargs)
            if inspect.iscoroutine(result):  # of a decorator that is sync around a view that is not
                result = view.call_on_loop(_run, result)
            return _with_reply(connection.scope, result)

    return protected


async def _run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    return await coroutine


def _protect_endpoint(endpoint: type[Any], protection: Protection) -> type[Any]:
    if not issubclass(endpoint, (HTTPEndpoint, WebSocketEndpoint)):
        raise TypeError(f"{endpoint.__qualname__} is neither an HTTPEndpoint nor a WebSocketEndpoint")
    undecorated_dispatch: Callable[..., Any] = endpoint.dispatch

    async def dispatch(self: Any) -> None:
        outcome = await decide(self.scope, protection)
        if isinstance(outcome, Denied):
            await send_denial(self.scope, self.send, outcome)
            return
        _publish(self.scope)
        state = state_of(self.scope)
        if state.carried:
            await undecorated_dispatch(self)
            return
        with _replying_on_error(self.scope):
            self.send = adding_owed(state, self.send)
            await undecorated_dispatch(self)

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
        identity: Identity | None = args[0].scope[IDENTITY]
        args, kwargs = view.arguments(None if identity is None else identity.principal, args, kwargs)
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


# In the framework's terms.


def _publish(scope: Scope) -> None:
    identity: Identity | None = scope[IDENTITY]
    earlier = scope.get("auth")
    scopes = earlier.scopes if isinstance(earlier, AuthCredentials) else []
    if identity is None:
        if isinstance(scope.get("user"), (KerberosUser, type(None))):  # else another middleware has signed them in
            scope["user"] = UnauthenticatedUser()
            scope["auth"] = AuthCredentials([name for name in scopes if name != "authenticated"])
        return
    scope["user"] = KerberosUser(identity)
    scope["auth"] = AuthCredentials(scopes if "authenticated" in scopes else [*scopes, "authenticated"])


def _denial(denied: Denied) -> Response:
    response = Response(denied.body, denied.status)
    response.raw_headers.extend(headers_of(denied))
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
    if all(base.__module__ != "fastapi.routing" for base in type(scope.get("route")).__mro__):
        return True
    while endpoint is not None and endpoint is not view.wrapper:  # below decorators of the application's
        endpoint = getattr(endpoint, "__wrapped__", None)
    return endpoint is not None


async def _answer(connection: HTTPConnection[Any], denied: Denied) -> Response | None:
    if not isinstance(connection, WebSocket):
        if state_of(connection.scope).drain is not None:
            await drop_body(connection)
        return _denial(denied)
    await send_denial(connection.scope, connection.send, denied)
    return None


async def drop_body(connection: HTTPConnection[Any]) -> None:
    """Drop the rest of a refused request's body, where there is no carrier that does it."""
    limits = state_of(connection.scope).drain_by_hand
    if limits is not None and isinstance(connection, Request):
        await drop_pieces(connection.stream(), limits)


def raise_denial(connection: HTTPConnection[Any], denied: Denied, error: type[HTTPException]) -> NoReturn:
    """Deny by an exception, which ends all that would otherwise go on for a stranger.

    Raises:
        HTTPException: of the given type, which has no handler but ours: it carries the answer.
        WebSocketException: where a WebSocket can be closed alone.
    """
    scope = connection.scope
    connecting = not isinstance(connection, WebSocket) or connection.application_state is WebSocketState.CONNECTING
    if not connecting or not can_answer(scope):
        raise WebSocketException(POLICY_VIOLATION)
    # For those who catch it; nobody else sees it.
    headers = tuple((name, value) for name, value in denied.headers if name != "Content-Type")
    exception = error(denied.status, HTTPStatus(denied.status).phrase, _with_owed(None, Owed(headers)))
    vars(exception)["denied"] = denied
    handlers: tuple[dict[Any, Any], dict[int, Any]] = scope.get("starlette.exception_handlers", ({}, {}))
    by_class, by_status = handlers
    by_class[error] = _answer_denial
    # Starlette looks for a handler of the status first.
    handler = by_status.get(denied.status)
    if handler is not None and not isinstance(handler, _StatusHandler):
        by_status[denied.status] = _StatusHandler(handler)
    raise exception


class KerberosDenial(HTTPException):
    """Ends the handling of a request that may not pass."""


async def _answer_denial(connection: HTTPConnection[Any], error: Any) -> Response:
    return _denial(error.denied)


class _StatusHandler:
    """A handler of the application's, which does not see our denials: they are complete."""

    def __init__(self, handler: Callable[..., Any]) -> None:
        self._handler = handler

    async def __call__(self, connection: HTTPConnection[Any], error: Any) -> Any:
        if "denied" in vars(error):
            return await _answer_denial(connection, error)
        return await _call(self._handler, connection, error)


async def _call(handler: Callable[..., Any], *args: Any) -> Any:
    """Call a handler of errors as Starlette does."""
    return await (handler(*args) if is_async(handler) else run_in_threadpool(handler, *args))


async def decide(scope: Scope, protection: Protection) -> Outcome:
    """Decide on a request. Of a denial, the application's own handler makes the body, if there is one."""
    outcome = await authenticate_scope(scope, protection)
    if isinstance(outcome, Denied) and outcome.asks_handler:
        return await _with_handlers_body(scope, outcome)
    return outcome


async def _with_handlers_body(scope: Scope, denied: Denied) -> Denied:
    app = scope.get("app")
    handler: Any = app.exception_handlers.get(denied.status) if isinstance(app, Starlette) else None
    if handler is None or not can_answer(scope):
        return denied

    async def make() -> tuple[bytes, str | None]:
        # Of the request's body it sees nothing, and on a WebSocket it says nothing.
        seen = dict(scope)
        connection = WebSocket(seen, _nothing, _nothing) if scope["type"] == "websocket" else Request(seen, _nothing)
        error = HTTPException(denied.status, headers=_with_owed(None, Owed(denied.headers)))
        return await _content_of(await _call(handler, connection, error), seen)

    return await with_handlers_body(denied, make)


async def _nothing(*_: object) -> Any:
    raise RuntimeError("a handler has the request's headers, and neither its body nor a WebSocket to talk on")


async def _content_of(response: Any, scope: Scope) -> tuple[bytes, str | None]:
    """The body and the content type that a response sends."""
    content_types: list[str] = []
    body: list[bytes] = []

    async def send(message: Any) -> None:
        content_types.extend(
            value.decode("latin-1") for name, value in message.get("headers", ()) if name.lower() == b"content-type"
        )
        body.append(message.get("body", b""))

    asked: Scope = {"type": "http", "method": "GET", "headers": [], "extensions": {}}
    # By this version of ASGI, a response that streams does not listen whether the client is still there.
    await response({**scope, **asked, "asgi": {"version": "3.0", "spec_version": "2.4"}}, _nothing, send)
    return b"".join(body), content_types[0] if content_types else None


def _with_owed(before: Mapping[str, str] | None, owed: Owed = NOTHING) -> MutableHeaders:
    """Headers for an exception: a field for each value, since Chromium reads no second challenge within one field."""
    together = MutableHeaders(before)
    add_owed(together, owed)
    return together


def add_owed(headers: MutableHeaders, owed: Owed) -> None:
    """Add to a response's headers what is owed."""
    if owed.with_vary:
        del headers["Vary"]
    for name, value in owed.headers:
        headers.append(name, value)


# By hand, where there is no carrier.


def _replying_websocket(
    connection: HTTPConnection[Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments of a view, with a WebSocket in place of the connection that accepts with what is owed."""
    state = state_of(connection.scope)
    if state.carried or not isinstance(connection, WebSocket):
        return args, kwargs
    if connection.application_state is not WebSocketState.CONNECTING:
        return args, kwargs
    replying = WebSocket(connection.scope, connection.receive, adding_owed(state, connection.send))
    return (
        tuple(replying if value is connection else value for value in args),
        {name: replying if value is connection else value for name, value in kwargs.items()},
    )


def _with_reply(scope: Scope, response: Any) -> Any:
    """Append what is owed to what a view has returned."""
    state = state_of(scope)
    if state.carried or not isinstance(response, Response):
        return response
    owed = state.take(response.status_code, response.headers.getlist)
    if not owed.headers:
        return response
    # A view may return one object to many users: what is appended goes to a copy.
    replying = copy.copy(response)
    replying.__dict__.pop("_headers", None)  # Starlette's view of the old list, made at first use
    replying.raw_headers = with_owed(response.raw_headers, owed)
    return replying


@contextlib.contextmanager
def _replying_on_error(scope: Scope) -> Generator[None, None, None]:
    """Put what is owed among the headers of an error, from which a handler makes the response."""
    state = state_of(scope)
    carried = state.carried
    try:
        yield
    except HTTPException as error:
        headers = _with_owed(error.headers)
        owed = NOTHING if carried else state.take(error.status_code, headers.getlist)
        if not owed.headers:
            raise
        # A copy, since the view may raise one object to many users. `copy.copy` would call the constructor without its
        # arguments.
        replying = type(error).__new__(type(error), *error.args)
        replying.__dict__.update(error.__dict__)
        replying.headers = _with_owed(headers, owed)
        raise replying.with_traceback(error.__traceback__) from error.__cause__
