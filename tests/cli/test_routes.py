"""Which routes are open: what `async-kerberos routes` finds, and what a stranger gets."""

from __future__ import annotations

import asyncio
import functools
import json
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from typing import Any

import anyio
import asgiref.wsgi
import pytest
from a2wsgi import ASGIMiddleware, WSGIMiddleware
from fastapi import APIRouter, Depends, FastAPI
from flask import Flask
from quart import Quart
from starlette.applications import Starlette
from starlette.routing import Mount
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.middleware.proxy_fix import ProxyFix

from async_kerberos.adapters import asgi, fastapi, flask, quart, starlette, wsgi
from async_kerberos.cli._routes.finding import Route, exempting
from async_kerberos.cli._routes.walk import routes_of

from ..adapters.support import ask, converse
from ..support import HOSTNAME
from ..support.servers import Uvicorn, Werkzeug
from .conftest import ROOT, Start

SITES = ["flask", "quart", "starlette", "fastapi"]
OPEN = {"open", "optional", "exempt"}

Found = dict[tuple[str, str], str]

WsgiToAsgi: Any = asgiref.wsgi.WsgiToAsgi  # it has no types


def site(name: str) -> Any:
    return import_module(f"tests.cli.sites.{name}_site")


def methods_of(route: Route) -> Iterable[str]:
    return ("ws",) if route.websocket else route.methods or ("any",)


def found_of(app: Any) -> Found:
    return {(route.path, method): route.verdict.state.value for route in routes_of(app) for method in methods_of(route)}


def is_refused(app: Any, path: str, method: str) -> bool:
    """Whether a stranger is refused."""
    if method == "ws":
        sent: list[Any] = anyio.run(functools.partial(converse, app, None, path))
        return bool(sent[0].get("status") == 401)
    return ask(app, path, method="GET" if method == "any" else method).status == 401


@pytest.mark.parametrize("name", SITES)
def test_found(name: str) -> None:
    """What is found of each kind of route."""
    found = found_of(site(name).app)
    expected: Found = site(name).FOUND
    assert {key: found.get(key) for key in {*found, *expected}} == {
        key: expected.get(key) for key in {*found, *expected}
    }


@pytest.mark.parametrize("name", SITES)
def test_found_is_true(name: str, www: object, realm: object) -> None:
    """A stranger is refused where a route is found protected, and nowhere else, unless that is unknown or varies."""
    app, found = site(name).app, dict(site(name).FOUND)
    for (path, method), state in found.items():
        # What stands for many paths is asked for one of them.
        one = path.partition("<")[0].partition("{")[0].replace("*", "sites.py") + ("7" if path[-1] in "}>" else "")
        if state in ("unknown", "varies") or not path.startswith("/") or path.startswith("/wrong"):
            continue
        assert is_refused(app, one, method) == (state == "protected"), (path, method)


@pytest.mark.parametrize("name", SITES)
def test_names_of_views(name: str) -> None:
    """A view's name says where its code stands, not what a decorator has copied."""
    names = {route.path: route.view for route in routes_of(site(name).app)}
    module = f"tests.cli.sites.{name}_site"
    assert names[{"flask": "/forgotten", "quart": "/forgotten"}.get(name, "/plain")].startswith(module)
    if "/trap" in names:
        assert names["/trap"] == f"{module}.trap"


def answer(**_: object) -> str:
    return "view"


def flask_app(**options: Any) -> Any:
    app = Flask("routes", static_folder=None)
    flask.init_kerberos(app, hostname=HOSTNAME, **options)
    for path in ("/health", "/view", "/item/<int:number>"):
        app.add_url_rule(path, path, answer)
    return app


def quart_app(**options: Any) -> Any:
    app = Quart("routes", static_folder=None)
    quart.init_kerberos(app, hostname=HOSTNAME, **options)

    async def view() -> str:
        return "view"

    for path in ("/health", "/view"):
        app.add_url_rule(path, path, view)
    app.add_websocket("/ws", "ws", view)
    return app


@pytest.mark.parametrize("make", [flask_app, quart_app])
def test_protect_all(make: Any) -> None:
    """With protect="all", what is not exempt is protected; the last call counts."""
    app = make(protect="all", exempt=["/health", "/item/*"])
    found = found_of(app)
    assert found.pop(("/health", "GET")) == "exempt"
    assert found.pop(("/item/<int:number>", "GET"), "exempt") == "exempt"
    assert set(found.values()) == {"protected"}
    (flask if make is flask_app else quart).init_kerberos(app, hostname=HOSTNAME)
    assert set(found_of(app).values()) == {"open"}


@pytest.mark.parametrize("optional", [True, False])
def test_middleware_around_wsgi_app(optional: bool) -> None:
    """A middleware around the application's own method, within and behind others'."""
    app = flask_app()
    guard: Any = {"exempt": ["/health", "/item/7"], "optional": optional}
    app.wsgi_app = ProxyFix(wsgi.KerberosMiddleware(ProxyFix(app.wsgi_app), **guard))
    state = "optional" if optional else "protected"
    assert found_of(app) == {
        ("/health", "GET"): "exempt",
        ("/view", "GET"): state,
        ("/item/<int:number>", "GET"): "exempt",
    }
    assert found_of(WsgiToAsgi(app)) == found_of(app)
    assert set(found_of(wsgi.KerberosMiddleware(flask_app())).values()) == {"protected"}


def test_middleware_around_asgi_app() -> None:
    """The same on Quart, and around the application object."""
    app = quart_app()
    app.asgi_app = asgi.KerberosMiddleware(app.asgi_app)
    assert set(found_of(app).values()) == {"protected"}
    assert set(found_of(asgi.KerberosMiddleware(quart_app(), user_header="Remote-User")).values()) == {"protected"}


def test_closure_around_wsgi_app() -> None:
    """What cannot be looked into may be a guard, or answer by itself."""
    app = flask_app()
    inner = app.wsgi_app

    def closing(environ: Any, start_response: Any) -> Any:
        return inner(environ, start_response)

    app.wsgi_app = closing
    assert found_of(app) == {("/*", "any"): "unknown"}


def test_dispatcher() -> None:
    """Applications that a dispatcher mounts, each with its own protection."""
    app, mounted = flask_app(protect="all"), flask_app()
    app.wsgi_app = DispatcherMiddleware(app.wsgi_app, {"/mounted": mounted})
    found = found_of(app)
    assert found["/view", "GET"] == "protected"
    assert found["/mounted/view", "GET"] == "open"
    behind = found_of(wsgi.KerberosMiddleware(app, exempt=["/mounted/health"]))
    assert behind["/mounted/view", "GET"] == "protected"
    assert behind["/mounted/health", "GET"] == "exempt"


def test_bridges() -> None:
    """A Flask application within Starlette, and an ASGI application on WSGI."""
    mounted: Any = WSGIMiddleware(flask_app(protect="all", exempt=["/health"]))
    app: Any = Starlette(routes=[Mount("/flask", mounted)])
    assert found_of(app)["/flask/view", "GET"] == "protected"
    assert found_of(app)["/flask/health", "GET"] == "exempt"
    loop = asyncio.new_event_loop()
    assert found_of(ASGIMiddleware(app, loop=loop)) == found_of(app)
    loop.close()


def test_bare_application() -> None:
    """Around an application that is not known, a middleware protects all but what it exempts."""

    async def app(scope: Any, receive: Any, send: Any) -> None: ...

    assert found_of(app) == {("/*", "any"): "unknown"}
    assert found_of(asgi.KerberosMiddleware(app)) == {("/*", "any"): "protected"}
    (route,) = routes_of(asgi.KerberosMiddleware(app, exempt=["/health"]))
    assert (route.verdict.state.value, "/health of it" in route.verdict.why) == ("exempt", True)


def test_circle() -> None:
    """Applications that are mounted within each other do not hang the command."""
    app: Any = Starlette()
    app.mount("/deeper", app)
    assert "unknown" in found_of(app).values()


def test_init_kerberos_alone() -> None:
    """The carrier that init_kerberos adds is no guard."""
    app = Starlette(routes=[Mount("/", Starlette())])
    starlette.init_kerberos(app, hostname=HOSTNAME)
    app.add_route("/view", lambda request: None)  # type: ignore[arg-type, return-value]
    assert found_of(app) == {("/view", "GET"): "open"}


def run(start: Start, *arguments: str, status: int) -> str:
    """Run the command on a module with these lines, and return what it prints."""
    command = start("routes", *arguments, env={"PYTHONPATH": str(ROOT)})
    assert command.finish() == status, command.output
    return command.output


SITE = """
from fastapi import APIRouter, Depends, FastAPI
from flask import Flask
from async_kerberos.adapters.flask import init_kerberos, requires_authentication
print("a line of the module's")
app = Flask(__name__, static_folder=None)
init_kerberos(app, hostname="www.example.test"{options})

@app.route("/view")
@requires_authentication
def view(user):
    raise AssertionError("a view was called")

@app.route("/health", methods=["GET", "POST"])
def health():
    return "well"

def make():
    return app

nothing = 7
"""


@pytest.fixture
def write(tmp_path: Path) -> Any:
    def write(options: str = "", more: str = "") -> str:
        (tmp_path / "site_to_look_at.py").write_text(SITE.format(options=options) + more)
        return "site_to_look_at:app"

    return write


@pytest.mark.parametrize(("options", "status"), [("", 1), (', protect="all", exempt=["/health"]', 0)])
def test_command(start: Start, write: Any, options: str, status: int) -> None:
    """The list for people; the exit status is 1 if anything is open that is not exempt."""
    output = run(start, write(options), status=status)
    assert "protected  /view    GET       site_to_look_at.view (requires_authentication)" in output
    found = 'exempt     /health  GET,POST  site_to_look_at.health (protect="all", exempt /health)'
    assert (found if options else "open       /health  GET,POST  site_to_look_at.health") in output
    assert f"1 protected, 1 {'exempt' if options else 'open'}" in output


def test_command_varies(start: Start, write: Any) -> None:
    """A function that exempts does so on purpose: what it may exempt is no fault."""
    app = write(
        "",
        "from async_kerberos.adapters.wsgi import KerberosMiddleware\n"
        "app.wsgi_app = KerberosMiddleware(app.wsgi_app, exempt=lambda request: request.path == '/health')\n",
    )
    output = run(start, app, status=0)
    assert (
        "varies     /health  GET,POST  site_to_look_at.health (KerberosMiddleware, whose exempt is a function)"
        in output
    )
    assert "1 protected, 1 varies" in output


def test_command_unknown(start: Start, write: Any) -> None:
    """What cannot be known is no better than what is open."""
    app = write(', protect="all", exempt=["/health"]', "app.wsgi_app = lambda *args: []\n")
    assert "unknown" in run(start, app, status=1)


def test_command_json(start: Start, write: Any, tmp_path: Path) -> None:
    """JSON, and nothing else, on standard output."""
    write()
    command = start("routes", "--json", "site_to_look_at:make", "--factory", stderr=-3)
    assert command.finish() == 1
    assert json.loads(command.output) == [
        {
            "path": "/view",
            "methods": ["GET"],
            "websocket": False,
            "state": "protected",
            "why": "requires_authentication",
            "view": "site_to_look_at.view",
        },
        {
            "path": "/health",
            "methods": ["GET", "POST"],
            "websocket": False,
            "state": "open",
            "why": "",
            "view": "site_to_look_at.health",
        },
    ]


@pytest.mark.parametrize(
    ("target", "problem"),
    [
        ("no_such_module:app", "cannot import no_such_module"),
        ("site_to_look_at:missing", "site_to_look_at:missing"),
        ("site_to_look_at:nothing", "is no application, but an object of type int"),
    ],
)
def test_command_wrong(start: Start, write: Any, target: str, problem: str) -> None:
    """What cannot be looked at is an error, without a traceback."""
    write()
    output = run(start, target, status=1)
    assert problem in output
    assert "Traceback" not in output


@pytest.mark.parametrize("status", [0, 3])
def test_command_application_exits(start: Start, write: Any, status: int) -> None:
    """An application that ends the process when it is imported, or made, does not pass for one that is guarded."""
    write(more=f"import sys\ndef leaving():\n    sys.exit({status})\n")
    assert "failed: SystemExit" in run(start, "site_to_look_at:leaving", "--factory", status=1)
    write(more=f"import sys\nsys.exit({status})\n")
    assert "cannot import site_to_look_at: SystemExit" in run(start, "site_to_look_at:app", status=1)


def test_command_factory_fails(start: Start, write: Any) -> None:
    """A factory that fails is an error, too."""
    write(more="def broken():\n    raise LookupError('no settings')\n")
    output = run(start, "site_to_look_at:broken", "--factory", status=1)
    assert "LookupError: no settings" in output


def test_ask(start: Start, write: Any, www: object) -> None:
    """A running copy that answers as it was found to; each route without parameters is asked for, by GET alone."""
    app = flask_app(protect="all", exempt=["/health"])
    asked: list[tuple[str, str, str | None]] = []
    inner = app.wsgi_app

    def noting(environ: Any, start_response: Any) -> Any:
        asked.append((environ["REQUEST_METHOD"], environ["PATH_INFO"], environ.get("HTTP_AUTHORIZATION")))
        return inner(environ, start_response)

    app.wsgi_app = noting
    more = "app.add_url_rule('/item/<x>', 'item', view)\napp.add_url_rule('/post', 'post', view, methods=['POST'])\n"
    target = write(', protect="all", exempt=["/health"]', more)
    with Werkzeug(app) as server:
        output = run(start, target, "--ask", f"http://127.0.0.1:{server.address[1]}/", status=0)
    assert asked == [("GET", "/view", None), ("GET", "/health", None)]
    assert "2 asked for, 0 differ" in output


def test_ask_differs(start: Start, write: Any, www: object) -> None:
    """What a running copy answers otherwise is told, and is a fault."""
    running = Flask("running")
    running.add_url_rule("/app/view", "view", lambda: ("", 302, {"Location": "/login"}))
    running.add_url_rule("/app/health", "health", lambda: ("", 401))
    target = write(', protect="all", exempt=["/health", "/gone"]', "app.add_url_rule('/gone', 'gone', health)\n")
    with Werkzeug(running) as server:
        url = f"http://localhost:{server.address[1]}/app"
        output = run(start, target, "--ask", url, status=1)
        command = start("routes", target, "--json", "--ask", url, stderr=-3)
        assert command.finish() == 1
    assert "DIFFERS: found protected, and 302 came without a ticket" in output
    assert "DIFFERS: found exempt, and 401 came: something else guards it" in output
    assert "DIFFERS: found exempt, and 404 came: it is not there" in output
    assert "3 asked for, 3 differ" in output
    assert [route["status"] for route in json.loads(command.output)] == [302, 401, 404]


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("http://127.0.0.1:1/", "no answer for /view"),
        ("ftp://127.0.0.1/", "is no URL such as"),
        ("127.0.0.1:8000", "is no URL such as"),
        ("http://bob:secret@127.0.0.1/", "neither credentials nor a query"),
        ("http://127.0.0.1/?x=1", "neither credentials nor a query"),
        ("http://127.0.0.1:port/", "is no URL"),
    ],
)
def test_ask_wrong(start: Start, write: Any, url: str, problem: str) -> None:
    """What cannot be asked is an error."""
    assert problem in run(start, write(), "--ask", url, status=1)


@pytest.mark.parametrize("name", ["starlette", "fastapi"])
def test_ask_each_site(start: Start, name: str, www: object, realm: Any) -> None:
    """The sites of these tests answer as they were found, on a real server."""
    with Uvicorn(site(name).app) as server:
        target = f"tests.cli.sites.{name}_site:app"
        command = start(
            "routes", target, "--ask", f"http://127.0.0.1:{server.address[1]}", env={"PYTHONPATH": str(ROOT)}
        )
        assert command.finish() == 1
    assert "DIFFERS" not in command.output, command.output
    assert " asked for, 0 differ" in command.output


def test_websocket_rule_of_flask() -> None:
    """Extensions add rules for WebSockets to Flask: hooks count for these as for others."""
    app = Flask("routes", static_folder=None)
    flask.init_kerberos(app, hostname=HOSTNAME)

    @flask.requires_authentication
    def hook(user: str) -> None: ...

    app.add_url_rule("/ws", "ws", answer, websocket=True)
    assert found_of(app) == {("/ws", "ws"): "open"}
    app.before_request(hook)
    assert found_of(app) == {("/ws", "ws"): "protected"}


def test_frontend_of_fastapi(www: object) -> None:
    """Files that newer releases of FastAPI serve after all routes, with the dependencies of their router."""
    folder, signed_in = str(Path(__file__).parent), Depends(fastapi.KerberosIdentity())
    app: Any = FastAPI(openapi_url=None)
    fastapi.init_kerberos(app, hostname=HOSTNAME)
    app.frontend("/open", directory=folder)
    guarded: Any = APIRouter()
    guarded.frontend("/files", directory=folder)
    app.include_router(guarded, prefix="/guarded", dependencies=[signed_in])
    found = found_of(app)
    assert found == {("/open/*", "GET"): "open", ("/guarded/files/*", "GET"): "protected"}
    for (path, method), state in found.items():
        assert is_refused(app, path.replace("*", "conftest.py"), method) == (state == "protected"), path


def test_where_a_subtree_begins() -> None:
    """As the guard compares paths: the one that a subtree begins with is not in it."""
    for path, found in (("/static/", ""), ("/static/*", "/static/*"), ("/static/a", "/static/*"), ("/static", "")):
        assert exempting(["/static/*"], path) == found
