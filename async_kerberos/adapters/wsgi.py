"""Kerberos for any WSGI application: a middleware. It needs no framework."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from .._decision.guard import Exempt
from .._web.middleware import Middleware
from .._web.nearest import configured
from .._web.wsgi import (
    App,
    CarrierMiddleware,
    Environ,
    StartResponse,
    authenticate_environ,
    carry,
    hide_credentials,
    send_denial,
    state_of,
)
from ..kerberos import Kerberos, default_kerberos
from ..outcomes import Denied

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ..options import AllOptions

__all__ = ["KerberosMiddleware"]


class KerberosMiddleware(Middleware):
    """Let none but authenticated requests reach a WSGI application.

    The application finds the principal, or what ``username`` makes of it, at ``environ["REMOTE_USER"]``, whatever stood
    there before, ``"Negotiate"`` at ``environ["AUTH_TYPE"]`` (RFC 3875, section 4.1.1), and the
    :class:`~async_kerberos.Identity` at ``environ["kerberos"]``.

    Args:
        app: the application.
        kerberos: the service. Without it and without options, that of the nearest configured application or middleware.
        hide_authorization: whether the application does not see the credentials, which some would show, or take for
            credentials of their own. Checks further down still find them.
        optional: whether requests without a ticket reach the application as well, as nobody's: there
            is no ``REMOTE_USER``. A ticket that is no good is refused as ever.
        exempt: paths for which nobody has to sign in, such as ``/health``, or ``/static/*`` for all that is below; or a
            function of the request that returns True for these. More in :class:`~async_kerberos.Guard`.
        options: those of :class:`~async_kerberos.Kerberos`, instead of ``kerberos``; ``cross_site`` and ``access``
            beside it, too.

    Attributes:
        kerberos: the middleware's own service; None where the nearest counts.

    Raises:
        ConfigurationError: an option is wrong, or stands beside ``kerberos``.
    """

    adapter = "wsgi"

    def __init__(
        self,
        app: App,
        kerberos: Kerberos | None = None,
        *,
        hide_authorization: bool = False,
        optional: bool = False,
        exempt: Exempt = (),
        **options: Unpack[AllOptions],
    ) -> None:
        super().__init__(kerberos, options, hide_authorization, optional, exempt)
        self.app: App = app

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Handle one WSGI request."""
        around = self.app
        application = around.kerberos if isinstance(around, CarrierMiddleware) else configured(around)
        if self._is_new:
            self._log_setup(self.kerberos or application, application)
        outcome = authenticate_environ(environ, self._protection, application)
        if isinstance(outcome, Denied):
            return send_denial(environ, start_response, outcome)
        if self._hides_authorization:
            hide_credentials(environ)
        state = state_of(environ)
        return self.app(environ, carry(environ, state, start_response, state.decider or default_kerberos()))
