"""Exempt paths, however they are spelled: without a ticket, only what routers map to one of them is reached."""

from __future__ import annotations

import socket
from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

from ..support.debs import unpacked
from ..support.deployments import closing_all
from ..support.guards import ThreadGuard
from ..support.http import SECONDS, Address, handshake
from ..support.servers import Gunicorn, Hypercorn, Nginx, Server, Uvicorn, Uwsgi, Werkzeug
from ..support.servers.programs import Granian, Waitress
from . import exempt_apps as apps

ROOT = "/app"

# Each is put before, between and behind what is exempt and what is not.
_ODD = (
    "//ITEM",
    "///ITEM",
    "/./ITEM",
    "/.%2e/ITEM",
    "/%2e/ITEM",
    "/%2E%2e/ITEM",
    "/../ITEM",
    "/x/../ITEM",
    "/x/%2e%2e/ITEM",
    "/x/..%2fITEM",
    "/x%2f..%2fITEM",
    "/x%2F%2E%2E%2FITEM",
    "/x/..%5cITEM",
    "/x\\..\\ITEM",
    "/x/..;/ITEM",
    "/;/ITEM",
    "/x;/../ITEM",
    "/x%3b/../ITEM",
    "/x/%252e%252e/ITEM",
    "/x/..%252fITEM",
    "/x/%25252e%25252e/ITEM",
    "/x/%c0%ae%c0%ae/ITEM",
    "/x/..%c0%afITEM",
    "/x/%ef%bc%8e%ef%bc%8e/ITEM",
    "/x/%u002e%u002e/ITEM",
    "/x/..%00/ITEM",
    "/x/..%20/ITEM",
    "/x/..%09/ITEM",
    "/x/.../ITEM",
    "/%2fITEM",
    "/%5cITEM",
    "/\\ITEM",
    "/ITEM/",
    "/ITEM//",
    "/ITEM/.",
    "/ITEM/..",
    "/ITEM/%2e",
    "/ITEM%2f",
    "/ITEM%5c",
    "/ITEM;",
    "/ITEM;x=1",
    "/ITEM%3bx=1",
    "/ITEM?x=/health",
    "/ITEM%3f",
    "/ITEM%3fx",
    "/ITEM#x",
    "/ITEM%23x",
    "/ITEM%00",
    "/ITEM%0a",
    "/ITEM%0d%0a",
    "/ITEM%20",
    "/ITEM%7f",
    "/ITEM%",
    "/ITEM%zz",
    "/ITEM%2",
    "/ITEM\x01",
    "/ITEM\x80",
    "/ITEM\xc3\xa9",
    "http://www.example.test/ITEM",
    "http://www.example.test/x/../ITEM",
    "//www.example.test/ITEM",
    "ITEM",
    "/app/ITEM",
    "/app//ITEM",
    "/app/x/../ITEM",
    "/app%2fITEM",
    "/app/app/ITEM",
    "/application/ITEM",
    "/x/app/ITEM",
    f"/{'z' * (len(ROOT) - 1)}/ITEM",
)
_ITEMS = ("health", "static/a.js", "sub/health", "secret")
_PAIRS = ("static", "sub", "health")
_WAYS_OUT = ("..", "%2e%2e", ".%2E", "..%2f", "..%5c", "..\\", "..;", ";/..", "%252e%252e", "...", "%c0%ae%c0%ae")
TARGETS = (
    *(f"/{item}" for item in (*_ITEMS, "files/a.js", "sub/secret", "health/more", "healthy")),
    *(odd.replace("ITEM", item) for odd in _ODD for item in _ITEMS),
    *(odd.replace("ITEM", item).replace("/x", "/static") for odd in _ODD for item in ("health", "secret")),
    *(f"/{pair}/{way}{slash}secret" for pair in _PAIRS for way in _WAYS_OUT for slash in ("/", "")),
    *(item.upper() for item in ("/health", "/static/a.js", "/sub/health")),
    *("/Health", "/%68ealth", "/%48ealth", "/STATIC/a.js", "/%73tatic/a.js", "/s%74atic%2fa.js", "/static", "/static/"),
    *("*", "", "/", "/static/%", "/static/my%20file.js", "/static/caf%C3%A9", "/static/a:b@c,d=e+f", "/static/..a/b.."),
)
"""Targets of requests, byte for byte."""

PLAIN = ("/health", "/static/a.js", "/static/my%20file.js", "/static/caf%C3%A9", "/sub/health", "/static/..a/b..")
"""Those of them that everybody reaches."""


_CLOSING = {"Connection": "close"}


class Answer(NamedTuple):
    """An answer.

    Attributes:
        status: 0 where the server has closed the connection.
        view: the view that was reached; empty if none was.
    """

    status: int
    view: str


def ask(address: Address, target: str, fields: Mapping[str, str] = _CLOSING) -> Answer:
    """Ask without a ticket, for exactly this target. Of what opens a WebSocket, only the handshake is made."""
    assert not isinstance(address, str)
    data = b""
    with socket.create_connection(address, timeout=SECONDS) as connection:
        lines = [f"GET {target} HTTP/1.1", "Host: www.example.test", *map(": ".join, fields.items()), "", ""]
        try:
            connection.sendall("\r\n".join(lines).encode("latin-1"))
            while b"\r\n\r\n" not in data and (more := connection.recv(65536)):
                data += more
        except ConnectionError:
            pass
    line, _, rest = data.partition(b"\r\n")
    words = line.split()
    answered = rest.partition(b"\r\n\r\n")[0].decode("latin-1").lower().split("\r\n")
    view = [field.partition(": ")[2] for field in answered if field.startswith(f"{apps.VIEW.lower()}: ")]
    return Answer(int(words[1]) if len(words) > 1 else 0, "".join(view))


_Maker = Callable[[Path, ThreadGuard, str], Server]


def _uvicorn(make: Callable[[], object], http: str, ws: str = "wsproto") -> _Maker:
    return lambda _, threads, root: Uvicorn(make(), http=http, ws=ws, threads=threads, lifespan="off", root_path=root)


def _hypercorn(make: Callable[[], object], loop: str) -> _Maker:
    return lambda _, threads, root: Hypercorn(make(), loop=loop, threads=threads, root_path=root)


def _gunicorn(make: Callable[[], object], worker: str) -> _Maker:
    def start(folder: Path, threads: ThreadGuard, root: str) -> Server:
        env = {"SCRIPT_NAME": root} if root else {}
        options = {"root_path": root} if root and worker == "asgi" else {}
        return Gunicorn(f"{apps.__name__}:{make.__name__}", folder, env=env, worker_class=worker, **options)

    return start


ASGI = {"bare": apps.bare, "starlette": apps.starlette, "fastapi": apps.fastapi, "quart": apps.quart}
SITES: dict[str, _Maker] = {
    **{f"{name}-uvicorn-h11": _uvicorn(make, "h11") for name, make in ASGI.items()},
    **{f"{name}-uvicorn-httptools": _uvicorn(make, "httptools") for name, make in ASGI.items()},
    **{f"{name}-hypercorn-asyncio": _hypercorn(make, "asyncio") for name, make in ASGI.items()},
    "starlette-hypercorn-trio": _hypercorn(apps.starlette, "trio"),
    "fastapi-gunicorn-asgi": _gunicorn(apps.fastapi, "asgi"),
    "flask-gunicorn-sync": _gunicorn(apps.flask, "sync"),
    "flask-gunicorn-gthread": _gunicorn(apps.flask, "gthread"),
    "flask-without-targets-gunicorn": _gunicorn(apps.flask_without_targets, "sync"),
}
# Those that are not told where an application is mounted.
SITES_AT_THE_ROOT: dict[str, _Maker] = {
    "flask-werkzeug": lambda _, threads, root: Werkzeug(apps.flask(), threads=threads),
    "flask-uwsgi": lambda folder, _threads, _root: Uwsgi(f"{apps.__name__}:flask", folder, door="http-socket"),
    "flask-waitress": lambda folder, _threads, _root: Waitress(f"{apps.__name__}:flask", folder),
    "flask-granian": lambda folder, _threads, _root: Granian(f"{apps.__name__}:flask", folder, interface="wsgi"),
    "starlette-granian": lambda folder, _threads, _root: Granian(
        f"{apps.__name__}:starlette", folder, interface="asgi"
    ),
}

WEBSOCKETS: dict[str, _Maker] = {
    "uvicorn-wsproto": _uvicorn(apps.bare, "h11", "wsproto"),
    "uvicorn-websockets": _uvicorn(apps.bare, "httptools", "websockets-sansio"),
    "hypercorn": _hypercorn(apps.bare, "asyncio"),
}

PROXIES = {
    "as it came": "location / {{ proxy_pass http://{site}; }}",
    "normalised": "location / {{ proxy_pass http://{site}/; }}",
    "without the prefix": "location /app/ {{ proxy_pass http://{site}/; }}",
    "with the prefix": "location / {{ proxy_pass http://{site}/app/; }}",
    "slashes kept": "merge_slashes off; location / {{ proxy_pass http://{site}; }}",
}


def _served(site: _Maker, root: str, folder: Path, threads: ThreadGuard) -> Generator[Server, None, None]:
    with closing_all(), site(folder, threads, root) as server:
        yield server


def _params(sites: dict[str, _Maker]) -> list[object]:
    return [
        pytest.param(site, id=name, marks=pytest.mark.xdist_group(f"exempt-{name}")) for name, site in sites.items()
    ]


@pytest.fixture(scope="module", params=_params({**SITES, **SITES_AT_THE_ROOT}))
def server(
    request: pytest.FixtureRequest, www: object, thread_guard: ThreadGuard, tmp_path_factory: pytest.TempPathFactory
) -> Generator[Server, None, None]:
    """A server."""
    yield from _served(request.param, "", tmp_path_factory.mktemp("server"), thread_guard)


@pytest.fixture(scope="module", params=_params(SITES))
def mounted(
    request: pytest.FixtureRequest, www: object, thread_guard: ThreadGuard, tmp_path_factory: pytest.TempPathFactory
) -> Generator[Server, None, None]:
    """A server that is told that the application is mounted under ``/app``."""
    yield from _served(request.param, ROOT, tmp_path_factory.mktemp("server"), thread_guard)


@pytest.fixture(scope="session")
def nginx() -> Path:
    """The program."""
    return unpacked("nginx") / "usr" / "sbin" / "nginx"


def reached(address: Address, fields: Mapping[str, str] = _CLOSING) -> dict[str, str]:
    """The views that were reached without a ticket, by the targets."""
    answers = {target: ask(address, target, fields) for target in dict.fromkeys(TARGETS)}
    assert answers["/secret"].view == ""
    return {target: answer.view for target, answer in answers.items() if answer.view}


def test_direct(server: Server) -> None:
    """No spelling reaches a view that is not exempt; the plain ones reach those that are."""
    views = reached(server.address)
    assert {target: view for target, view in views.items() if view not in apps.OPEN} == {}
    assert {target for target in PLAIN if target not in views} == set()


def test_mounted(mounted: Server) -> None:
    """Nor does it below ``/app``, whether the server takes that off the path or not."""
    views = reached(mounted.address)
    assert {target: view for target, view in views.items() if view not in apps.OPEN} == {}
    assert {"health", "static", "sub-health"} <= set(views.values())


@pytest.mark.parametrize("root", ["", ROOT])
@pytest.mark.parametrize("name", WEBSOCKETS)
def test_websockets(name: str, root: str, www: object, thread_guard: ThreadGuard, tmp_path: Path) -> None:
    """Handshakes are no other requests than these."""
    with closing_all(), WEBSOCKETS[name](tmp_path, thread_guard, root) as server:
        views = reached(server.address, handshake())
    assert {target: view for target, view in views.items() if view not in apps.OPEN} == {}
    assert {"health", "static", "sub-health"} <= set(views.values())


@pytest.mark.parametrize(
    ("proxy", "root"), [*((proxy, "") for proxy in PROXIES), ("as it came", ROOT), ("without the prefix", ROOT)]
)
@pytest.mark.parametrize(
    "name",
    ["starlette-uvicorn-httptools", "fastapi-uvicorn-h11", "quart-hypercorn-asyncio", "flask-gunicorn-gthread"],
)
def test_behind_nginx(
    name: str, root: str, proxy: str, nginx: Path, www: object, thread_guard: ThreadGuard, tmp_path: Path
) -> None:
    """Nor behind nginx, which passes on what it was asked for, or what it makes of that."""
    (tmp_path / "server").mkdir()
    (tmp_path / "nginx").mkdir()
    with closing_all(), SITES[name](tmp_path / "server", thread_guard, root) as server:
        assert not isinstance(server.address, str)
        directives = PROXIES[proxy].format(site=f"{server.address[0]}:{server.address[1]}")
        with Nginx(nginx, tmp_path / "nginx", directives) as front:
            views = reached(front.address)
    assert {target: view for target, view in views.items() if view not in apps.OPEN} == {}
