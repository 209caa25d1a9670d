"""The contract's application on FastAPI: the dependency."""

# No `from __future__ import annotations`: FastAPI resolves names in a module, and these are in a function.

import json
from collections.abc import AsyncIterator, Callable
from typing import Annotated, Any

from fastapi import Depends, FastAPI, HTTPException, Request, WebSocket
from fastapi.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response, StreamingResponse

from async_kerberos import Identity
from async_kerberos.adapters.fastapi import KerberosIdentity, init_kerberos

from . import OWN_CHALLENGE, OWN_HEADERS, Options, TeapotError, facts, pieces, who_it_is

User = Annotated[Identity, Depends(KerberosIdentity())]
MaybeUser = Annotated[Identity | None, Depends(KerberosIdentity(optional=True))]


def hello(identity: Identity) -> Response:
    return PlainTextResponse(identity.principal)


def stream(identity: Identity) -> Response:
    async def produce() -> AsyncIterator[bytes]:
        for piece in pieces(identity.principal):
            yield piece

    return StreamingResponse(produce(), media_type="text/plain")


def redirected(identity: Identity) -> Response:
    return RedirectResponse("/hello", 302)


def missing(identity: Identity) -> Response:
    raise HTTPException(404)


def teapot(identity: Identity) -> Response:
    raise TeapotError


def both(identity: Identity) -> Response:
    return PlainTextResponse(identity.principal, headers=OWN_HEADERS)


def again(identity: Identity) -> Response:
    return PlainTextResponse("again", 401, headers={"WWW-Authenticate": OWN_CHALLENGE})


def raised_again(identity: Identity) -> Response:
    raise HTTPException(401, headers={"WWW-Authenticate": OWN_CHALLENGE})


ACTIONS: dict[str, Callable[[Identity], Response]] = {
    "/stream": stream,
    "/redirect": redirected,
    "/missing": missing,
    "/teapot": teapot,
    "/both": both,
    "/again": again,
    "/raised-again": raised_again,
}


def build(options: Options | None, *, asynchronous: bool) -> Any:
    """The application: its path operations async or sync, configured or not."""
    app = FastAPI()
    if options is not None:
        init_kerberos(app, **options)

    def add(path: str, action: Callable[[Identity], Response], methods: list[str]) -> None:
        def view(identity: User) -> Response:
            return action(identity)

        async def async_view(identity: User) -> Response:
            return action(identity)

        app.add_api_route(path, async_view if asynchronous else view, methods=methods, response_model=None)

    add("/hello", hello, ["GET", "HEAD", "POST", "OPTIONS"])
    for path, action in ACTIONS.items():
        add(path, action, ["GET"])

    def who(identity: User, request: Request) -> dict[str, str]:
        # Encoded by FastAPI, not here: the response is made after the dependency has ended.
        return {
            "user": identity.principal,
            **facts(identity),
            "scope": request.scope["kerberos"].principal,
        }

    app.add_api_route("/who", who)

    async def echo(identity: User, request: Request) -> Response:
        return Response(await request.body())

    app.add_api_route("/echo", echo, methods=["POST"], response_model=None)

    def maybe(identity: MaybeUser, request: Request) -> Response:
        return PlainTextResponse(who_it_is(identity, request.scope["kerberos"]))

    async def maybe_async(identity: MaybeUser, request: Request) -> Response:
        return maybe(identity, request)

    async def ws_maybe(websocket: WebSocket, identity: MaybeUser) -> None:
        await websocket.accept()
        await websocket.send_text(who_it_is(identity, websocket.scope["kerberos"]))
        await websocket.close()

    app.add_api_route("/maybe", maybe_async if asynchronous else maybe, methods=["GET", "POST"], response_model=None)

    async def ws(websocket: WebSocket, identity: User) -> None:
        await websocket.accept()
        await websocket.send_text(identity.principal)
        await websocket.close()

    async def ws_own(websocket: WebSocket, identity: User) -> None:
        await websocket.accept(headers=[(b"www-authenticate", OWN_CHALLENGE.encode()), (b"x-own", b"yes")])
        await websocket.send_text(identity.principal)
        await websocket.close()

    async def ws_who(websocket: WebSocket, identity: User) -> None:
        await websocket.accept()
        places = {"user": identity.principal, **facts(identity)}
        await websocket.send_text(json.dumps({**places, "scope": websocket.scope["kerberos"].principal}))
        await websocket.close()

    for path, endpoint in {"/ws": ws, "/ws-own": ws_own, "/ws-who": ws_who, "/ws-maybe": ws_maybe}.items():
        app.add_api_websocket_route(path, endpoint)

    async def answer_teapot(request: Request, error: Exception) -> Response:
        return JSONResponse("teapot", 418)

    app.add_exception_handler(TeapotError, answer_teapot)
    return app
