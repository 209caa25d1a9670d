"""Kerberos for Flask: the decorator of Flask-Kerberos, for sync and async views."""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any, Concatenate, Generic, Literal, ParamSpec, TypeVar, cast, overload

from .._web.guarded import Guarded
from .._web.handlers import finish, handler_of, with_handlers_body
from .._web.nearest import Protection
from .._web.pallets import append_owed, configure, configured
from .._web.views import inspect_view, is_async
from .._web.whole import Front, Protect, ViewReachedError, preflight_answer, protected_whole, whole_of
from .._web.wsgi import CarrierMiddleware, authenticate_environ, drop_body, state_of
from ..kerberos import Kerberos
from ..options import Hostname
from ..outcomes import Denied, Outcome

try:
    from flask import Flask, Response, after_this_request, current_app, g, request
    from werkzeug.datastructures import Headers
    from werkzeug.exceptions import default_exceptions
except ImportError as _error:
    raise ImportError("this adapter needs Flask: pip install 'async-kerberos[flask]'") from _error

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from .._decision.guard import AllGuardOptions, GuardOptions
    from ..options import KerberosOptions

__all__ = ["init_kerberos", "requires_authentication"]

P = ParamSpec("P")
R = TypeVar("R")
S = TypeVar("S")
U_co = TypeVar("U_co", bound="str | None", covariant=True)  # what a view gets for the user


def init_kerberos(
    app: Flask,
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
            files, and what no rule matches. A preflight that Flask or Flask-CORS answers by itself passes. None leaves
            it to the decorators.
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
    configure(app, kerberos, "wsgi_app", CarrierMiddleware, whole, {"full_dispatch_request": _Front})
    return kerberos


class RequiresAuthentication(Guarded, Generic[U_co]):
    """Demand Kerberos authentication of all who call a view; put it below ``@app.route``.

    The view gets the principal as its first argument (after ``self``), then what it got before. An async view becomes
    a sync one: authentication is done on the WSGI thread, before Flask makes a loop for the view.

    Args:
        view: a view, a method of a ``MethodView``, or a function for ``before_request``. Among the ``decorators`` of a
            ``MethodView``, its methods get the principal by the name ``user``.
        kerberos: the service; None for the application's, or the default.
        cross_site: instead of the service's option of this name: ``"allow"`` for a view that other sites' forms may
            post to.
        optional: whether the view also runs for those who bring no ticket: its user is None then. A ticket that is no
            good is refused as ever.
        options: ``realms``, ``principals``, ``authorize``: who may enter here, as in :class:`~async_kerberos.Access`;
            the service's ``access`` has to let them in as well.
    """

    adapter = "flask"

    @overload
    def __call__(
        self, view: Callable[Concatenate[U_co, P], Coroutine[Any, Any, R]], /
    ) -> Callable[P, R | Response]: ...
    @overload
    def __call__(self, view: Callable[Concatenate[U_co, P], R], /) -> Callable[P, R | Response]: ...
    @overload
    def __call__(
        self, view: Callable[Concatenate[S, U_co, P], Coroutine[Any, Any, R]], /
    ) -> Callable[Concatenate[S, P], R | Response]: ...
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
        asynchronous = is_async(view)

        def protected(*args: Any, **kwargs: Any) -> Any:
            outcome = _authenticate(protection)
            if isinstance(outcome, Denied):
                return _denial(outcome)
            args, kwargs = inspected.arguments(outcome.principal, args, kwargs)
            call: Any = inspected.call
            if asynchronous:
                # Of an object that is called as a view, Flask looks for no coroutine.
                call = current_app.ensure_sync(call if inspect.iscoroutinefunction(call) else call.__call__)
            return call(*args, **kwargs)

        return inspected.dress(protected)


requires_authentication: RequiresAuthentication[str] = RequiresAuthentication()


class _Front(Front):
    def __call__(self, *context: Any) -> Any:
        app, whole = self._app, protected_whole(self._app)
        if whole is None or whole.exempts(request.url_rule):
            return self.dispatch(context)
        answer = preflight_answer(app, request)
        if answer is not None:
            with contextlib.suppress(ViewReachedError):
                return app.finalize_request(*context, answer())
        outcome = _authenticate(whole.protection)
        if isinstance(outcome, Denied):
            return app.finalize_request(*context, _denial(outcome))
        return self.dispatch(context)


# In the framework's terms.


def _authenticate(protection: Protection) -> Outcome:
    environ = request.environ  # looked up once: each look is a search for the request of this context
    outcome = authenticate_environ(environ, protection, configured(current_app))
    if isinstance(outcome, Denied):
        return outcome
    g.kerberos_identity = outcome.identity
    state = state_of(environ)
    if not state.carried:
        after_this_request(functools.partial(append_owed, state, bool(outcome.headers)))
    return outcome


def _denial(denied: Denied) -> Response:
    if denied.asks_handler:
        denied = _with_handlers_body(denied)
    response = Response(denied.body, denied.status, Headers(denied.headers))
    if not state_of(request.environ).carried:
        response.call_on_close(functools.partial(drop_body, request.environ))
    return response


def _with_handlers_body(denied: Denied) -> Denied:
    error = default_exceptions[denied.status]
    handler = handler_of(current_app, request.blueprints, error, denied.status)
    if handler is None:
        return denied

    async def make() -> tuple[bytes, str | None]:
        # It waits for nothing: Flask runs what is async to its end.
        response = current_app.make_response(current_app.ensure_sync(handler)(error()))
        response.direct_passthrough = False  # of a file, whose bytes are to be had
        try:
            return response.get_data(), response.headers.get("Content-Type")
        finally:
            response.close()

    return finish(with_handlers_body(cast("Any", current_app)._get_current_object(), denied, make))
