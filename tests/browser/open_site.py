"""A site of FastAPI's where nobody has to sign in: pages for nobody, a sign-in route, and two ways into its data."""

# No `from __future__ import annotations`: FastAPI resolves names in a module, and these are in a function.

from dataclasses import dataclass, field
from typing import Annotated, Any

from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.responses import HTMLResponse, PlainTextResponse, RedirectResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.middleware.sessions import SessionMiddleware

from async_kerberos import Identity
from async_kerberos.adapters.fastapi import KerberosIdentity, init_kerberos

from ..support import HOSTNAME

ROBOT = "robot"
BEARER = "the-robots"

HOME = "<p>Hello, {user}</p><a href='/sign-in'>Sign in</a>"

MaybeUser = Annotated[Identity | None, Depends(KerberosIdentity(optional=True))]
MaybeToken = Annotated[HTTPAuthorizationCredentials | None, Depends(HTTPBearer(auto_error=False))]


def bearer_or_kerberos(user: MaybeUser, token: MaybeToken) -> str:
    """Who has signed in, by one way or the other."""
    if user is not None:
        return user.principal
    if token is not None and token.credentials == BEARER:
        return ROBOT
    # A browser answers the challenge; a program that has sent a token need not know of it.
    raise HTTPException(401, headers={"WWW-Authenticate": "Negotiate" if token is None else "Bearer"})


Either = Annotated[str, Depends(bearer_or_kerberos)]


@dataclass
class OpenSite:
    """The site.

    Attributes:
        app: the application.
        tickets: the paths of requests that had a ticket.
    """

    app: Any
    tickets: list[str] = field(default_factory=list[str])


def open_site() -> OpenSite:
    """Make the site."""
    app = FastAPI()
    site = OpenSite(app)
    app.add_middleware(SessionMiddleware, secret_key="of this test", same_site="lax")
    init_kerberos(app, hostname=HOSTNAME)

    @app.middleware("http")
    async def note(request: Request, call_next: Any) -> Any:
        if request.headers.get("authorization", "").startswith("Negotiate"):
            site.tickets.append(request.url.path)
        return await call_next(request)

    @app.get("/", response_class=HTMLResponse)
    async def home(user: MaybeUser, request: Request) -> str:
        known = request.session.get("user") if user is None else user.principal
        return HOME.format(user=known)

    @app.get("/sign-in")
    async def sign_in(user: Annotated[Identity, Depends(KerberosIdentity())], request: Request) -> Any:
        request.session["user"] = user.principal
        return RedirectResponse("/", 303)

    @app.api_route("/data", methods=["GET", "POST"], response_class=PlainTextResponse)
    async def data(user: Either) -> str:
        return user

    return site
