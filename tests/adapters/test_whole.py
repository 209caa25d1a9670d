"""``protect="all"``: a whole application of Flask or Quart, before all that it has of its own."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import asgiref.wsgi
import flask
import pytest
import quart
from a2wsgi import WSGIMiddleware
from fastapi import APIRouter, FastAPI
from flask.views import MethodView
from starlette.applications import Starlette
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.websockets import WebSocket
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.test import Client

from async_kerberos import ConfigurationError
from async_kerberos.adapters import flask as flask_adapter
from async_kerberos.adapters import quart as quart_adapter
from async_kerberos.adapters import starlette as starlette_adapter

from ..support.initiator import Initiator, fresh, reply_token
from .support import HOST, Answer, ask, converse

TICKETS = f"HTTP@{HOST}"
EXEMPT = ["/health", "/static/*", "/item/<int:number>"]
PREFLIGHT = {"Origin": "https://app.example.test", "Access-Control-Request-Method": "GET"}

FRAMEWORKS = {"flask": (flask, flask_adapter), "quart": (quart, quart_adapter)}

WsgiToAsgi: Any = asgiref.wsgi.WsgiToAsgi  # it has no types


class Site:
    """An application with views, hooks before and after ours, and a note of what ran.

    Args:
        name: the framework's.
        options: further options of ``init_kerberos``.
    """

    def __init__(self, name: str, folder: Path, **options: Any) -> None:
        self.framework, self.adapter = FRAMEWORKS[name]
        self.ran: list[str] = []
        (folder / "static").mkdir()
        (folder / "static" / "style.css").write_text("static")
        self.app: Any = (flask.Flask if name == "flask" else quart.Quart)("whole", root_path=str(folder))
        self.app.url_value_preprocessor(self.noting("preprocessor"))
        self.app.before_request(self.answering("before"))
        self.options = {"hostname": HOST, "protect": "all", "exempt": EXEMPT, **options}
        self.adapter.init_kerberos(self.app, **self.options)
        self.app.before_request_funcs.setdefault(None, []).insert(0, self.answering("first"))
        inner, outer = (self.framework.Blueprint(name, name) for name in ("inner", "outer"))
        for blueprint in (inner, outer):
            blueprint.before_app_request(self.answering(f"{blueprint.name}-app"))
            blueprint.before_request(self.answering(blueprint.name))
            blueprint.url_value_preprocessor(self.noting(blueprint.name))
            blueprint.add_url_rule("/hello", "hello", self.hello)
        outer.register_blueprint(inner, url_prefix="/inner")
        self.app.register_blueprint(outer, url_prefix="/outer")
        for path in ("/hello", "/health", "/healthy", "/static/more", "/staticfile", "/item/<int:number>", "/slash/"):
            self.app.add_url_rule(path, path, self.hello)
        self.app.add_url_rule("/decorated", "decorated", self.adapter.requires_authentication(self.decorated))
        self.app.add_url_rule("/own", "own", self.hello, methods=["GET", "OPTIONS"])
        self.app.after_request(self.mark)
        if name == "quart":  # its own looks for the file on the loop, which the tests do not allow
            self.app.view_functions["static"] = self.static

    def noting(self, what: str) -> Callable[..., None]:
        return lambda *_args: self.ran.append(what)

    def answering(self, what: str) -> Callable[[], str | None]:
        """A hook that would answer anybody."""

        def hook() -> str | None:
            self.ran.append(what)
            return what if self.framework.request.args.get("hook") == what else None

        return hook

    def hello(self, **_: object) -> str:
        identity = self.framework.g.get("kerberos_identity")
        return "stranger" if identity is None else str(identity.principal)

    def static(self, filename: str) -> str:
        if filename == "missing":
            self.framework.abort(404)
        return "static"

    def decorated(self, user: str) -> str:
        return f"{user} {self.hello()}"

    def mark(self, response: Any) -> Any:
        response.headers["X-After"] = "yes"
        return response

    def get(self, path: str, authorization: str | None = None, **options: Any) -> Answer:
        self.ran.clear()
        return ask(self.app, path, authorization, **options)

    def refuses(self, path: str, **options: Any) -> None:
        answer = self.get(path, **options)
        assert (answer.status, answer.challenges) == (401, ["Negotiate"]), path
        assert self.ran == [], path

    def admits(self, path: str, status: int = 200, text: str | None = None, **options: Any) -> None:
        initiator = Initiator(TICKETS)
        answer = self.get(path, initiator.header, **options)
        assert answer.status == status, path
        if text is not None:
            assert answer.text == text
        initiator.verify(reply_token(answer.challenges))


@pytest.fixture(params=list(FRAMEWORKS))
def site(request: pytest.FixtureRequest, tmp_path: Path, user: str) -> Site:
    return Site(request.param, tmp_path)


def test_everything_needs_a_ticket(site: Site, user: str) -> None:
    """Views, blueprints within blueprints, files and what no rule matches need a ticket, before any hook runs."""
    for path in ("/hello", "/healthy", "/staticfile", "/outer/hello", "/outer/inner/hello", "/own"):
        site.refuses(path)
        site.admits(path, text=user)
    for path in ("/none", "/health/", "/health/x", "/item/x", "/HEALTH", "//health", "/static"):
        site.refuses(path)
        site.admits(path, 404)
    for path, method in (("/health", "POST"), ("/hello", "POST"), ("/hello", "DELETE")):
        site.refuses(path, method=method)
        site.admits(path, 405, method=method)
    site.refuses("/slash")
    site.admits("/slash", 308)


@pytest.mark.parametrize("hook", ["first", "before", "outer-app", "inner-app", "outer", "inner"])
def test_hooks(site: Site, hook: str) -> None:
    """No hook answers a stranger, whether it was registered before or after, by the application or by a blueprint."""
    site.refuses(f"/outer/inner/hello?hook={hook}")
    site.admits(f"/outer/inner/hello?hook={hook}", text=hook)


def test_hooks_after_a_refusal(site: Site) -> None:
    """A hook that needs what another one has set before the view keeps no answer from a stranger."""

    def begin() -> None:
        site.framework.g.begun = "begun"

    def end(response: Any) -> Any:
        response.headers["X-Begun"] = site.framework.g.begun
        return response

    site.app.before_request(begin)
    site.app.after_request(end)
    site.refuses("/hello")
    assert site.get("/hello", method="OPTIONS", fields=PREFLIGHT).status == 200
    site.admits("/hello")


def test_page(site: Site) -> None:
    """A browser is shown how to sign in, also without the option: a whole application is guarded."""
    answer = site.get("/hello", fields={"Accept": "text/html"})
    assert (answer.status, answer.challenges) == (401, ["Negotiate"])
    assert answer.text.startswith("<!doctype html>")


def test_forms_of_other_sites(user: str, site: Site) -> None:
    """A view for them is exempt, and asks for a ticket by a decorator of its own."""
    guard = site.adapter.requires_authentication(cross_site="allow")
    site.app.add_url_rule("/form", "form", guard(site.decorated), methods=["POST"])
    evil = {"Origin": "https://evil.test"}
    assert site.get("/form", fresh(), method="POST", fields=evil).status == 403
    site.adapter.init_kerberos(site.app, **{**site.options, "exempt": ["/form"]})
    assert site.get("/form", method="POST", fields=evil).status == 401
    assert site.get("/form", fresh(), method="POST", fields=evil).status == 200


def test_exempt(site: Site) -> None:
    """Rules that are exempt by their texts need no ticket, and all of the application's own runs."""
    for path, text in (("/health", "stranger"), ("/static/style.css", "static"), ("/item/7", "stranger")):
        answer = site.get(path)
        assert (answer.status, answer.text, answer.challenges) == (200, text, [])
        assert site.ran
    # Found by the rule, and missing.
    assert site.get("/static/missing").status == 404


def test_exempt_by_rule_alone(tmp_path: Path, user: str) -> None:
    """A rule that only a path seems to fit is not exempt."""
    site = Site("flask", tmp_path, exempt=["/item/7", "/<path:rest>"])
    site.app.add_url_rule("/files/<path:name>", "files", site.hello)
    for path in ("/item/7", "/files/x", "/hello"):
        site.refuses(path)


def test_exempt_and_decorated(tmp_path: Path, user: str) -> None:
    """A decorator within what is exempt still demands a ticket, and within the rest it reuses the check."""
    site = Site("flask", tmp_path, exempt=["/decorated"])
    assert site.get("/decorated").status == 401
    site.admits("/decorated", text=f"{user} {user}")


def test_decorated(site: Site, user: str) -> None:
    """One token serves the application's check and the decorator's."""
    site.refuses("/decorated")
    site.admits("/decorated", text=f"{user} {user}")


def test_preflight(site: Site) -> None:
    """A preflight that the framework answers passes, with what after-hooks add, and without any other hook."""
    for path in ("/hello", "/outer/inner/hello", "/hello?hook=before"):
        answer = site.get(path, method="OPTIONS", fields=PREFLIGHT)
        assert (answer.status, answer.text, answer.challenges) == (200, "", [])
        assert site.ran == []
    # Without its fields it is no preflight; and nobody's view answers one.
    site.refuses("/hello", method="OPTIONS")
    for field in PREFLIGHT:
        site.refuses("/hello", method="OPTIONS", fields={field: PREFLIGHT[field]})
    site.refuses("/own", method="OPTIONS", fields=PREFLIGHT)
    site.refuses("/none", method="OPTIONS", fields=PREFLIGHT)
    site.refuses("/slash", method="OPTIONS", fields=PREFLIGHT)
    site.refuses("/hello", fields=PREFLIGHT)
    site.admits("/own", method="OPTIONS", fields=PREFLIGHT)


def cross_origin(view: Any, cell: str) -> Any:
    """As Flask-CORS decorates, but for its module."""

    def without_view(**_: object) -> Any:
        return "extension"

    def with_view(**kwargs: object) -> Any:
        return view(**kwargs)

    wrapped = without_view if cell == "none" else with_view
    return wrapped if cell == "unknown" else functools.update_wrapper(wrapped, view)


@pytest.mark.parametrize("cell", ["none", "unknown", "other"])
def test_preflight_of_a_decorator(tmp_path: Path, user: str, monkeypatch: pytest.MonkeyPatch, cell: str) -> None:
    """Of what only looks like an extension's decorator, and could reach the view, no preflight is answered."""
    site = Site("flask", tmp_path)
    site.app.add_url_rule("/cors", "cors", cross_origin(site.hello, cell), methods=["GET", "OPTIONS"])
    site.refuses("/cors", method="OPTIONS", fields=PREFLIGHT)
    monkeypatch.setitem(globals(), "__name__", "quart_cors")
    site.refuses("/cors", method="OPTIONS", fields=PREFLIGHT)


def test_response_is_the_applications(site: Site) -> None:
    """What an application adds to every response, it adds to a refusal."""
    if site.framework is flask:
        assert site.app.test_client().get("/hello").headers["X-After"] == "yes"
    else:
        response: Any = anyio.run(site.app.test_client().get, "/hello")
        assert response.headers["X-After"] == "yes"


def test_last_call_counts(site: Site) -> None:
    """What a later init_kerberos says counts, also that nothing is protected."""
    site.adapter.init_kerberos(site.app, hostname=HOST, protect="all", exempt=["/hello"])
    assert site.get("/hello").text == "stranger"
    site.refuses("/health")
    site.adapter.init_kerberos(site.app, hostname=HOST)
    assert [site.get(path).status for path in ("/hello", "/health", "/none")] == [200, 200, 404]
    assert site.get("/decorated").status == 401
    site.adapter.init_kerberos(site.app, **site.options)
    site.refuses("/hello")


def test_nothing_gets_in_front(site: Site, user: str) -> None:
    """What another extension assigns over the dispatch later stands behind."""
    answer: Any = site.app.make_response("extension")
    asynchronous = site.framework is quart
    inner = site.app.full_dispatch_request

    def assign(answers: bool) -> None:
        def dispatch(*context: Any) -> Any:
            return answer if answers else inner(*context)

        async def dispatch_async(*context: Any) -> Any:
            return await dispatch(*context)

        site.app.full_dispatch_request = dispatch_async if asynchronous else dispatch

    assign(answers=False)
    site.refuses("/hello")
    site.admits("/hello", text=user)
    assign(answers=True)
    site.refuses("/hello")
    site.admits("/hello", text="extension")


def test_signal(site: Site) -> None:
    """No receiver of the signal that a request begins answers a stranger."""

    def answer(*_args: object, **_kwargs: object) -> None:
        site.ran.append("signal")
        site.framework.abort(418)

    with site.framework.request_started.connected_to(answer, site.app):
        site.refuses("/hello")
        site.admits("/hello", 418)


def test_class_that_dispatches(user: str) -> None:
    """What an application's class does with its requests stays."""

    class Application(flask.Flask):
        def full_dispatch_request(self) -> Any:
            response = super().full_dispatch_request()
            response.headers["X-Class"] = "yes"
            return response

    app = Application("whole")
    flask_adapter.init_kerberos(app, hostname=HOST, protect="all")
    app.add_url_rule("/", "view", lambda: "view")
    assert ask(app, "/").status == 401
    response = app.test_client().get("/", headers={"Authorization": fresh(TICKETS)})
    assert (response.text, response.headers["X-Class"]) == ("view", "yes")


def test_websockets(tmp_path: Path, user: str) -> None:
    """Nobody's WebSocket is accepted without a ticket; rules are exempt as of HTTP; what no rule matches is not."""
    site = Site("quart", tmp_path)
    app = site.app
    app.url_value_preprocessors.clear()  # Quart looks for a request, and finds none

    async def ws() -> None:
        site.ran.append("view")
        await quart.websocket.send(site.hello())

    for path in ("/ws", "/static/ws"):
        app.add_websocket(path, path, ws)
    app.before_websocket(site.noting("hook"))

    def connect(path: str, authorization: str | None = None) -> list[Any]:
        site.ran.clear()
        return anyio.run(functools.partial(converse, app, authorization, path, goes=False))

    for path in ("/ws", "/none"):
        assert connect(path)[0]["status"] == 401
        assert site.ran == []
    assert [message.get("text") for message in connect("/static/ws")][:2] == [None, "stranger"]
    assert [message.get("text") for message in connect("/ws", fresh(TICKETS))][:2] == [None, user]
    assert connect("/none", fresh(TICKETS))[0]["status"] == 404


@pytest.mark.parametrize("bridge", ["asgiref", "a2wsgi"])
def test_async_views_below_a_bridge(user: str, bridge: str) -> None:
    """Async views of Flask under an ASGI server, and class-based ones."""
    app = flask.Flask("whole")
    flask_adapter.init_kerberos(app, hostname=HOST, protect="all", exempt=["/open"])

    async def view() -> str:
        identity = flask.g.get("kerberos_identity")
        return "stranger" if identity is None else str(identity.principal)

    class Views(MethodView):
        async def get(self) -> str:
            return await view()

    for path in ("/", "/open"):
        app.add_url_rule(path, path, view)
    app.add_url_rule("/class", "class", Views.as_view("class"))
    to_asgi: Any = WsgiToAsgi if bridge == "asgiref" else WSGIMiddleware
    bridged = to_asgi(app)
    for path in ("/", "/class"):
        assert ask(bridged, path).status == 401
        assert ask(bridged, path, fresh(TICKETS)).text == user
    assert ask(bridged, "/open").text == "stranger"


def echo(rest: str) -> str:
    return rest


def test_mounted(user: str) -> None:
    """An application within another's dispatcher: each is protected as it was configured itself."""
    outer, inner = flask.Flask("outer"), flask.Flask("inner")
    for app, exempt in ((outer, "/inner/open"), (inner, "/open")):
        flask_adapter.init_kerberos(app, hostname=HOST, protect="all", exempt=[exempt])
        app.add_url_rule("/<path:rest>", "rest", echo)
        app.add_url_rule("/open", "open", lambda: "open")
    dispatched = Client(DispatcherMiddleware(outer, {"/inner": inner}))
    assert [dispatched.get(path).status_code for path in ("/open", "/inner/open", "/inner/x", "/x")] == [
        401,
        200,
        401,
        401,
    ]


def make_asgi(name: str, folder: Path) -> tuple[Any, list[str]]:
    """An application of Starlette or FastAPI in the middleware, as the README places it, and a note of what ran."""
    ran: list[str] = []

    async def view(request: Request) -> PlainTextResponse:
        ran.append("view")
        identity = request.scope.get("kerberos")
        return PlainTextResponse("stranger" if identity is None else identity.principal)

    async def ws(websocket: WebSocket) -> None:
        ran.append("view")
        await websocket.accept()
        await websocket.close()

    async def before(request: Request, call_next: Any) -> Any:
        ran.append("middleware")
        return await call_next(request)

    (folder / "style.css").write_text("static")
    routes = [Route("/view", view), Route("/health", view)]
    mounted = Starlette(routes=[*routes, WebSocketRoute("/ws", ws)])
    app: Any = FastAPI() if name == "fastapi" else Starlette()
    app.add_middleware(BaseHTTPMiddleware, dispatch=before)
    for path in ("/view", "/health"):
        app.add_route(path, view)
    app.router.routes.append(WebSocketRoute("/ws", ws))
    app.mount("/mounted", mounted)
    app.mount("/files", StaticFiles(directory=folder))
    if name == "fastapi":
        app.include_router(router := APIRouter(prefix="/router"))
        router.add_api_route("/view", view)
        app.include_router(router, prefix="/again")
    starlette_adapter.init_kerberos(app, hostname=HOST)
    app.add_middleware(starlette_adapter.KerberosMiddleware, exempt=["/health"])
    app.add_middleware(CORSMiddleware, allow_origins=["https://app.example.test"])
    return app, ran


@pytest.mark.parametrize("name", ["starlette", "fastapi"])
def test_middleware_last(name: str, tmp_path: Path, user: str) -> None:
    """The middleware, added last, guards mounts, files, documents, WebSockets and what no route matches."""
    app, ran = make_asgi(name, tmp_path)
    paths = ["/view", "/mounted/view", "/mounted/health", "/files/style.css", "/none", "/mounted/none", "/files/none"]
    paths += ["/view/", "//health", "/health/", "/mounted"]
    if name == "fastapi":
        paths += ["/docs", "/redoc", "/openapi.json", "/docs/oauth2-redirect", "/again/router/view"]
    for path in paths:
        answer = ask(app, path)
        assert (answer.status, answer.challenges) == (401, ["Negotiate"]), path
    assert ask(app, "/view", method="POST").status == 401
    for path in ("/ws", "/mounted/ws", "/none"):
        assert anyio.run(converse, app, None, path)[0]["status"] == 401
    assert ran == []
    assert ask(app, "/health").text == "stranger"
    assert ran == ["middleware", "view"]
    # CORS stands outside, and answers preflights without a ticket.
    assert ask(app, "/view", method="OPTIONS", fields=PREFLIGHT).status == 200
    for path in ("/view", "/mounted/view"):
        assert ask(app, path, fresh(TICKETS)).text == user
    if name == "fastapi":
        assert ask(app, "/openapi.json", fresh(TICKETS)).status == 200


@pytest.mark.parametrize(
    ("options", "option", "problem"),
    [
        ({"protect": "some"}, "protect", "must be 'all' or None"),
        ({"protect": True}, "protect", "must be 'all' or None"),
        ({"exempt": ["/health"]}, "exempt", "no effect without protect='all'"),
        ({"protect": "all", "exempt": "/health"}, "exempt", "must be a sequence"),
        ({"protect": "all", "exempt": ["health"]}, "exempt", "must be rules such as"),
        ({"protect": "all", "exempt": ["/static*"]}, "exempt", "must be rules such as"),
        ({"protect": "all", "exempt": ["/*/x"]}, "exempt", "must be rules such as"),
        ({"protect": "all", "exempt": [7]}, "exempt", "must be rules such as"),
        ({"protect": "all", "exempt": ["/*"]}, "exempt", "every rule"),
    ],
)
@pytest.mark.parametrize("name", list(FRAMEWORKS))
def test_wrong_options(name: str, options: Any, option: str, problem: str) -> None:
    """Bad options are refused when given, and nothing is changed by them."""
    app: Any = flask.Flask("whole") if name == "flask" else quart.Quart("whole")
    with pytest.raises(ConfigurationError, match=problem) as caught:
        FRAMEWORKS[name][1].init_kerberos(app, hostname=HOST, **options)
    assert caught.value.option == option
    assert app.extensions == {}
