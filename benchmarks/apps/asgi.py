"""The ASGI sites. Each function makes one."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from typing import Any

from fastapi import Depends, FastAPI
from fastapi.responses import PlainTextResponse
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Route

from async_kerberos import Access, AuthRequest, Event, Kerberos, Outcome
from async_kerberos._decision.guard import NO_GUARD, Guard
from async_kerberos._gss.kept_configuration import KeptConfiguration
from async_kerberos.adapters import fastapi as fastapi_adapter
from async_kerberos.adapters.fastapi import KerberosIdentity
from async_kerberos.adapters.starlette import KerberosMiddleware, init_kerberos, requires_authentication

from . import HELLO, HOSTNAME, REALM
from .probe import Probed


def _keep_nothing(_: KeptConfiguration) -> None:
    pass


class Inline(Kerberos):
    """Makes the accept on the event loop, which waits for it, and not on a worker."""

    async def authenticate(self, request: AuthRequest, guard: Guard = NO_GUARD) -> Outcome:
        """Decide on the event loop's own thread."""
        return self.authenticate_blocking(request, guard)


async def hello(request: Request) -> PlainTextResponse:
    """The same bytes for everybody."""
    return PlainTextResponse(HELLO)


def unprotected() -> Starlette:
    """The site without any protection."""
    return Starlette(routes=[Route("/", hello)])


def _behind(middleware: Any, **options: Any) -> Starlette:
    app = unprotected()
    app.add_middleware(middleware, **options)
    return app


def middleware() -> Starlette:
    """This project's middleware."""
    return _behind(KerberosMiddleware, hostname=HOSTNAME)


def file() -> Starlette:
    """The same, with the keytab's file and krb5.conf read by the library at each accept."""
    KeptConfiguration.refresh = _keep_nothing  # type: ignore[assignment, method-assign] # it is what is measured
    return _behind(KerberosMiddleware, hostname=HOSTNAME, keytab=os.environ["KRB5_KTNAME"].replace("FILE:", "WRFILE:"))


def rules() -> Starlette:
    """This project's middleware, with rules of who may enter, and a listener."""
    outcomes: Counter[str] = Counter()

    def count(event: Event) -> None:
        outcomes[event.outcome] += 1

    access = Access(realms=[REALM], principals=[f"*@{REALM}"])
    return _behind(KerberosMiddleware, hostname=HOSTNAME, access=access, on_event=count)


def inline() -> Starlette:
    """The same, with the accept on the event loop."""
    return _behind(KerberosMiddleware, kerberos=Inline(hostname=HOSTNAME))


def decorator() -> Starlette:
    """This project's decorator."""

    @requires_authentication
    async def view(user: str, request: Request) -> Any:
        return await hello(request)

    app = Starlette(routes=[Route("/", view)])
    init_kerberos(app, hostname=HOSTNAME)
    return app


def dependency() -> FastAPI:
    """This project's dependency, on FastAPI."""
    app = _fastapi(KerberosIdentity())
    fastapi_adapter.init_kerberos(app, hostname=HOSTNAME)
    return app


def asgi_gssapi() -> Starlette:
    """ASGI-GSSAPI's middleware."""
    from asgi_gssapi import SPNEGOAuthMiddleware

    return _behind(SPNEGOAuthMiddleware, service="HTTP", hostname=HOSTNAME)


def fastapi_spnego() -> Starlette:
    """fastapi-spnego's middleware, on Starlette."""
    from fastapi_spnego import SpnegoConfig, SpnegoMiddleware

    return _behind(SpnegoMiddleware, config=SpnegoConfig(hostname=HOSTNAME))


def fastapi_spnego_dependency() -> FastAPI:
    """fastapi-spnego's dependency, on FastAPI."""
    from fastapi_spnego import SpnegoAuth, SpnegoConfig

    return _fastapi(SpnegoAuth(config=SpnegoConfig(hostname=HOSTNAME)))


def _fastapi(dependency: Any) -> FastAPI:
    app = FastAPI()

    @app.get("/", response_class=PlainTextResponse)
    async def view(user: Any = Depends(dependency)) -> str:
        return HELLO

    return app


def _probed(site: Callable[[], Any]) -> Callable[[], Probed]:
    return lambda: Probed(site())


probed_middleware = _probed(middleware)
probed_inline = _probed(inline)
probed_asgi_gssapi = _probed(asgi_gssapi)
probed_fastapi_spnego = _probed(fastapi_spnego)
