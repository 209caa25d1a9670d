"""The sites that a browser goes to: one that asks for a ticket, and others, which would like to use it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from flask import Flask
from flask import request as flask_request
from quart import Quart, websocket
from quart import request as quart_request

from async_kerberos.adapters import flask, quart
from async_kerberos.adapters.asgi import KerberosMiddleware

from ..support import HOSTNAME
from ..support.apps import Options
from ..support.guards import ThreadGuard
from ..support.servers import Hypercorn, Server, Uvicorn, Werkzeug
from ..support.tls import Served

WEBSOCKET = "WebSocket"
"""In place of a method."""

METHODS = ["GET", "POST", "PUT"]

# What ends the answer to a handshake, or to a request.
_STATUS = {"websocket.accept": 101, "websocket.close": 403}


class Page(NamedTuple):
    """What a site shows at ``/page``."""

    html: str = ""
    headers: Mapping[str, str] = {}
    status: int = 200


class Answer(NamedTuple):
    """How a site has answered a request for ``/act``."""

    method: str
    ticket: bool
    status: int
    origin: str | None
    fetch_site: str | None


@dataclass
class Site:
    """A site that is served.

    Attributes:
        scheme: ``http`` or ``https``.
        page: what it shows at ``/page``.
        ran: the runs of the view ``/act``: the method, and the user.
        answers: the answers to requests for ``/act``.
        port: where it is served.
    """

    scheme: str
    page: Page = field(default_factory=Page)
    ran: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    answers: list[Answer] = field(default_factory=list[Answer])
    port: int = 0

    def origin(self, host: str = HOSTNAME) -> str:
        """Its origin, by one of its host names."""
        return f"{self.scheme}://{host}:{self.port}"

    @property
    def settled(self) -> bool:
        """Whether a request has had an answer that no browser meets by another request."""
        return any(answer.status != 401 for answer in self.answers)

    def clear(self) -> None:
        """Forget what has been done."""
        self.ran.clear()
        self.answers.clear()

    def act(self, method: str, user: str) -> None:
        """The view ``/act``: it does something in the user's name."""
        self.ran.append((method, user))

    def answer(self, path: str, method: str, status: int, fields: Mapping[str, str]) -> None:
        """Note an answer."""
        if path == "/act":
            ticket = "authorization" in fields
            self.answers.append(Answer(method, ticket, status, fields.get("origin"), fields.get("sec-fetch-site")))


def _noting_asgi(app: Any, site: Site) -> Any:
    async def noting(scope: Any, receive: Any, send: Any) -> None:
        answered = scope["type"] == "lifespan"

        async def noting_send(message: Any) -> None:
            nonlocal answered
            status = _STATUS.get(message["type"], message.get("status"))
            if status is not None and not answered:
                answered = True
                fields = {name.decode(): value.decode("latin-1") for name, value in scope["headers"]}
                site.answer(scope["path"], scope.get("method", WEBSOCKET), status, fields)
            await send(message)

        await app(scope, receive, noting_send)

    return noting


def _noting_wsgi(app: Any, site: Site) -> Any:
    def noting(environ: dict[str, Any], start_response: Any) -> Any:
        names = {
            "HTTP_AUTHORIZATION": "authorization",
            "HTTP_ORIGIN": "origin",
            "HTTP_SEC_FETCH_SITE": "sec-fetch-site",
        }
        fields = {field: environ[name] for name, field in names.items() if name in environ}

        def noting_start(status: str, *arguments: Any) -> Any:
            site.answer(environ["PATH_INFO"], environ["REQUEST_METHOD"], int(status[:3]), fields)
            return start_response(status, *arguments)

        return app(environ, noting_start)

    return noting


async def _respond(send: Any, page: Page) -> None:
    headers = [(name.lower().encode(), value.encode()) for name, value in page.headers.items()]
    headers += [(b"content-type", b"text/html"), (b"content-length", str(len(page.html)).encode())]
    await send({"type": "http.response.start", "status": page.status, "headers": headers})
    await send({"type": "http.response.body", "body": page.html.encode()})


def _asgi(site: Site, options: Options) -> Any:
    async def application(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            return
        if scope["path"] != "/act":  # browsers ask for a /favicon.ico, too
            await _respond(send, site.page if scope["path"] == "/page" else Page(status=404))
            return
        site.act(scope.get("method", WEBSOCKET), str(scope["kerberos"]))
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.accept"})
            await send({"type": "websocket.close"})
        else:
            await _respond(send, Page())

    return _noting_asgi(KerberosMiddleware(application, **options), site)


def _flask(site: Site, options: Options) -> Any:
    app = Flask("site")
    flask.init_kerberos(app, **options)

    @app.get("/page")
    @flask.requires_authentication
    def page(user: str) -> Any:
        return site.page.html, site.page.status, site.page.headers

    @app.route("/act", methods=METHODS)
    @flask.requires_authentication
    def act(user: str) -> str:
        site.act(flask_request.method, user)
        return ""

    return _noting_wsgi(app, site)


def _quart(site: Site, options: Options) -> Any:
    app = Quart("site")
    quart.init_kerberos(app, **options)

    @app.get("/page")
    @quart.requires_authentication
    async def page(user: str) -> Any:
        return site.page.html, site.page.status, dict(site.page.headers)

    @app.route("/act", methods=METHODS)
    @quart.requires_authentication
    async def act(user: str) -> str:
        site.act(quart_request.method, user)
        return ""

    @app.websocket("/act")
    @quart.requires_authentication
    async def act_by_websocket(user: str) -> None:
        site.act(WEBSOCKET, user)
        await websocket.send("done")

    return _noting_asgi(app, site)


def _others(site: Site, options: Options) -> Any:
    async def application(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/to":
            await _respond(send, Page("", {"Location": scope["query_string"].decode()}, 307))
        elif scope["type"] == "http":
            await _respond(send, site.page if scope["path"] == "/page" else Page(status=404))

    return application


def _files(served: Served | None, prefix: str = "") -> dict[str, Any]:
    if served is None:
        return {}
    return {f"{prefix}certfile": str(served.certfile), f"{prefix}keyfile": str(served.keyfile)}


def _uvicorn(app: Any, served: Served | None, threads: ThreadGuard) -> Server:
    return Uvicorn(app, threads=threads, lifespan="off", **_files(served, "ssl_"))


def _hypercorn(app: Any, served: Served | None, threads: ThreadGuard) -> Server:
    return Hypercorn(app, threads=threads, **_files(served))


def _werkzeug(app: Any, served: Served | None, threads: ThreadGuard) -> Server:
    return Werkzeug(app, threads=threads, ssl_context=tuple(_files(served).values()) or None)


_Builder = Callable[[Site, Options], Any]
_Starter = Callable[[Any, Served | None, ThreadGuard], Server]

OTHERS = "others"
KINDS: dict[str, tuple[_Builder, _Starter]] = {
    "asgi": (_asgi, _uvicorn),
    "flask": (_flask, _werkzeug),
    "quart": (_quart, _hypercorn),  # over TLS, by HTTP/2
    # Hosts that are not this site's, and ask for no ticket.
    OTHERS: (_others, _uvicorn),
}


@contextlib.contextmanager
def serve(kind: str, scheme: str, served: Served, threads: ThreadGuard, **options: Any) -> Generator[Site, None, None]:
    """Serve a site.

    Args:
        kind: one of ``KINDS``.
        scheme: ``http`` or ``https``.
        served: the certificate for ``https``.
        threads: told of the server's thread.
        options: of ``Kerberos``.
    """
    build, start = KINDS[kind]
    site = Site(scheme)
    with start(build(site, options), served if scheme == "https" else None, threads) as server:
        assert not isinstance(server.address, str)
        site.port = server.address[1]
        yield site
