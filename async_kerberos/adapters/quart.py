"""Kerberos for Quart: routes and WebSockets, async and sync."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any, Concatenate, Generic, Literal, ParamSpec, TypeVar, cast, overload

from .._web.asgi import CarrierMiddleware, authenticate_scope, authenticate_scope_blocking, can_answer, state_of
from .._web.drain import drop_pieces
from .._web.guarded import Guarded
from .._web.handlers import handler_of, with_handlers_body
from .._web.nearest import Protection
from .._web.pallets import append_owed, configure, configured
from .._web.state import RequestState
from .._web.views import View, inspect_view, is_async
from .._web.whole import Front, Protect, ViewReachedError, preflight_answer, protected_whole, whole_of
from ..kerberos import Kerberos
from ..options import Hostname
from ..outcomes import Accepted, Denied

try:
    from quart import (
        Quart,
        Response,
        abort,
        after_this_request,
        current_app,
        g,
        has_websocket_context,
        request,
        websocket,
    )
    from quart.ctx import after_this_websocket
    from werkzeug.datastructures import Headers
    from werkzeug.exceptions import default_exceptions
except ImportError as _error:
    raise ImportError("this adapter needs Quart: pip install 'async-kerberos[quart]'") from _error

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from .._decision.guard import AllGuardOptions, GuardOptions
    from .._web.nearest import Scope
    from ..options import KerberosOptions

__all__ = ["init_kerberos", "requires_authentication"]

P = ParamSpec("P")
R = TypeVar("R")
S = TypeVar("S")
U_co = TypeVar("U_co", bound="str | None", covariant=True)  # what a view gets for the user


def init_kerberos(
    app: Quart,
    service: str = "HTTP",
    hostname: Hostname = None,
    *,
    protect: Protect = None,
    exempt: Sequence[str] = (),
    **options: Unpack[KerberosOptions],
) -> Kerberos:
    """Configure an application's Kerberos service, and log its principal, or what is wrong with the keytab.

    The last call counts.

    Args:
        app: the application.
        service: as for :class:`~async_kerberos.Kerberos`.
        hostname: as for :class:`~async_kerberos.Kerberos`.
        protect: ``"all"`` demands a ticket for whatever is asked of the application, before any hook is called: static
            files, WebSockets, and what no rule matches. A preflight that Quart or Quart-CORS answers by itself passes.
            None leaves it to the decorators.
        exempt: with ``protect="all"``, the rules that need no ticket, by their texts as registered: ``/health``, or
            ``/static/*`` for all rules that begin with ``/static/``. Their hosts and subdomains do not count.
        options: as for :class:`~async_kerberos.Kerberos`.

    Returns:
        The service.

    Raises:
        ConfigurationError: an option is wrong.
    """
    whole = whole_of(protect, exempt, RequiresAuthentication.adapter)
    kerberos = Kerberos(service=service, hostname=hostname, **options)
    fronts = {"full_dispatch_request": _Front, "full_dispatch_websocket": _WebSocketFront}
    configure(app, kerberos, "asgi_app", CarrierMiddleware, whole, fronts)
    return kerberos


class RequiresAuthentication(Guarded, Generic[U_co]):
    """Demand Kerberos authentication of all who call a view; put it below ``@app.route`` or ``@app.websocket``.

    The view gets the principal as its first argument (after ``self``), then what it got before.

    Args:
        view: a view of a route or a WebSocket, a method of a ``MethodView``, or a function for ``before_request`` or
            ``before_websocket``. Among the ``decorators`` of a ``MethodView``, its methods get the principal by the
            name ``user``.
        kerberos: the service; None for the application's, or the default.
        cross_site: instead of the service's option of this name: ``"allow"`` for a view that other sites' forms may
            post to.
        optional: whether the view also runs for those who bring no ticket: its user is None then. A ticket that is no
            good is refused as ever.
        options: ``realms``, ``principals``, ``authorize``: who may enter here, as in :class:`~async_kerberos.Access`;
            the service's ``access`` has to let them in as well.
    """

    adapter = "quart"

    @overload
    def __call__(
        self, view: Callable[Concatenate[U_co, P], Coroutine[Any, Any, R]], /
    ) -> Callable[P, Coroutine[Any, Any, R | Response]]: ...
    @overload
    def __call__(  # type: ignore[overload-overlap] # of a view that takes two strings: the first is no instance
        self, view: Callable[Concatenate[U_co, P], R], /
    ) -> Callable[P, R | Response]: ...
    @overload
    def __call__(
        self, view: Callable[Concatenate[S, U_co, P], Coroutine[Any, Any, R]], /
    ) -> Callable[Concatenate[S, P], Coroutine[Any, Any, R | Response]]: ...
    @overload
    def __call__(self, view: Callable[Concatenate[S, U_co, P], R], /) -> Callable[Concatenate[S, P], R | Response]: ...
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
        inspected = inspect_view(view)

        async def protected_async(*args: Any, **kwargs: Any) -> Any:
            outcome = await authenticate_scope(_scope(), protection, configured(current_app))
            if isinstance(outcome, Denied):
                return _denied(inspected, outcome)
            args, kwargs = _admitted(inspected, outcome, args, kwargs)
            return await inspected.call(*args, **kwargs)

        def protected_sync(*args: Any, **kwargs: Any) -> Any:
            # Quart calls this on a thread of the loop's pool, which may wait; a hook may have called it on the loop.
            inspected.check_thread()
            outcome = authenticate_scope_blocking(_scope(), protection, configured(current_app))
            if isinstance(outcome, Denied):
                return _denied(inspected, outcome)
            args, kwargs = _admitted(inspected, outcome, args, kwargs)
            return inspected.call(*args, **kwargs)

        return inspected.dress(protected_async if is_async(view) else protected_sync)


requires_authentication: RequiresAuthentication[str] = RequiresAuthentication()


class _Front(Front):
    async def __call__(self, *context: Any) -> Any:
        app, whole = self._app, protected_whole(self._app)
        if whole is None or whole.exempts(request.url_rule):
            return await self.dispatch(context)
        answer = preflight_answer(app, request)
        if answer is not None:
            with contextlib.suppress(ViewReachedError):
                return await app.finalize_request(await answer(), *context)
        outcome = await authenticate_scope(_scope(), whole.protection, configured(app))
        if isinstance(outcome, Denied):
            return await app.finalize_request(_denial(outcome), *context)
        _publish(outcome)
        return await self.dispatch(context)


class _WebSocketFront(Front):
    async def __call__(self, *context: Any) -> Any:
        app, whole = self._app, protected_whole(self._app)
        if whole is not None and not whole.exempts(websocket.url_rule):
            outcome = await authenticate_scope(_scope(), whole.protection, configured(app))
            if isinstance(outcome, Denied):
                return await app.finalize_websocket(_denial(outcome), *context)
            _publish(outcome)
        return await self.dispatch(context)


# In the framework's terms.


def _scope() -> Scope:
    scope: Any = websocket.scope if has_websocket_context() else request.scope
    return cast("Scope", scope)


def _publish(accepted: Accepted) -> None:
    g.kerberos_identity = accepted.identity
    state = state_of(_scope())
    if not state.carried:
        _reply_by_hand(state, bool(accepted.headers))


def _admitted(
    view: View, accepted: Accepted, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Tell the application who has been let in, and return what the view is called with."""
    _publish(accepted)
    return view.arguments(accepted.principal, args, kwargs)


def _denial(denied: Denied) -> Response:
    response = Response(denied.body, denied.status, Headers(denied.headers))
    if denied.asks_handler and can_answer(_scope()):
        _ask_handler(denied, response)
    return response


def _denied(view: View, denied: Denied) -> Response:
    response = _denial(denied)
    if has_websocket_context() and current_app.view_functions.get(websocket.endpoint or "") is not view.wrapper:
        abort(response)  # what called it would go on, and talk to a stranger
    if state_of(_scope()).drain_by_hand is not None:
        after_this_request(_drop_body)
    return response


def _ask_handler(denied: Denied, response: Response) -> None:
    """Have the application's handler of this status make the body, once the view has returned.

    Only then is it on the event loop again, where a sync view's handler can be async, and where no decorator of the
    application's stands in between.
    """
    in_websocket = has_websocket_context()
    blueprints = websocket.blueprints if in_websocket else request.blueprints
    error = default_exceptions[denied.status]
    handler = handler_of(current_app, blueprints, error, denied.status)
    if handler is None:
        return

    async def make() -> tuple[bytes, str | None]:
        made = await current_app.make_response(await current_app.ensure_async(handler)(error()))
        data: Any = made.get_data(as_text=False)  # of Werkzeug's own responses, it is no coroutine
        return (await data if inspect.isawaitable(data) else data), made.headers.get("Content-Type")

    async def dress(answer: Any) -> Any:
        if answer is response:  # else the application has gone on
            app = cast("Any", current_app)._get_current_object()
            dressed = await with_handlers_body(app, denied, make)
            response.set_data(dressed.body)
            for name, _ in set(denied.headers) - set(dressed.headers):
                response.headers.remove(name)
            response.headers.extend(field for field in dressed.headers if field not in denied.headers)
        return answer

    (after_this_websocket if in_websocket else after_this_request)(dress)


async def _drop_body(response: Any) -> Any:
    limits = state_of(_scope()).drain_by_hand
    if limits is not None and response.status_code >= 400:  # with another status, the application has gone on
        await drop_pieces(request.body, limits)
    return response


# By hand, where there is no carrier.


def _reply_by_hand(state: RequestState, reply: bool) -> None:
    async def append(response: Any) -> Any:
        return None if response is None else append_owed(state, reply, response)  # None: the WebSocket was accepted

    if has_websocket_context():
        after_this_websocket(append)
        if reply:
            _reply_on_accept(state)
    else:
        after_this_request(append)


def _reply_on_accept(state: RequestState) -> None:
    """Have the handshake carry what is owed. Quart accepts by this method, at the latest when it sends or receives."""
    connection: Any = cast("Any", websocket)._get_current_object()
    accept = connection.accept

    async def accept_with_owed(headers: Any = None, subprotocol: str | None = None) -> None:
        together = Headers(headers)
        together.extend(state.take(None, together.getlist).headers)
        await accept(together, subprotocol)

    connection.accept = accept_with_owed
