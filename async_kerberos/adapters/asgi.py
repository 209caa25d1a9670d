"""Kerberos for any ASGI application: a middleware for HTTP and WebSocket. It needs no framework."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._decision.guard import Exempt
from .._web.asgi import (
    App,
    CarrierMiddleware,
    Receive,
    Send,
    authenticate_scope,
    carry,
    refused,
    request_of,
    send_denial,
    state_of,
    watch_body,
)
from .._web.drain import has_streams
from .._web.middleware import Middleware
from .._web.nearest import NEAREST, Scope, configured, decider_of, nearest_of, refuse_second_service
from .._web.state import forget, mark
from ..errors import UnsupportedScopeError
from ..kerberos import Kerberos, default_kerberos
from ..outcomes import Denied

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ..options import AllOptions

__all__ = ["KerberosMiddleware"]


class KerberosMiddleware(Middleware):
    """Let only authenticated requests reach an ASGI application.

    The application finds the :class:`~async_kerberos.Identity` at ``scope["kerberos"]``. Lifespan events pass; HTTP
    requests and WebSocket handshakes are authenticated; a scope of any other type raises an error.

    Args:
        app: the application.
        kerberos: the service. Without it and without options, the nearest configured application's or middleware's.
        user_header: a header from which the application takes the user's name, such as ``Remote-User``. This middleware
            puts the principal there, in UTF-8, and removes every spelling of it that the client has sent.
        hide_authorization: whether the application does not see the credentials, which some would show, or take for
            credentials of their own. Checks further down still find them.
        optional: whether requests without a ticket reach the application as well, as nobody's:
            ``scope["kerberos"]`` is None. A ticket that is no good is refused as ever.
        exempt: paths for which nobody has to sign in, such as ``/health``, or ``/static/*`` for all that is below; or a
            function of the request that returns True for these. More in :class:`~async_kerberos.Guard`.
        options: options of :class:`~async_kerberos.Kerberos`, instead of ``kerberos``. With ``kerberos``, only
            ``cross_site`` and ``access`` are allowed.

    Attributes:
        kerberos: the middleware's own service; None if it uses the nearest one.

    Raises:
        ConfigurationError: an option is wrong, or ``kerberos`` is given as well.
    """

    adapter = "asgi"
    # Whether a subclass knows the handlers of its framework, and overrides `dress`.
    knows_handlers = False

    def __init__(
        self,
        app: App,
        kerberos: Kerberos | None = None,
        *,
        user_header: str | None = None,
        hide_authorization: bool = False,
        optional: bool = False,
        exempt: Exempt = (),
        **options: Unpack[AllOptions],
    ) -> None:
        super().__init__(kerberos, options, hide_authorization, optional, exempt)
        self.app: App = app
        if user_header is not None or hide_authorization:
            from .._web.inner_headers import InnerHeadersMiddleware  # here: few applications need it

            self.app = InnerHeadersMiddleware(
                app, user_header, hide_authorization=hide_authorization, guard=self._protection.guard
            )
        self._around = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI scope.

        Raises:
            UnsupportedScopeError: the type of the scope is unknown to this package.
        """
        # On Quart this middleware wraps asgi_app, and Quart's scopes do not name the application.
        application = self._around.kerberos if isinstance(self._around, CarrierMiddleware) else None
        if self._is_new:
            decider = decider_of(scope, self._protection, application)
            if decider is not None or scope["type"] != "lifespan":  # a request may name the application
                self._log_setup(decider, application or configured(scope.get("app")))
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] not in ("http", "websocket"):
            raise UnsupportedScopeError(scope["type"])
        state = state_of(scope)
        request = request_of(scope, state, self._protection.guard)
        if state.announced or has_streams(scope):
            receive = watch_body(scope, state, receive)
        outcome = await authenticate_scope(scope, self._protection, application, request)
        if isinstance(outcome, Denied):
            if outcome.asks_handler and self.knows_handlers:
                outcome = await self.dress(scope, outcome)
            await send_denial(scope, send, outcome)
            return
        state = state_of(scope)
        decider = state.decider or default_kerberos()
        before = nearest_of(scope)
        reply_send = carry(scope, state, send, decider)
        inner = configured(self._around) if self.kerberos is None else None
        if inner is not None and inner is not decider:
            scope[NEAREST] = before
            denied = refuse_second_service(inner, decider)
            await send_denial(scope, reply_send, refused(scope, state, denied, inner))
            return
        self.publish(scope)
        method: str = scope.get("method", "")  # a WebSocket has none
        if method:
            scope["method"] = method = mark(method, state)
        try:
            await self.app(scope, receive, reply_send)
        finally:
            scope[NEAREST] = before
            state.over = True
            forget(method)

    async def dress(self, scope: Scope, denied: Denied) -> Denied:
        """For subclasses that know handlers: the answer with the body that the application's makes of it."""
        return denied

    def publish(self, scope: Scope) -> None:
        """For subclasses: make the identity at ``scope["kerberos"]`` known to a framework in its own way."""
