"""Kerberos for any ASGI application: a middleware for HTTP and WebSocket. It needs no framework."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._asgi import App, Receive, Scope, Send, authenticate_scope, carried, carry, send_denial, sign_in_of
from .._errors import ConfigurationError, UnsupportedScopeError
from .._kerberos import Kerberos, check_kerberos
from .._outcomes import Denied

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from .._options import AllOptions

__all__ = ["KerberosMiddleware"]


class KerberosMiddleware:
    """Let none but authenticated requests reach an ASGI application.

    The application finds the :class:`~async_kerberos.Identity` at ``scope["kerberos"]``. Lifespan events pass; HTTP
    requests and WebSocket handshakes are authenticated; a scope of any other type reaches nobody.

    Args:
        app: the application.
        kerberos: the service; None for one with the options given.
        options: those of :class:`~async_kerberos.Kerberos`, instead of ``kerberos``.

    Raises:
        ConfigurationError: an option is wrong, or stands beside ``kerberos``.
    """

    def __init__(self, app: App, kerberos: Kerberos | None = None, **options: Unpack[AllOptions]) -> None:
        if kerberos is not None and options:
            raise ConfigurationError("kerberos", f"has its own options: give it, or {', '.join(options)}, not both")
        check_kerberos(kerberos)
        self.app = app
        self.kerberos = Kerberos(**options) if kerberos is None else kerberos

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI scope.

        Raises:
            UnsupportedScopeError: the scope is of a type that ASGI did not have when this was written.
        """
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] not in ("http", "websocket"):
            raise UnsupportedScopeError(scope["type"])
        outcome = await authenticate_scope(scope, self.kerberos)
        if isinstance(outcome, Denied):
            await send_denial(scope, send, outcome)
            return
        reply_send = carry(scope, send, self.kerberos)
        self.publish(scope)
        sign_in = sign_in_of(scope)
        token = carried.set(sign_in)
        try:
            await self.app(scope, receive, reply_send)
        finally:
            sign_in.over = True
            try:  # noqa: SIM105 - this costs nothing, and contextlib.suppress() a microsecond
                carried.reset(token)
            except ValueError:
                pass  # where a loop is torn down, the coroutine may be closed in another context than it ran in

    def publish(self, scope: Scope) -> None:
        """Tell the framework below, in its own terms, of the identity at ``scope["kerberos"]``."""
