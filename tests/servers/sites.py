"""The applications, as servers in other processes make them, and the servers."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from async_kerberos import DrainLimits, Kerberos

from ..support import HOSTNAME
from ..support.deployments import ADAPTERS, Switch, closing_all
from ..support.guards import ThreadGuard
from ..support.servers import Gunicorn, Hypercorn, Server, Uvicorn, Uwsgi, Werkzeug
from ..support.servers.programs import Granian, Waitress

IMPATIENT = DrainLimits(seconds=0.5)


def starlette_alone() -> Any:
    """Starlette with decorated views, and neither ``init_kerberos`` nor a middleware."""
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import PlainTextResponse
    from starlette.routing import Route

    from async_kerberos.adapters.starlette import requires_authentication

    def build(kerberos: Kerberos) -> Any:
        @requires_authentication(kerberos=kerberos)
        def view(user: str, request: Request) -> PlainTextResponse:
            return PlainTextResponse(user)

        return Starlette(routes=[Route("/{path}", view, methods=["GET", "POST"])])

    return _alone(build)


def fastapi_alone() -> Any:
    """FastAPI with its dependency, and neither ``init_kerberos`` nor a middleware."""
    from fastapi import Depends, FastAPI
    from fastapi.responses import PlainTextResponse

    from async_kerberos import Identity
    from async_kerberos.adapters.fastapi import KerberosIdentity

    def build(kerberos: Kerberos) -> Any:
        app, signed_in = FastAPI(), Depends(KerberosIdentity(kerberos=kerberos))

        @app.api_route("/{path}", methods=["GET", "POST"], response_class=PlainTextResponse)
        async def view(identity: Identity = signed_in) -> str:
            return identity.principal

        return app

    return _alone(build)


def quart_alone() -> Any:
    """Quart with decorated views, and neither ``init_kerberos`` nor a middleware."""
    from quart import Quart

    from async_kerberos.adapters.quart import requires_authentication

    def build(kerberos: Kerberos) -> Any:
        app = Quart(__name__)

        @app.route("/<path:path>", methods=["GET", "POST"])
        @requires_authentication(kerberos=kerberos)
        async def view(user: str, path: str) -> str:
            return user

        return app

    return _alone(build)


def _alone(build: Callable[[Kerberos], Any]) -> Any:
    patient, impatient = Kerberos(hostname=HOSTNAME), Kerberos(hostname=HOSTNAME, drain=IMPATIENT)
    return Switch({"": build(patient), "impatient": build(impatient)}).asgi


def _switch(adapter: str) -> Switch:
    """The contract's application: the usual one, and one that waits half a second for the rest of a body."""
    build = ADAPTERS[adapter].build
    impatient = {"hostname": HOSTNAME, "drain": IMPATIENT}
    return Switch({"": build({"hostname": HOSTNAME}), "impatient": build(impatient)})


def asgi() -> Any:
    """Plain ASGI below the middleware."""
    return _switch("asgi").asgi


def flask() -> Any:
    """Flask."""
    return _switch("flask-sync").wsgi


def quart() -> Any:
    """Quart."""
    return _switch("quart-async").asgi


@dataclass(frozen=True)
class Site:
    """An application on a server.

    Attributes:
        name: for the test's id.
        make: makes the server, given a folder for its log and a guard that is told of its threads.
        reads_first: whether the server itself reads the whole body, before the application sees the request.
        breaks: whether it breaks connections all the same: it gives neither a socket nor a time-out to read with.
    """

    name: str
    make: Callable[[Path, ThreadGuard | None], Server]
    reads_first: bool = False
    breaks: bool = False

    def __str__(self) -> str:
        return self.name

    @contextlib.contextmanager
    def run(self, folder: Path, threads: ThreadGuard | None = None) -> Generator[Server, None, None]:
        """Serve."""
        with closing_all(), self.make(folder, threads) as server:
            yield server


def _gunicorn(factory: str, worker: str) -> Callable[[Path, ThreadGuard | None], Server]:
    return lambda folder, _: Gunicorn(f"{__name__}:{factory}", folder, worker_class=worker)


def _granian(factory: str, interface: str) -> Callable[[Path, ThreadGuard | None], Server]:
    return lambda folder, _: Granian(f"{__name__}:{factory}", folder, interface=interface)


def _uwsgi(door: str) -> Callable[[Path, ThreadGuard | None], Server]:
    return lambda folder, _: Uwsgi(f"{__name__}:flask", folder, door=door)


SITES: Mapping[str, Site] = {
    site.name: site
    for site in (
        Site("asgi-uvicorn-h11", lambda _, threads: Uvicorn(asgi(), http="h11", threads=threads)),
        Site("asgi-uvicorn-httptools", lambda _, threads: Uvicorn(asgi(), http="httptools", threads=threads)),
        Site("asgi-hypercorn-asyncio", lambda _, threads: Hypercorn(asgi(), threads=threads)),
        Site("asgi-hypercorn-trio", lambda _, threads: Hypercorn(asgi(), loop="trio", threads=threads)),
        Site("quart-hypercorn-asyncio", lambda _, threads: Hypercorn(quart(), threads=threads)),
        Site("starlette-alone-hypercorn-asyncio", lambda _, threads: Hypercorn(starlette_alone(), threads=threads)),
        Site("fastapi-alone-hypercorn-asyncio", lambda _, threads: Hypercorn(fastapi_alone(), threads=threads)),
        Site("quart-alone-hypercorn-asyncio", lambda _, threads: Hypercorn(quart_alone(), threads=threads)),
        Site("asgi-granian", _granian("asgi", "asgi")),
        Site("asgi-gunicorn-asgi", _gunicorn("asgi", "asgi")),
        Site("flask-werkzeug", lambda _, threads: Werkzeug(flask(), threads=threads)),
        Site("flask-gunicorn-sync", _gunicorn("flask", "sync")),
        Site("flask-gunicorn-gthread", _gunicorn("flask", "gthread")),
        Site("flask-gunicorn-gevent", _gunicorn("flask", "gevent")),
        Site("flask-uwsgi-http-socket", _uwsgi("http-socket")),
        Site("flask-uwsgi-http", _uwsgi("http")),
        Site("flask-granian", _granian("flask", "wsgi"), breaks=True),
        Site("flask-waitress", lambda folder, _: Waitress(f"{__name__}:flask", folder), reads_first=True),
    )
}
