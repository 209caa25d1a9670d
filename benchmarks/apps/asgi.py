"""The ASGI sites: one factory each."""

from __future__ import annotations

from typing import Any

from fastapi import Depends, FastAPI
from fastapi.responses import PlainTextResponse
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.routing import Route

from async_kerberos import AuthRequest, Identity, Kerberos, Outcome
from async_kerberos._decision.guard import NO_GUARD, Guard
from async_kerberos.adapters import fastapi as fastapi_adapter
from async_kerberos.adapters.fastapi import KerberosIdentity
from async_kerberos.adapters.starlette import KerberosMiddleware, init_kerberos, requires_authentication

from .hello import HELLO, HOSTNAME, Probed, hello, starlette


class Inline(Kerberos):
    """Makes the same decision on the event loop, which waits for it."""

    async def authenticate(self, request: AuthRequest, guard: Guard = NO_GUARD) -> Outcome:
        """Decide, blocking."""
        return self.authenticate_blocking(request, guard)


def unprotected() -> Any:
    """Nothing but the greeting."""
    return starlette()


def middleware() -> Any:
    """This project's middleware."""
    app = starlette()
    app.add_middleware(KerberosMiddleware, hostname=HOSTNAME)
    return app


def inline() -> Any:
    """The same, with the accept on the loop."""
    app = starlette()
    app.add_middleware(KerberosMiddleware, kerberos=Inline(hostname=HOSTNAME))
    return app


def decorator() -> Any:
    """This project's decorator."""

    @requires_authentication
    async def view(user: str, request: Request) -> Any:
        return await hello(request)

    app = Starlette(routes=[Route("/", view)])
    init_kerberos(app, hostname=HOSTNAME)
    return app


def dependency() -> Any:
    """This project's dependency, on FastAPI."""
    app = FastAPI()
    fastapi_adapter.init_kerberos(app, hostname=HOSTNAME)

    @app.get("/", response_class=PlainTextResponse)
    async def view(user: Identity = Depends(KerberosIdentity())) -> str:
        return HELLO

    return app


def asgi_gssapi() -> Any:
    """ASGI-GSSAPI's middleware."""
    from asgi_gssapi import SPNEGOAuthMiddleware

    return Starlette(
        routes=[Route("/", hello)], middleware=[Middleware(SPNEGOAuthMiddleware, service="HTTP", hostname=HOSTNAME)]
    )


def fastapi_spnego() -> Any:
    """fastapi-spnego's middleware, on Starlette."""
    from fastapi_spnego import SpnegoConfig, SpnegoMiddleware

    app = starlette()
    app.add_middleware(SpnegoMiddleware, config=SpnegoConfig(hostname=HOSTNAME))
    return app


def fastapi_spnego_dependency() -> Any:
    """fastapi-spnego's dependency, on FastAPI."""
    from fastapi_spnego import SpnegoAuth, SpnegoConfig, SpnegoIdentity

    app = FastAPI()
    authenticated = SpnegoAuth(config=SpnegoConfig(hostname=HOSTNAME))

    @app.get("/", response_class=PlainTextResponse)
    async def view(user: SpnegoIdentity = Depends(authenticated)) -> str:
        return HELLO

    return app


def probed_middleware() -> Any:
    """As :func:`middleware`, with a probe."""
    return Probed(middleware())


def probed_inline() -> Any:
    """As :func:`inline`, with a probe."""
    return Probed(inline())


def probed_asgi_gssapi() -> Any:
    """As :func:`asgi_gssapi`, with a probe."""
    return Probed(asgi_gssapi())


def probed_fastapi_spnego() -> Any:
    """As :func:`fastapi_spnego`, with a probe."""
    return Probed(fastapi_spnego())
