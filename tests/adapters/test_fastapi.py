"""FastAPI: the dependency on routes, routers and WebSockets, the OpenAPI document, and decorated routes."""

from __future__ import annotations

import contextlib
import enum
import functools
import inspect
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, get_type_hints

import anyio
import pytest
from fastapi import APIRouter, Body, Depends, FastAPI, HTTPException, Query, Request, Response, Security, WebSocket
from fastapi.exceptions import FastAPIError
from fastapi.requests import HTTPConnection
from fastapi.responses import PlainTextResponse, RedirectResponse, StreamingResponse

import async_kerberos
from async_kerberos import Identity, Kerberos, KerberosOptions, Outcome, Reason
from async_kerberos.adapters import asgi, starlette
from async_kerberos.adapters import fastapi as fastapi_adapter
from async_kerberos.adapters.fastapi import KerberosIdentity, init_kerberos, requires_authentication

from ..support.initiator import Initiator, fresh, reply_token
from .decorators import passing_on, passing_on_sync, taking_off
from .support import HOST, SECOND, ask, check, converse

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
    """A dependency may have its own service."""

    @app.get("/")
    async def view(identity: Identity = Depends(KerberosIdentity(Kerberos(hostname=SECOND)))) -> Any:
        return PlainTextResponse(identity.principal)

    check(app, "/", user, host=SECOND)
    assert ask(app, "/", fresh()).status == 403


INTRANET = 'Basic realm="intranet"'


@pytest.mark.parametrize("init", [True, False])
def test_several_challenges(init: bool) -> None:
    """Each challenge is a field of its own: Chromium reads no second one in a field."""
    app = FastAPI()
    kerberos = Kerberos(hostname=HOST, other_challenges=[INTRANET])
    if init:
        init_kerberos(app, hostname=HOST, other_challenges=[INTRANET])

    @app.get("/")
    async def view(identity: Identity = Depends(KerberosIdentity(None if init else kerberos))) -> Any: ...

    assert ask(app, "/").challenges == ["Negotiate", INTRANET]


def test_refusal_that_is_recovered_from(app: FastAPI, user: str) -> None:
    """Of a refusal that a route catches, and answers by another check, nothing is left on an error of its own."""
    second, first = KerberosIdentity(Kerberos(hostname=SECOND)), KerberosIdentity()

    @app.get("/either")
    async def either(request: Request, response: Response) -> None:
        with contextlib.suppress(HTTPException):
            await second(request, response)
        await first(request, response)
        raise HTTPException(401)

    answer = ask(app, "/either", fresh())
    assert (answer.status, answer.challenges) == (401, [])
    assert ask(app, "/either").challenges == ["Negotiate"]


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


def test_own_handler_of_http_errors(app: FastAPI, user: str) -> None:
    """A handler of all HTTP errors is not asked: the denial is no error of the application's."""

    @app.exception_handler(HTTPException)
    async def handle(request: Request, error: HTTPException) -> Any:
        raise AssertionError(error)

    @app.get("/")
    async def view(identity: Identity = SIGNED_IN) -> Any:
        return PlainTextResponse(identity.principal)

    answer = ask(app, "/")
    assert (answer.status, answer.text, answer.challenges) == (401, '{"detail":"Unauthorized"}', ["Negotiate"])
    check(app, "/", user)


REMEDY = r"write Depends\(KerberosIdentity\(\)\)"

PUBLIC = {
    name: getattr(module, name)
    for module in (async_kerberos, asgi, starlette, fastapi_adapter)
    for name in module.__all__
}
CLASSES: dict[str, type[Any]] = {
    name: public
    for name, public in PUBLIC.items()
    if isinstance(public, type) and not issubclass(public, (dict, enum.Enum))
}


def declared(annotation: Any, default: Any = inspect.Parameter.empty) -> Any:
    """A view with one parameter."""

    def view(parameter: Any) -> Any:
        raise AssertionError(parameter)

    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    parameter = inspect.Parameter("parameter", kind, annotation=annotation, default=default)
    view.__signature__ = inspect.Signature([parameter])  # type: ignore[attr-defined] # inspect looks for it
    return view


AS_A_DEPENDENCY: list[Callable[[Any], object]] = [
    lambda public: FastAPI().get("/")(declared(Any, Depends(public))),
    lambda public: FastAPI().get("/")(declared(public, Depends())),
    lambda public: FastAPI().get("/")(declared(Annotated[public, Depends()])),
    lambda public: FastAPI().get("/")(declared(Any, Security(public))),
    lambda public: FastAPI().get("/", dependencies=[Depends(public)])(print),
    lambda public: APIRouter(dependencies=[Depends(public)]).get("/")(print),
    lambda public: FastAPI(dependencies=[Depends(public)]).get("/")(print),
    lambda public: FastAPI().get("/")(declared(Any, Depends(declared(Any, Depends(public))))),
    lambda public: FastAPI().websocket("/")(declared(Any, Depends(public))),
]
AS_A_VALUE: list[Callable[[Any], object]] = [
    lambda public: FastAPI().post("/")(declared(public)),
    lambda public: FastAPI().post("/")(declared(list.__class_getitem__(public))),
    lambda public: FastAPI().websocket("/")(declared(public)),
    lambda public: FastAPI().get("/")(declared(Annotated[public, Query()])),
    lambda public: FastAPI().post("/")(declared(Annotated[public, Body()])),
    lambda public: FastAPI().get("/", response_model=public)(lambda: None),
]


@pytest.mark.parametrize("public", CLASSES.values(), ids=CLASSES)
def test_nobody_is_made_of_a_request(public: Any) -> None:
    """No public class is a parameter, a dependency, a body or a response: the declaration says what to write."""
    for declare in (*AS_A_DEPENDENCY, *AS_A_VALUE):
        with pytest.raises(TypeError, match=REMEDY):
            declare(public)


@pytest.mark.parametrize("declare", AS_A_DEPENDENCY)
def test_decorator_in_place_of_the_dependency(declare: Callable[[Any], object]) -> None:
    """``Depends(requires_authentication)`` would leave a route open: it is refused as well."""
    with pytest.raises(TypeError, match=REMEDY):
        declare(requires_authentication)
    with pytest.raises(FastAPIError):
        declare(init_kerberos)


@pytest.mark.parametrize("declare", AS_A_VALUE)
@pytest.mark.parametrize("public", [KerberosOptions, Outcome])
def test_made_of_such_classes(public: Any, declare: Callable[[Any], object]) -> None:
    """The options, whose limits are such classes, and a union of them are refused with them."""
    with pytest.raises(Exception, match=rf"{REMEDY}|TypedDict|KerberosOptions"):  # the latter before Python 3.12
        declare(public)


def test_return_annotation(app: FastAPI) -> None:
    """``-> Identity`` makes a response model, and is refused; without one, the route returns what it likes of it."""
    with pytest.raises(TypeError, match="return what the client is to know"):

        @app.get("/")
        async def view(user: Any = SIGNED_IN) -> Identity:
            return user  # type: ignore[no-any-return]


def test_reasons_are_values(app: FastAPI) -> None:
    """A ``Reason`` says of nobody who it is: a page for operators may take one from a query, and answer with one."""

    @app.get("/denials")
    async def denials(reason: Reason) -> Reason:
        return reason

    assert ask(app, "/denials?reason=replay").text == '"replay"'
    assert ask(app, "/denials?reason=whatever").status == 422


def test_signatures_are_shown() -> None:
    """For people and their tools the classes have the signatures of their constructors; an instance has its own."""

    @dataclass(frozen=True)
    class Employee(Identity):
        room: str = ""

    assert {*inspect.signature(Employee).parameters} == {*inspect.signature(Identity).parameters, "room"}
    with pytest.raises(TypeError, match=f"Employee.*{REMEDY}"):
        FastAPI().get("/")(declared(Any, Depends(Employee)))
    principal, service_principal, *_ = inspect.signature(Identity).parameters.values()
    assert get_type_hints(Identity.__init__)["principal"] is str
    assert (principal.name, principal.annotation.__origin__) == ("principal", str)
    assert (service_principal.annotation, service_principal.default) == (str, "")
    assert "never sent by a client" in str(principal)
    assert list(inspect.signature(KerberosIdentity()).parameters) == ["connection", "response"]


def test_decorated_dependency(app: FastAPI, user: str) -> None:
    """A decorated function may be a dependency: what it answers to a stranger is no user, and no route runs."""

    @requires_authentication
    async def current(user: str, connection: HTTPConnection) -> str:
        return user

    @requires_authentication
    def current_sync(user: str, request: Request) -> str:
        return user

    dependencies: list[Any] = [current, current_sync]
    for number, dependency in enumerate(dependencies):

        @app.get(f"/{number}")
        async def view(user: str = Depends(dependency)) -> Any:
            return PlainTextResponse(user)

        check(app, f"/{number}", user)

    @app.websocket("/websocket")
    @app.websocket("/")
    async def talk(websocket: WebSocket, user: str = Depends(current)) -> None:
        await websocket.accept()
        await websocket.send_text(user)

    (closed,) = anyio.run(converse, app, None)
    assert (closed["type"], closed["code"]) == ("websocket.close", 1008)
    assert anyio.run(converse, app, None, "/websocket")[0]["status"] == 401
    assert anyio.run(converse, app, fresh())[1]["text"] == user


def taking_off_first(view: Any) -> Any:
    @functools.wraps(view)
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        return f"{args[0]} {await view(*args[1:], **kwargs)}"

    return wrapper


@pytest.mark.parametrize("decorator", [taking_off, taking_off_first, passing_on, passing_on_sync])
def test_own_decorators(app: FastAPI, user: str, decorator: Any) -> None:
    """A decorator below ours may take the user off or pass it on: FastAPI sees the view's other parameters."""

    async def without_user(request: Request, number: int) -> str:
        return str(number + 1)

    async def with_user(user: str, request: Request, number: int) -> str:
        return f"{user} {number + 1}"

    view = with_user if decorator in (passing_on, passing_on_sync) else without_user
    app.get("/items/{number}")(requires_authentication(decorator(view)))
    parameters = app.openapi()["paths"]["/items/{number}"]["get"]["parameters"]
    assert [parameter["name"] for parameter in parameters] == ["number"]
    check(app, "/items/7", f'"{user} 8"')
