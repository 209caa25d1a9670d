"""Kerberos for FastAPI: a dependency that returns the signed-in user, and appears in the OpenAPI document."""

# No `from __future__ import annotations`: FastAPI could not resolve the names in a dependency's annotations.

import json
from collections.abc import Sequence
from dataclasses import replace
from http import HTTPStatus
from typing import cast

from .._decision.guard import AllGuardOptions, guard_of
from .._never_sent import NeverSent
from .._web.asgi import state_of
from .._web.marks import leave_mark
from .._web.nearest import Protection
from ..identity import Identity
from ..kerberos import Kerberos
from ..options import LEFT_OUT, Authorize, CrossSite
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

from .starlette import (
    KerberosMiddleware,
    add_owed,
    decide,
    drop_body,
    init_kerberos,
    raise_denial,
    requires_authentication,
)

__all__ = ["KerberosIdentity", "KerberosMiddleware", "init_kerberos", "requires_authentication"]


_NO_RULE = cast("Authorize", LEFT_OUT)  # None may come of a setting that is missing


class KerberosIdentity(NeverSent, SecurityBase):
    """A dependency that demands Kerberos authentication: ``Depends(KerberosIdentity())`` is an ``Identity``.

    For routes, WebSocket routes and, in ``dependencies=[...]``, for routers and applications. If a request has several
    of these dependencies, they check the token only once.

    FastAPI reads a request's body before it calls any dependency. If the body must not be read before the client has
    signed in, use ``KerberosMiddleware``.

    Args:
        kerberos: the service; None for the nearest configured application's or middleware's.
        cross_site: overrides the service's option of this name: ``"allow"`` for a route to which forms of other sites
            may post, as an identity provider's ``form_post`` does.
        realms: who may enter, as in :class:`~async_kerberos.Access`; the service's ``access`` has to let them in, too.
        principals: as in :class:`~async_kerberos.Access`.
        groups: as in :class:`~async_kerberos.Access`.
        indicators: as in :class:`~async_kerberos.Access`.
        authorize: as in :class:`~async_kerberos.Access`.
        optional: whether the route also runs for those who bring no ticket: the dependency is None then. A ticket that
            is no good is refused as ever.
        scheme_name: the name of the security scheme in the OpenAPI document.
    """

    def __init__(
        self,
        kerberos: Kerberos | None = None,
        *,
        cross_site: CrossSite | None = None,
        realms: Sequence[str] = LEFT_OUT,
        principals: Sequence[str] = LEFT_OUT,
        groups: Sequence[str] = LEFT_OUT,
        indicators: Sequence[str] = LEFT_OUT,
        authorize: Authorize = _NO_RULE,
        optional: bool = False,
        scheme_name: str = "Kerberos",
    ) -> None:
        options = AllGuardOptions(
            optional=optional,
            cross_site=cross_site,
            realms=realms,
            principals=principals,
            groups=groups,
            indicators=indicators,
            authorize=authorize,
        )
        self._protection = Protection(kerberos, guard_of(options, "fastapi"))
        leave_mark(self, self._protection)
        self.scheme_name = scheme_name
        self.model: SecurityModel = HTTPBase(scheme="negotiate", description="Kerberos, by HTTP Negotiate (RFC 4559)")

    async def __call__(self, connection: HTTPConnection, response: Response) -> Identity | None:
        """Authenticate one request.

        Returns:
            The user; None for nobody, which is with ``optional`` alone.

        Raises:
            HTTPException: the request may not pass; the exception carries the answer.
            WebSocketException: the handshake may not pass, and the server can only close it, without an answer.
        """
        scope = connection.scope
        outcome = await decide(scope, self._protection)
        if isinstance(outcome, Denied):
            await drop_body(connection)
            raise_denial(connection, _in_json(outcome), _Denial)
        state = state_of(scope)
        if not state.carried:
            # Without init_kerberos, FastAPI adds these headers only to responses that the route does not make itself.
            add_owed(response.headers, state.take(200, response.headers.getlist, reply=bool(outcome.headers)))
        return outcome.identity


class _Denial(HTTPException):
    """Ends the handling of a request that may not pass."""


def _in_json(denied: Denied) -> Denied:
    """The answer as FastAPI says errors, where it has no page."""
    if not denied.plain:
        return denied
    phrase = HTTPStatus(denied.status).phrase
    headers = tuple((name, "application/json" if name == "Content-Type" else value) for name, value in denied.headers)
    body = json.dumps({"detail": phrase}, separators=(",", ":")).encode()
    return replace(denied, headers=headers, body=body)
