"""An intranet of more than 40 routes on Starlette, which had ASGI-GSSAPI before.

    pip install 'async-kerberos[starlette]' uvicorn wsproto
    KRB5_KTNAME=/etc/http.keytab KERBEROS_HOSTNAME=www.example.com python examples/ported_starlette.py
    curl --negotiate -u : --resolve www.example.com:8000:127.0.0.1 http://www.example.com:8000/me

Before, a function said for which requests a ticket is needed, each view compared the user, and WebSockets were open::

    app = SPNEGOAuthMiddleware(
        app,
        hostname="www.example.com",
        auth_required_callback=lambda scope: not scope["path"].startswith("/static/"),
        unauthorized="Ask the helpdesk for a ticket.",
        forbidden="Ask the owner of this section for access.",
    )

    async def salaries(request):
        if request.scope["gssapi"]["principal"] not in ("alice@EXAMPLE.COM", "carol@EXAMPLE.COM"):
            raise HTTPException(403)

Now a function says which requests are exempt; a section says once who may enter it; WebSockets need a ticket as well;
and views find the user in ``request.user``. ``async-kerberos routes`` shows that nothing is open by mistake.

The host name is the one that clients have in their URL, and the keytab must hold its key. Users are of the realm in
``KERBEROS_REALM``, or else of ``EXAMPLE.COM``; others may not enter.
"""

import os
from collections import Counter, defaultdict
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.websockets import WebSocket

from async_kerberos import Access, AuthRequest, Event, Identity, Pages
from async_kerberos.adapters.starlette import KerberosMiddleware, init_kerberos, requires_authentication

REALM = os.environ.get("KERBEROS_REALM", "EXAMPLE.COM")
ADMINISTRATORS = [f"*/admin@{REALM}"]  # everybody who has a principal for this, such as bob/admin
CLERKS = Access(principals=[f"alice@{REALM}", f"carol@{REALM}"])
entries: defaultdict[str, list[dict[str, str]]] = defaultdict(list)
sign_ins: Counter[str] = Counter()


def count(event: Event) -> None:
    """A listener: it is told of each attempt to sign in."""
    sign_ins[event.reason.name if event.reason else event.outcome] += 1


def exempt(request: AuthRequest) -> bool:
    """In place of ``auth_required_callback``, but True lets strangers in. For paths alone, a list of them would do."""
    reads, path = request.method in ("GET", "HEAD"), request.plain_path
    return reads and (path in ("/", "/health") or path.startswith("/static/"))


async def may_write(user: Identity, request: AuthRequest) -> bool:
    """Everybody reads what is of work; alice alone writes. A function of yours may ask a database."""
    return request.method in ("GET", "HEAD") or user.principal == f"alice@{REALM}"


async def list_or_add(request: Request) -> Response:
    known = entries[request.url.path]
    if request.method == "POST":
        known.append({"text": (await request.body()).decode(), "by": request.user.display_name})
        return JSONResponse({"number": len(known)}, 201)
    return JSONResponse(known)


async def entry(request: Request) -> Response:
    kind, _, number = request.url.path.rpartition("/")
    if not 0 < int(number) <= len(entries[kind]):
        raise HTTPException(404)
    return JSONResponse(entries[kind][int(number) - 1])


def section(name: str, access: Access, *kinds: str) -> Mount:
    """All entries of each kind, a new one, and one of them. The application's own ``access`` has to hold as well."""
    lists = [Route(f"/{kind}", list_or_add, methods=["GET", "POST"]) for kind in kinds]
    items = [Route(f"/{kind}/{{number:int}}", entry) for kind in kinds]
    return Mount(f"/{name}", routes=[*lists, *items], middleware=[Middleware(KerberosMiddleware, access=access)])


@requires_authentication(optional=True)
async def home(user: str | None, request: Request) -> Response:
    """For everybody. Browsers bring no ticket unasked, so ``/me`` asks for one."""
    return HTMLResponse(f"Hello, {user}\n" if user else '<a href="/me">Sign in</a>\n')


async def me(request: Request) -> Response:
    identity: Identity = request.user.kerberos_identity
    return JSONResponse({"principal": identity.principal, "name": identity.name, "until": str(identity.until)})


@requires_authentication(principals=ADMINISTRATORS)  # one view
async def counted(user: str, request: Request) -> Response:
    return JSONResponse(sign_ins)


async def health(request: Request) -> Response:
    return PlainTextResponse("well\n")


async def live(websocket: WebSocket) -> None:
    """The middleware guards the handshake, so single messages need no check."""
    await websocket.accept()
    await websocket.send_text(f"Hello, {websocket.user.display_name}")
    await websocket.close()


async def stranger(request: AuthRequest) -> str:
    """In place of ``unauthorized``. Only the body: the challenge is sent whatever is returned here."""
    return "<h1>Sign in</h1><p>Ask the helpdesk for a ticket.</p>\n"


async def denied(request: AuthRequest) -> str:
    """In place of ``forbidden``."""
    return "<h1>No entry</h1><p>Ask the owner of this section for access.</p>\n"


app = Starlette(
    routes=[
        Route("/", home),
        Route("/me", me),
        Route("/health", health),
        Route("/sign-ins", counted),
        WebSocketRoute("/live", live),
        Mount("/static", StaticFiles(directory=Path(__file__).parent / "static")),
        section("work", Access(authorize=may_write), "news", "projects", "documents", "meetings", "rooms", "tasks"),
        section("people", Access(), "employees", "teams", "holidays", "trips"),
        section("payroll", CLERKS, "salaries", "bonuses", "pensions", "expenses", "loans"),
        section("admin", Access(principals=ADMINISTRATORS), "hosts", "accounts", "printers", "backups"),
    ],
    middleware=[Middleware(KerberosMiddleware, exempt=exempt)],
)
init_kerberos(
    app,
    hostname=os.environ.get("KERBEROS_HOSTNAME", "localhost"),
    access=Access(realms=[REALM]),
    pages=Pages(challenge=stranger, denial=denied),
    on_event=count,
)


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(os.environ.get("PORT", "8000")))
