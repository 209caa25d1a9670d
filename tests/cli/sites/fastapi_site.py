"""FastAPI: dependencies of routes, routers, inclusions and applications."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends, FastAPI, Request, WebSocket
from fastapi.responses import PlainTextResponse
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer

from async_kerberos.adapters.fastapi import KerberosIdentity, KerberosMiddleware, init_kerberos, requires_authentication

from ...support import HOSTNAME

app = FastAPI()
init_kerberos(app, hostname=HOSTNAME)

signed_in = Depends(KerberosIdentity())


class OwnIdentity(KerberosIdentity):
    async def __call__(self, connection: Any, response: Any) -> Any:
        return None


class Timed(APIRoute):
    def get_route_handler(self) -> Any:
        async def handle(request: Request) -> PlainTextResponse:
            return PlainTextResponse("open")

        return handle


def user_of(identity: Any = signed_in) -> str:
    return str(identity.principal)


@requires_authentication
def decorated_dependency(user: str, request: Request) -> str:
    return user


def overridden(identity: Any = signed_in) -> str:
    return str(identity.principal)


app.dependency_overrides[overridden] = lambda: "open"


def answer(*_: object) -> str:
    return "in"


def add(path: str, dependency: Any, **options: Any) -> None:
    def view(_: Any = Depends(dependency)) -> str:
        return "in"

    app.add_api_route(path, view, **options)


add("/identity", KerberosIdentity())
add("/optional", KerberosIdentity(optional=True))
add("/nested", user_of, methods=["GET", "POST"])
add("/decorated-dependency", decorated_dependency)
add("/overridden", overridden)
add("/own-identity", OwnIdentity())
add("/bearer", HTTPBearer(auto_error=False))


@app.get("/plain")
def plain() -> str:
    return "open"


@app.get("/decorated/{number}")
@requires_authentication
async def decorated(user: str, request: Request, number: int) -> str:
    return user


@app.get("/several")
def several(user: Any = Depends(KerberosIdentity(optional=True)), again: Any = signed_in) -> str:
    return "in"


def router(**options: Any) -> APIRouter:
    made = APIRouter(**options)
    made.add_api_route("/view", plain)

    @made.websocket("/ws")
    async def ws(websocket: WebSocket) -> None:
        await websocket.accept()

    made.add_route("/function", lambda request: PlainTextResponse("open"))
    return made


nesting = APIRouter()
nesting.include_router(router(), prefix="/deep")

app.include_router(router(dependencies=[signed_in]), prefix="/router")
app.include_router(router(), prefix="/included", dependencies=[signed_in])
app.include_router(router(), prefix="/open-router")
app.include_router(nesting, prefix="/nesting", dependencies=[signed_in])
app.include_router(router(route_class=Timed, dependencies=[signed_in]), prefix="/timed")

depending = FastAPI(dependencies=[signed_in], openapi_url=None)
depending.add_api_route("/view", plain)
app.mount("/depending", depending)

behind = FastAPI(redoc_url=None)
behind.add_middleware(KerberosMiddleware, exempt=["/view"])
behind.add_api_route("/view", plain)
app.mount("/behind", behind)

FOUND = {
    ("/openapi.json", "GET"): "open",
    ("/docs", "GET"): "open",
    ("/docs/oauth2-redirect", "GET"): "open",
    ("/redoc", "GET"): "open",
    ("/identity", "GET"): "protected",
    ("/optional", "GET"): "optional",
    ("/nested", "GET"): "protected",
    ("/nested", "POST"): "protected",
    ("/decorated-dependency", "GET"): "protected",
    ("/overridden", "GET"): "unknown",
    ("/own-identity", "GET"): "unknown",
    ("/bearer", "GET"): "open",
    ("/plain", "GET"): "open",
    ("/decorated/{number}", "GET"): "protected",
    ("/several", "GET"): "protected",
    ("/router/view", "GET"): "protected",
    ("/router/ws", "ws"): "protected",
    ("/router/function", "GET"): "open",
    ("/included/view", "GET"): "protected",
    ("/included/ws", "ws"): "protected",
    ("/included/function", "GET"): "open",
    ("/open-router/view", "GET"): "open",
    ("/open-router/ws", "ws"): "open",
    ("/open-router/function", "GET"): "open",
    ("/nesting/deep/view", "GET"): "protected",
    ("/nesting/deep/ws", "ws"): "protected",
    ("/nesting/deep/function", "GET"): "open",
    ("/timed/view", "GET"): "unknown",
    ("/timed/ws", "ws"): "protected",
    ("/timed/function", "GET"): "open",
    ("/depending/view", "GET"): "protected",
    ("/behind/openapi.json", "GET"): "protected",
    ("/behind/docs", "GET"): "protected",
    ("/behind/docs/oauth2-redirect", "GET"): "protected",
    ("/behind/view", "GET"): "exempt",
}
