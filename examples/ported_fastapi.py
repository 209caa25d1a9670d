"""An intranet of more than 40 routes on FastAPI, which had fastapi-spnego before.

    pip install 'async-kerberos[fastapi]' uvicorn
    KRB5_KTNAME=/etc/http.keytab KERBEROS_HOSTNAME=www.example.com python examples/ported_fastapi.py
    curl --negotiate -u : --resolve www.example.com:8000:127.0.0.1 http://www.example.com:8000/me

Before, ``/health`` excluded ``/healthcare`` too, WebSockets were open, and users of each realm entered::

    app.add_middleware(SpnegoMiddleware, exclude_paths=["/health", "/static/"])

    spnego = SpnegoAuth()
    perhaps = SpnegoAuth(config=SpnegoConfig(auto_error=False))

    @app.get("/payroll/salaries")
    def salaries(identity: SpnegoIdentity = Depends(spnego)):
        if identity.principal not in ("alice@EXAMPLE.COM", "carol@EXAMPLE.COM"):
            raise HTTPException(403)

    @app.get("/me")
    def me(identity: SpnegoIdentity = Depends(spnego)):
        return {"name": identity.username, "seconds": identity.extra["ticket_lifetime"]}

Now ``/health`` is one path; a router says once who may enter; WebSockets and ``/docs`` need a ticket as well.
``async-kerberos routes`` shows that nothing is open by mistake.

The host name is the one that clients have in their URL, and the keytab must hold its key. Users are of the realm in
``KERBEROS_REALM``, or else of ``EXAMPLE.COM``; others may not enter.
"""

import os
from collections import Counter, defaultdict
from datetime import datetime
from pathlib import Path
from typing import Annotated

import uvicorn
from fastapi import APIRouter, Body, Depends, FastAPI, HTTPException, Request, Response
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles

from async_kerberos import Access, AuthRequest, Event, Identity
from async_kerberos.adapters.fastapi import KerberosIdentity, KerberosMiddleware, init_kerberos

REALM = os.environ.get("KERBEROS_REALM", "EXAMPLE.COM")
entries: defaultdict[str, list[dict[str, str]]] = defaultdict(list)
sign_ins: Counter[str] = Counter()


def count(event: Event) -> None:
    """A listener: it is told of each attempt to sign in."""
    sign_ins[event.reason.name if event.reason else event.outcome] += 1


async def may_write(user: Identity, request: AuthRequest) -> bool:
    """Everybody reads what is of work; alice alone writes. A function of yours may ask a database."""
    return request.method in ("GET", "HEAD") or user.principal == f"alice@{REALM}"


Somebody = KerberosIdentity()
Colleague = KerberosIdentity(authorize=may_write)
Clerk = KerberosIdentity(principals=[f"alice@{REALM}", f"carol@{REALM}"])
Administrator = KerberosIdentity(principals=[f"*/admin@{REALM}"])

User = Annotated[Identity, Depends(Somebody)]
Guest = Annotated[Identity | None, Depends(KerberosIdentity(optional=True))]


def section(name: str, guard: KerberosIdentity, *kinds: str) -> APIRouter:
    """All entries of each kind, a new one, and one of them."""
    router = APIRouter(prefix=f"/{name}", tags=[name], dependencies=[Depends(guard)])
    for kind in kinds:
        add_kind(router, kind)
    return router


def add_kind(router: APIRouter, kind: str) -> None:
    known = entries[kind]

    @router.get(f"/{kind}")
    async def listed() -> list[dict[str, str]]:
        return known

    @router.post(f"/{kind}", status_code=201)
    async def add(user: User, text: Annotated[str, Body(media_type="text/plain")]) -> dict[str, int]:
        known.append({"text": text, "by": user.principal})
        return {"number": len(known)}

    @router.get(f"/{kind}/{{number}}")
    async def entry(number: int) -> dict[str, str]:
        if not 0 < number <= len(known):
            raise HTTPException(404)
        return known[number - 1]


app = FastAPI(title="Intranet")


@app.get("/")
async def home(user: Guest) -> HTMLResponse:
    """For everybody, in place of ``auto_error=False``. Browsers bring no ticket unasked, so ``/me`` asks for one."""
    return HTMLResponse(f"Hello, {user}\n" if user else '<a href="/me">Sign in</a>\n')


@app.get("/me")
async def me(user: User) -> dict[str, str | datetime | None]:
    """In place of the ``ticket_lifetime``: when the ticket ends."""
    return {"principal": user.principal, "name": user.name, "until": user.until}


@app.get("/sign-ins", dependencies=[Depends(Administrator)])
async def counted() -> dict[str, int]:
    return sign_ins


@app.get("/health")
async def health() -> str:
    return "well"


@app.exception_handler(401)
async def stranger(request: Request, error: Exception) -> Response:
    """Only the body counts: the challenge is sent whatever is returned here."""
    return HTMLResponse("<h1>Sign in</h1><p>Ask the helpdesk for a ticket.</p>\n")


@app.exception_handler(403)
async def denied(request: Request, error: Exception) -> Response:
    return HTMLResponse("<h1>No entry</h1><p>Ask the owner of this section for access.</p>\n")


app.include_router(section("work", Colleague, "news", "projects", "documents", "meetings", "rooms"))
app.include_router(section("people", Somebody, "employees", "teams", "holidays"))
app.include_router(section("payroll", Clerk, "salaries", "bonuses", "pensions"))
app.include_router(section("admin", Administrator, "hosts", "accounts"))
app.mount("/static", StaticFiles(directory=Path(__file__).parent / "static"))

init_kerberos(
    app,
    hostname=os.environ.get("KERBEROS_HOSTNAME", "localhost"),
    access=Access(realms=[REALM]),
    on_event=count,
)
app.add_middleware(KerberosMiddleware, exempt=["/", "/health", "/static/*"])


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(os.environ.get("PORT", "8000")))
