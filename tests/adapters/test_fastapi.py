"""FastAPI: the dependency on routes, routers and WebSockets, the OpenAPI document, and decorated routes."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request
from fastapi.exceptions import FastAPIError
from fastapi.responses import PlainTextResponse, RedirectResponse, StreamingResponse

from async_kerberos import Identity, Kerberos
from async_kerberos.adapters.fastapi import KerberosIdentity, init_kerberos, requires_authentication

from ..support.initiator import Initiator, fresh, reply_token
from .support import HOST, SECOND, ask, check

SIGNED_IN = Depends(KerberosIdentity())


@pytest.fixture
def app() -> FastAPI:
    app = FastAPI()
    init_kerberos(app, hostname=HOST)
    return app


def test_route(app: FastAPI, user: str) -> None:
    """A route that depends on the identity gets it, async and sync."""

    @app.get("/async")
    async def asynchronous(identity: Identity = SIGNED_IN) -> Any:
        return PlainTextResponse(identity.principal)

    @app.get("/sync")
    def sync(identity: Identity = SIGNED_IN) -> Any:
        assert threading.current_thread() is not threading.main_thread()
        return PlainTextResponse(identity.principal)

    check(app, "/async", user)
    check(app, "/sync", user)


def test_router(app: FastAPI, user: str) -> None:
    """Among a router's dependencies it guards all its routes; several on one request take one step together."""
    router = APIRouter(dependencies=[SIGNED_IN])

    @router.get("/router")
    async def view(request: Request, identity: Identity = Depends(KerberosIdentity())) -> Any:
        assert request.scope["kerberos"] == identity
        return PlainTextResponse(identity.principal)

    app.include_router(router)
    check(app, "/router", user)


def returned(user: str) -> Any:
    return user


def streamed(user: str) -> Any:
    return StreamingResponse(iter([user]))


def redirected(user: str) -> Any:
    return RedirectResponse("/elsewhere")


def raised(user: str) -> Any:
    raise HTTPException(404)


@pytest.mark.parametrize(("answer", "status"), [(returned, 200), (streamed, 200), (redirected, 307), (raised, 404)])
def test_every_response_carries_the_reply(app: FastAPI, user: str, answer: Any, status: int) -> None:
    """JSON, streams, redirects and errors prove the server, which headers on FastAPI's own ``Response`` would not."""

    @app.get("/")
    async def view(identity: Identity = SIGNED_IN) -> Any:
        return answer(identity.principal)

    initiator = Initiator()
    response = ask(app, "/", initiator.header)
    assert response.status == status
    assert len(response.challenges) == 1
    initiator.verify(reply_token(response.challenges))


def test_without_init(user: str) -> None:
    """Without ``init_kerberos``, what FastAPI makes of a returned value carries the reply."""
    app = FastAPI()

    @app.get("/")
    async def view(identity: Identity = Depends(KerberosIdentity(Kerberos(hostname=HOST)))) -> Any:
        return identity.principal

    initiator = Initiator()
    answer = ask(app, "/", initiator.header)
    initiator.verify(reply_token(answer.challenges))


def test_own_service(app: FastAPI, user: str) -> None:
    """A dependency may have a service of its own."""

    @app.get("/")
    async def view(identity: Identity = Depends(KerberosIdentity(Kerberos(hostname=SECOND)))) -> Any:
        return PlainTextResponse(identity.principal)

    check(app, "/", user, host=SECOND)
    assert ask(app, "/", fresh()).status == 403


def test_several_challenges(user: str) -> None:
    """Where other schemes are offered too, the one header field has all challenges."""
    app = FastAPI()
    init_kerberos(app, hostname=HOST, other_challenges=['Basic realm="intranet"'])

    @app.get("/")
    async def view(identity: Identity = SIGNED_IN) -> Any: ...

    assert ask(app, "/").challenges == ['Negotiate, Basic realm="intranet"']


def test_openapi(app: FastAPI) -> None:
    """The OpenAPI document names the scheme, and the routes that demand it."""

    @app.get("/")
    async def view(identity: Identity = SIGNED_IN) -> Any: ...

    document = app.openapi()
    scheme = document["components"]["securitySchemes"]["Kerberos"]
    assert (scheme["type"], scheme["scheme"]) == ("http", "negotiate")
    operation = document["paths"]["/"]["get"]
    assert operation["security"] == [{"Kerberos": []}]
    assert "parameters" not in operation


def test_decorated_route(app: FastAPI, user: str) -> None:
    """A decorated route has its parameters less the user, whatever the view's module does with annotations."""

    @app.get("/items/{number}")
    @requires_authentication
    async def view(user: str, request: Request, number: int) -> str:
        return f"{user} {number + 1}"

    parameters = app.openapi()["paths"]["/items/{number}"]["get"]["parameters"]
    assert [parameter["name"] for parameter in parameters] == ["number"]
    check(app, "/items/7", f'"{user} 8"')


def test_class_in_place_of_an_instance(app: FastAPI) -> None:
    """``Depends(KerberosIdentity)``, its parentheses forgotten, is refused as the route is declared: it is not open."""
    with pytest.raises(FastAPIError):

        @app.get("/")
        async def view(identity: Any = Depends(KerberosIdentity)) -> Any: ...

    with pytest.raises(FastAPIError):
        FastAPI(dependencies=[Depends(KerberosIdentity)]).add_api_route("/", print)


def test_own_handler_of_http_errors(app: FastAPI, user: str) -> None:
    """A handler that makes its own response of HTTP errors, and drops their headers, does not lose the challenge."""

    @app.exception_handler(HTTPException)
    async def handle(request: Request, error: HTTPException) -> Any:
        return PlainTextResponse("sorry", error.status_code)

    @app.get("/")
    async def view(identity: Identity = SIGNED_IN) -> Any:
        return PlainTextResponse(identity.principal)

    answer = ask(app, "/")
    assert (answer.status, answer.text, answer.challenges) == (401, "sorry", ["Negotiate"])
    check(app, "/", user)


def test_identity_in_place_of_the_dependency(app: FastAPI) -> None:
    """``user: Identity``, its ``Depends`` forgotten, is refused as the route is declared: no client can make one up."""
    with pytest.raises(TypeError, match=r"write Depends\(KerberosIdentity\(\)\)"):

        @app.post("/")
        async def view(user: Identity) -> Any: ...
