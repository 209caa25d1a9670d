"""Starlette: sign in with Kerberos, and the user as Starlette knows users.

    pip install 'async-kerberos[starlette]' uvicorn
    KRB5_KTNAME=/etc/http.keytab KERBEROS_HOSTNAME=www.example.com python examples/starlette_app.py
    curl --negotiate -u : --resolve www.example.com:8000:127.0.0.1 http://www.example.com:8000/

The host name is the one that clients have in their URL: they ask the KDC for a ticket for ``HTTP/`` and that name, and
the keytab must hold its key. The example listens on this machine only, so ``--resolve`` sends curl there. If you have
no realm, ``async-kerberos demo starlette`` starts a throwaway one.
"""

import os

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route

from async_kerberos import Identity
from async_kerberos.adapters.starlette import init_kerberos, requires_authentication


@requires_authentication
async def hello(user: str, request: Request) -> PlainTextResponse:
    return PlainTextResponse(f"Hello, {user}\n")


async def public(request: Request) -> PlainTextResponse:
    return PlainTextResponse("Everybody may read this.\n")


@requires_authentication
def me(user: str, request: Request) -> JSONResponse:
    """``request.user`` is the signed-in user; this view is not async, so Starlette calls it on a thread."""
    identity: Identity = request.user.kerberos_identity
    return JSONResponse({"display_name": request.user.display_name, "name": identity.name, "realm": identity.realm})


@requires_authentication
async def missing(user: str, request: Request) -> PlainTextResponse:
    """The server proves its own identity on errors too: the 404 carries the reply that clients verify."""
    raise HTTPException(404, f"nothing here for {user}\n")


app = Starlette(
    routes=[
        Route("/", hello),
        Route("/public", public),
        Route("/me", me),
        Route("/missing", missing),
    ]
)
init_kerberos(app, hostname=os.environ.get("KERBEROS_HOSTNAME", "localhost"))


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(os.environ.get("PORT", "8000")))
