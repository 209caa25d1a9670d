"""Kerberos for any ASGI application: a middleware for HTTP and WebSocket. It needs no framework."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._decision.guard import Guard
from .._never_sent import NeverSent
from .._web.asgi import App, CarrierMiddleware, Receive, Send, authenticate_scope, carry, send_denial, state_of
from .._web.nearest import (
    NEAREST,
    Protection,
    Scope,
    configured,
    decider_of,
    nearest_of,
    refuse_second_service,
    warn_of_other_options,
)
from .._web.state import outer_state
from ..errors import ConfigurationError, UnsupportedScopeError
from ..kerberos import Kerberos, default_kerberos
from ..outcomes import Denied

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ..options import AllOptions

__all__ = ["KerberosMiddleware"]


class KerberosMiddleware(NeverSent):
    """Let only authenticated requests reach an ASGI application.

    The application finds the :class:`~async_kerberos.Identity` at ``scope["kerberos"]``. Lifespan events pass; HTTP
    requests and WebSocket handshakes are authenticated; a scope of any other type raises an error.

    Args:
        app: the application.
        kerberos: the service. Without it and without options, the nearest configured application's or middleware's.
        user_header: a header from which the application takes the user's name, such as ``Remote-User``. This middleware
            puts the principal there, in UTF-8, and removes every spelling of it that the client has sent.
        options: options of :class:`~async_kerberos.Kerberos`, instead of ``kerberos``. With ``kerberos``, only
            ``cross_site`` is allowed.

    Attributes:
        kerberos: the middleware's own service; None if it uses the nearest one.

    Raises:
        ConfigurationError: an option is wrong, or ``kerberos`` is given as well.
    """

    def __init__(
        self,
        app: App,
        kerberos: Kerberos | None = None,
        *,
        user_header: str | None = None,
        **options: Unpack[AllOptions],
    ) -> None:
        own = [name for name in options if name != "cross_site"]
        if kerberos is not None and own:
            raise ConfigurationError("kerberos", f"has its own options: give it, or {', '.join(own)}, not both")
        if own:
            kerberos = Kerberos(**options)
        self.app: App = app
        if user_header is not None:
            from .._web.user_header import UserHeaderMiddleware  # here: few applications need it

            self.app = UserHeaderMiddleware(app, user_header)
        self.kerberos = kerberos
        self._protection = Protection(kerberos, Guard(cross_site=options.get("cross_site")))
        self._around = app
        self._has_options = bool(own)
        self._is_new = True

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI scope.

        Raises:
            UnsupportedScopeError: the type of the scope is unknown to this package.
        """
        # On Quart this middleware wraps asgi_app, and Quart's scopes do not name the application.
        application = self._around.kerberos if isinstance(self._around, CarrierMiddleware) else None
        if self._is_new:
            self._log_setup(scope, application)
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] not in ("http", "websocket"):
            raise UnsupportedScopeError(scope["type"])
        outcome = await authenticate_scope(scope, self._protection, application)
        if isinstance(outcome, Denied):
            await send_denial(scope, send, outcome)
            return
        state = state_of(scope)
        decider = state.decider or default_kerberos()
        before = nearest_of(scope)
        reply_send = carry(scope, send, decider)
        if self.kerberos is None:
            inner = configured(self._around)
            if inner is not None and inner is not decider:
                await send_denial(scope, reply_send, refuse_second_service(inner, decider))
                return
        self.publish(scope)
        token = outer_state.set(state)
        try:
            await self.app(scope, receive, reply_send)
        finally:
            scope[NEAREST] = before
            state.over = True
            try:  # noqa: SIM105 - contextlib.suppress() would take a microsecond
                outer_state.reset(token)
            except ValueError:
                pass  # a loop that ends may close this coroutine in another context

    def _log_setup(self, scope: Scope, application: Kerberos | None) -> None:
        decider = decider_of(scope, self._protection, application)
        if decider is None and scope["type"] == "lifespan":
            return  # a request's scope may name the application later
        self._is_new = False
        (decider or default_kerberos()).log_setup_once()
        other = application or configured(scope.get("app"))
        if self._has_options and other is not None and self.kerberos is not None:
            warn_of_other_options(self.kerberos, other)

    def publish(self, scope: Scope) -> None:
        """For subclasses: make the identity at ``scope["kerberos"]`` known to a framework in its own way."""
