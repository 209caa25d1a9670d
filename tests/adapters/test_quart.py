"""Quart: where the decorator can stand, and what the view finds. (WebSockets on real servers are the contract's.)"""

from __future__ import annotations

from typing import Any, ClassVar

import anyio
import pytest
from quart import Blueprint, Quart, Response, g, request, websocket
from quart.testing import WebsocketResponseError
from quart.views import MethodView

from async_kerberos import Kerberos
from async_kerberos.adapters.asgi import KerberosMiddleware
from async_kerberos.adapters.quart import init_kerberos, requires_authentication

from ..support.initiator import Initiator, fresh, reply_token
from .decorators import passing_on, taking_off
from .support import HOST, SECOND, ask, check, converse


def say_nothing(user: str) -> None: ...


@pytest.fixture
def app() -> Quart:
    app = Quart(__name__)
    init_kerberos(app, hostname=HOST)
    return app


def test_function(app: Quart, user: str) -> None:
    """The decorator takes functions, async and sync, bare, with parentheses and with their own Kerberos."""

    @app.get("/bare")
    @requires_authentication
    async def bare(user: str) -> str:
        return user

    @app.get("/sync/<int:number>")
    @requires_authentication()
    def sync(user: str, number: int) -> str:
        return f"{user}{number}"

    @app.get("/own")
    @requires_authentication(kerberos=Kerberos(hostname=SECOND))
    async def own(user: str) -> str:
        return user

    check(app, "/bare", user)
    check(app, "/sync/7", f"{user}7")
    check(app, "/own", user, host=SECOND)
    assert ask(app, "/own", fresh()).status == 403


def test_method_view(app: Quart, user: str) -> None:
    """Methods of a ``MethodView`` can be decorated, and all of them together by ``decorators``."""

    class Methods(MethodView):
        @requires_authentication
        async def get(self, user: str, number: int) -> str:
            return f"{user}{number}{type(self).__name__}"

        @requires_authentication
        def post(self, user: str, number: int) -> str:
            return f"{user}{number}"

    class Decorated(MethodView):
        decorators: ClassVar[list[Any]] = [requires_authentication]

        async def get(self, user: str, number: int) -> str:
            return f"{user}{number}"

    app.add_url_rule("/methods/<int:number>", view_func=Methods.as_view("methods"))
    app.add_url_rule("/decorated/<int:number>", view_func=Decorated.as_view("decorated"))
    check(app, "/methods/7", f"{user}7Methods")
    check(app, "/methods/7", f"{user}7", method="POST")
    check(app, "/decorated/7", f"{user}7")


def test_before_request(app: Quart, user: str) -> None:
    """As a ``before_request`` of the application or a blueprint it guards all of it; a view inside takes no step."""
    blueprint = Blueprint("part", __name__, url_prefix="/part")

    @blueprint.before_request
    @requires_authentication
    async def guard(user: str) -> None:
        g.guarded = user

    @blueprint.get("/guarded")
    async def guarded() -> str:
        return str(g.guarded)

    @blueprint.get("/twice")
    @requires_authentication
    async def twice(user: str) -> str:
        return user

    @app.get("/open")
    async def open_view() -> str:
        return "open"

    app.register_blueprint(blueprint)
    check(app, "/part/guarded", user)
    check(app, "/part/twice", user)
    assert ask(app, "/open").text == "open"
    app.before_request(requires_authentication(say_nothing))
    assert ask(app, "/open").status == 401
    check(app, "/open", "open")


def test_sync_function_on_the_loop(app: Quart, user: str) -> None:
    """An async hook that calls a decorated sync function directly lets nobody in, and the loop does not wait."""

    @requires_authentication
    def sign_in(user: str) -> None: ...

    @app.before_request
    async def guard() -> Any:
        with pytest.raises(RuntimeError, match=r"sign_in is sync and was called on the event loop.* make it async"):
            sign_in()
        return sign_in()

    @app.get("/")
    async def view() -> str:
        raise AssertionError

    assert ask(app, "/", fresh()).status == 500
    app.before_request_funcs[None].remove(guard)
    app.before_request(sign_in)  # Quart itself calls it on a thread
    app.add_url_rule("/open", "open", lambda: "open")
    check(app, "/open", "open")


def test_own_decorators(app: Quart, user: str) -> None:
    """A decorator below ours may take the user off or pass it on, and stand in a class."""

    async def without_user(number: int) -> str:
        return str(number)

    async def with_user(user: str, number: int) -> str:
        return f"{user} {number}"

    class Methods(MethodView):
        @requires_authentication
        @passing_on
        async def get(this, principal: str, number: int) -> str:  # noqa: N805 - it need not be called self
            return f"{principal} {number} {type(this).__name__}"

        @requires_authentication
        def post(this, principal: str, number: int) -> str:  # noqa: N805
            return f"{principal} {number} {type(this).__name__}"

    views: list[Any] = [
        requires_authentication(taking_off(without_user)),
        requires_authentication(passing_on(with_user)),
    ]
    for path, view in zip(("/off", "/on"), views, strict=True):
        app.add_url_rule(f"{path}/<int:number>", path[1:], view)
    app.add_url_rule("/methods/<int:number>", view_func=Methods.as_view("methods"))
    for path in ("/off", "/on"):
        check(app, f"{path}/7", f"{user} 7")
    check(app, "/methods/7", f"{user} 7 Methods")
    check(app, "/methods/7", f"{user} 7 Methods", method="POST")


@pytest.mark.asyncio
@pytest.mark.parametrize("guards", ["view", "application", "blueprint", "both"])
async def test_websocket(app: Quart, user: str, guards: str) -> None:
    """A WebSocket is guarded by its view, or by ``before_websocket`` of the application or a blueprint."""
    blueprint = Blueprint("part", __name__)

    async def guard(user: str) -> None:
        g.guarded = user

    async def talk(*users: str) -> None:
        await websocket.send(users[0] if users else g.guarded)

    view: Any = requires_authentication(talk) if guards in ("view", "both") else talk
    blueprint.websocket("/talk")(view)
    if guards in ("blueprint", "both"):
        blueprint.before_websocket(requires_authentication(guard))
    if guards == "application":
        app.before_websocket(requires_authentication(guard))
    app.register_blueprint(blueprint)

    client: Any = app.test_client()
    with pytest.raises(WebsocketResponseError) as refused:
        async with client.websocket("/talk") as connection:
            await connection.receive()
    assert refused.value.response.status_code == 401
    assert refused.value.response.headers.getlist("WWW-Authenticate") == ["Negotiate"]
    initiator = Initiator()
    async with client.websocket("/talk", headers={"Authorization": initiator.header}) as connection:
        assert await connection.receive() == user


def test_websocket_without_init(user: str) -> None:
    """Without ``init_kerberos`` an accepted WebSocket, or a response in its place, carries the reply; no 401 does."""
    app = Quart(__name__)
    decorate = requires_authentication(kerberos=Kerberos(hostname=HOST))

    @app.websocket("/")
    @decorate
    async def talk(user: str) -> None:
        connection: Any = websocket
        await connection.accept(headers={"X-Own": "kept"})
        await websocket.send(user)

    @app.websocket("/<int:status>")
    @decorate
    async def refuse(user: str, status: int) -> tuple[str, int]:
        return "no", status

    def replies(message: Any) -> list[str]:
        return [value.decode() for name, value in message["headers"] if name == b"www-authenticate"]

    initiator = Initiator()
    accept, text, *_ = anyio.run(converse, app, initiator.header, "/", False)
    initiator.verify(reply_token(replies(accept)))
    assert (b"x-own", b"kept") in accept["headers"]
    assert text["text"] == user
    initiator = Initiator()
    start = anyio.run(converse, app, initiator.header, "/403", False)[0]
    assert start["status"] == 403
    initiator.verify(reply_token(replies(start)))
    assert replies(anyio.run(converse, app, fresh(), "/401", False)[0]) == []


def test_application_that_goes_on(user: str) -> None:
    """Without init_kerberos, a view that calls a protected one, and goes on without it, still gets the body."""
    app = Quart(__name__)

    @requires_authentication(kerberos=Kerberos(hostname=HOST))
    async def protected(user: str) -> str:
        return user

    @app.post("/")
    async def view() -> str:
        answer: Any = await protected()
        return answer if isinstance(answer, str) else f"{answer.status_code} {len(await request.get_data())}"

    async def post() -> Any:
        return await app.test_client().post("/", data=bytes(1000), headers={"Content-Length": "1000"})

    response = anyio.run(post)
    assert response.status_code == 200
    assert anyio.run(response.get_data) == b"401 1000"


def test_several_checks_without_init(user: str) -> None:
    """Without ``init_kerberos``, a hook and a view that both check add the reply, and what caches are told, once."""
    app = Quart(__name__)
    decorate = requires_authentication(kerberos=Kerberos(hostname=HOST))

    async def guard(user: str) -> None:
        return None

    app.before_request(decorate(guard))
    app.before_websocket(decorate(guard))

    @app.get("/")
    @decorate
    async def view(user: str) -> str:
        return user

    @app.websocket("/")
    @decorate
    async def talk(user: str) -> None:
        await websocket.send(user)

    check(app, "/", user)
    initiator = Initiator()
    accept, text, *_ = anyio.run(converse, app, initiator.header, "/", False)
    (reply,) = [value.decode() for name, value in accept["headers"] if name == b"www-authenticate"]
    initiator.verify(reply_token([reply]))
    assert text["text"] == user


def test_what_the_view_finds(app: Quart, user: str) -> None:
    """The identity is at ``g.kerberos_identity`` and in the scope."""

    @app.get("/")
    @requires_authentication
    async def view(user: str) -> str:
        scope: Any = request.scope
        assert scope["kerberos"] == g.kerberos_identity
        return f"{g.kerberos_identity} {g.kerberos_identity.service_principal}"

    assert ask(app, "/", fresh()).text == f"{user} HTTP/{HOST}@KRBTEST.COM"


def test_below_a_middleware(app: Quart, user: str) -> None:
    """Below an ASGI middleware a view takes no second step, and the reply comes once."""

    @app.get("/")
    @requires_authentication
    async def view(user: str) -> str:
        return user

    kerberos: Kerberos = app.extensions["async_kerberos"]
    for outer in (kerberos, Kerberos(hostname="*")):
        check(KerberosMiddleware(app, outer), "/", user)
    assert ask(KerberosMiddleware(app, Kerberos(hostname="*")), "/", fresh(f"HTTP@{SECOND}")).status == 403


def test_hooks_that_change_the_response(app: Quart, user: str) -> None:
    """What the application's own hooks put in a response's place counts: it has the reply, but for a 401."""

    @app.get("/<int:status>")
    @requires_authentication
    async def view(user: str, status: int) -> str:
        return user

    @app.after_request
    async def replace(response: Response) -> Response:
        return Response("replaced", int(request.path[1:]))

    initiator = Initiator()
    answer = ask(app, "/418", initiator.header)
    assert (answer.status, answer.text) == (418, "replaced")
    initiator.verify(reply_token(answer.challenges))
    answer = ask(app, "/401", fresh())
    assert (answer.status, answer.challenges) == (401, [])


def test_configured_twice(app: Quart, user: str) -> None:
    """Where one application is configured twice, the last configuration counts."""
    init_kerberos(app, hostname=SECOND)

    @app.get("/")
    @requires_authentication
    async def view(user: str) -> str:
        return user

    check(app, "/", user, host=SECOND)


@pytest.mark.parametrize("configured", [True, False])
def test_shared_response(app: Quart, user: str, configured: bool) -> None:
    """A response object that a view returns to everybody keeps nobody's reply, and a 401 gets none."""
    shared = Response("shared")
    kerberos: Kerberos | None = None
    if not configured:
        app, kerberos = Quart(__name__), Kerberos(hostname=HOST)

    @app.get("/again")
    @requires_authentication(kerberos=kerberos)
    async def again(user: str) -> tuple[str, int]:
        return "", 401

    @app.get("/")
    @requires_authentication(kerberos=kerberos)
    async def view(user: str) -> Response:
        return shared

    for _ in range(2):
        check(app, "/", "shared")
    assert "WWW-Authenticate" not in shared.headers
    assert ask(app, "/again", fresh()).challenges == []


def test_errors_carry_the_reply(app: Quart, user: str) -> None:
    """A view's error that nobody handles still proves the server; its own 401 carries no reply."""

    @app.get("/crash")
    @requires_authentication
    async def crash(user: str) -> str:
        raise LookupError("lost")

    @app.get("/again")
    @requires_authentication
    async def again(user: str) -> tuple[str, int]:
        return "", 401

    initiator = Initiator()
    answer = ask(app, "/crash", initiator.header)
    assert answer.status == 500
    initiator.verify(reply_token(answer.challenges))
    assert ask(app, "/again", fresh()).challenges == []


def test_defaults(this_host: str, user: str) -> None:
    """An application that configures nothing demands a ticket for this host."""
    app = Quart(__name__)

    @app.get("/")
    @requires_authentication
    async def view(user: str) -> str:
        return user

    check(app, "/", user, host=this_host)
