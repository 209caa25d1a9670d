"""Kerberos for FastAPI: a dependency that is the signed-in user, and shows up in the OpenAPI document."""

# No `from __future__ import annotations`: FastAPI reads a dependency's annotations, and cannot look names up here.

from .._decision.guard import Guard
from .._never_sent import NeverSent
from .._web.asgi import authenticate_scope, state_of
from .._web.nearest import Protection
from ..identity import Identity
from ..kerberos import Kerberos
from ..options import CrossSite
from ..outcomes import Denied

try:
    from fastapi import Response
    from fastapi.exceptions import HTTPException
    from fastapi.openapi.models import HTTPBase
    from fastapi.openapi.models import SecurityBase as SecurityModel
    from fastapi.requests import HTTPConnection
    from fastapi.security.base import SecurityBase
except ImportError as _error:
    raise ImportError("this adapter needs FastAPI: pip install 'async-kerberos[fastapi]'") from _error

from .starlette import KerberosMiddleware, init_kerberos, raise_denial, requires_authentication

__all__ = ["KerberosIdentity", "KerberosMiddleware", "init_kerberos", "requires_authentication"]


class KerberosIdentity(NeverSent, SecurityBase):
    """A dependency that demands Kerberos authentication: ``Depends(KerberosIdentity())`` is an ``Identity``.

    For routes, WebSocket routes and, among ``dependencies=[...]``, for routers and applications. Several of them on one
    request take one step together.

    FastAPI reads a request's body before it asks any dependency. Where a body must not even be read of somebody who has
    not signed in, guard the application by ``KerberosMiddleware``.

    Args:
        kerberos: the service; None for that of the nearest configured application or middleware.
        cross_site: instead of the service's option of this name: ``"allow"`` for a route that other sites' forms may
            post to, as an identity provider's ``form_post`` does.
        scheme_name: the name of the security scheme in the OpenAPI document.
    """

    def __init__(
        self,
        kerberos: Kerberos | None = None,
        *,
        cross_site: CrossSite | None = None,
        scheme_name: str = "Kerberos",
    ) -> None:
        self._protection = Protection(kerberos, Guard(cross_site=cross_site))
        self.scheme_name = scheme_name
        self.model: SecurityModel = HTTPBase(scheme="negotiate", description="Kerberos, by HTTP Negotiate (RFC 4559)")

    async def __call__(self, connection: HTTPConnection, response: Response) -> Identity:
        """Authenticate one request.

        Raises:
            HTTPException: the request may not pass; it carries the answer.
            WebSocketException: it may not pass, and the server can answer a handshake by closing it alone.
        """
        scope = connection.scope
        outcome = await authenticate_scope(scope, self._protection)
        if isinstance(outcome, Denied):
            raise_denial(connection, outcome, HTTPException)
        if not state_of(scope).carried:
            # Without init_kerberos this is all a dependency can do: it does not see responses the route itself makes.
            for name, value in outcome.headers:
                response.headers.append(name, value)
        return outcome.identity
