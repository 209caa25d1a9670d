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
    """Let none but authenticated requests reach an ASGI application.

    The application finds the :class:`~async_kerberos.Identity` at ``scope["kerberos"]``. Lifespan events pass; HTTP
    requests and WebSocket handshakes are authenticated; a scope of any other type reaches nobody.

    Args:
        app: the application.
        kerberos: the service. Without it and without options, that of the nearest configured application or middleware.
        user_header: a header that the application trusts to name the user, such as ``Remote-User``: the application
            finds the principal there, in UTF-8, and nothing that the client has sent under this name, in any spelling.
        options: those of :class:`~async_kerberos.Kerberos`, instead of ``kerberos``; ``cross_site`` beside it, too.

    Attributes:
        kerberos: the middleware's own service; None where the nearest counts.

    Raises:
        ConfigurationError: an option is wrong, or stands beside ``kerberos``.
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
            from .._web.user_header import UserHeaderMiddleware  # for few

            self.app = UserHeaderMiddleware(app, user_header)
        self.kerberos = kerberos
        self._protection = Protection(kerberos, Guard(cross_site=options.get("cross_site")))
        self._around = app
        self._has_options = bool(own)
        self._is_new = True

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI scope.

        Raises:
            UnsupportedScopeError: the scope is of a type that ASGI did not have when this was written.
        """
        # On Quart this stands around asgi_app, where no scope tells the application.
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
            try:  # noqa: SIM105 - this costs nothing, and contextlib.suppress() a microsecond
                outer_state.reset(token)
            except ValueError:
                pass  # where a loop is torn down, the coroutine may be closed in another context than it ran in

    def _log_setup(self, scope: Scope, application: Kerberos | None) -> None:
        decider = decider_of(scope, self._protection, application)
        if decider is None and scope["type"] == "lifespan":
            return  # a request may tell of an application
        self._is_new = False
        (decider or default_kerberos()).log_setup_once()
        other = application or configured(scope.get("app"))
        if self._has_options and other is not None and self.kerberos is not None:
            warn_of_other_options(self.kerberos, other)

    def publish(self, scope: Scope) -> None:
        """Tell the framework below, in its own terms, of the identity at ``scope["kerberos"]``."""
