"""Applications that say which of their views a request has reached; of each, two paths are exempt."""

# No `from __future__ import annotations`: FastAPI resolves names in a module, and these are in a function.

from collections.abc import Callable, Iterable
from typing import Any

from flask import Flask
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from async_kerberos.adapters import asgi, wsgi

from ..support import HOSTNAME

VIEW = "X-View"
"""The header field of an answer that names the view."""

EXEMPT = ["/health", "/static/*", "/sub/*"]
"""What the outer middleware exempts: all of ``/sub``, where another one stands."""

EXEMPT_BELOW = ["/health"]
"""What that one exempts: paths below ``/sub``."""

OPEN = {"health", "static", "sub-health"}
"""The views that routers map these paths to."""

ROUTES = {"/health": "health", "/static/{path}": "static", "/files/{path}": "files", "/{path}": "other"}
ROUTES_BELOW = {"/health": "sub-health", "/{path}": "sub-other"}


def bare() -> Any:
    """No framework: the path is compared as it is. WebSockets are accepted, too."""

    def inner(prefix: str) -> Any:
        async def application(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "lifespan":
                return
            path: str = scope["path"].removeprefix(scope.get("root_path", ""))
            view = "health" if path == "/health" else "static" if path.startswith("/static/") else "other"
            await _answer(scope, send, f"{prefix}{view}")

        return application

    async def _answer(scope: Any, send: Any, view: str) -> None:
        fields = [(VIEW.lower().encode(), view.encode())]
        if scope["type"] == "websocket":
            await send({"type": "websocket.accept", "headers": fields})
            await send({"type": "websocket.close", "code": 1000})
            return
        fields.append((b"content-length", b"0"))
        await send({"type": "http.response.start", "status": 200, "headers": fields})
        await send({"type": "http.response.body", "body": b""})

    main, below = inner(""), asgi.KerberosMiddleware(inner("sub-"), hostname=HOSTNAME, exempt=EXEMPT_BELOW)

    async def dispatch(scope: Any, receive: Any, send: Any) -> None:
        root = scope.get("root_path", "") + "/sub"
        if scope.get("path", "").startswith(f"{root}/"):
            await below({**scope, "root_path": root}, receive, send)
        else:
            await main(scope, receive, send)

    return asgi.KerberosMiddleware(dispatch, hostname=HOSTNAME, exempt=EXEMPT)


def starlette() -> Any:
    """Starlette, with a mount."""
    from starlette.applications import Starlette
    from starlette.middleware import Middleware
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Mount, Route

    from async_kerberos.adapters.starlette import KerberosMiddleware

    def route(path: str, view: str) -> Route:
        async def endpoint(request: Request) -> Response:
            return Response(headers={VIEW: view})

        return Route(path.replace("{path}", "{path:path}"), endpoint)

    def guarded(exempt: list[str]) -> Any:
        return [Middleware(KerberosMiddleware, hostname=HOSTNAME, exempt=exempt)]

    below = Starlette(routes=[route(*item) for item in ROUTES_BELOW.items()], middleware=guarded(EXEMPT_BELOW))
    routes = [Mount("/sub", below), *(route(*item) for item in ROUTES.items())]
    return Starlette(routes=routes, middleware=guarded(EXEMPT))


def fastapi() -> Any:
    """FastAPI, with a mount."""
    from fastapi import FastAPI, Response

    from async_kerberos.adapters.fastapi import KerberosMiddleware

    def build(routes: dict[str, str], exempt: list[str]) -> FastAPI:
        app = FastAPI()
        app.add_middleware(KerberosMiddleware, hostname=HOSTNAME, exempt=exempt)
        if routes is ROUTES:
            app.mount("/sub", build(ROUTES_BELOW, EXEMPT_BELOW))
        for path, view in routes.items():

            async def endpoint(view: str = view) -> Response:
                return Response(headers={VIEW: view})

            app.get(path.replace("{path}", "{path:path}"))(_without_parameters(endpoint))
        return app

    return build(ROUTES, EXEMPT)


def _without_parameters(endpoint: Callable[[], Any]) -> Callable[[], Any]:
    async def alone() -> Any:
        return await endpoint()

    return alone


def _pallets(app: Any, routes: dict[str, str], respond: Callable[[], Any]) -> Any:
    """Add the routes to an application of Flask or Quart."""

    def add(path: str, view: str) -> None:
        def endpoint(path: str = "") -> Any:
            response = respond()
            response.headers[VIEW] = view
            return response

        app.add_url_rule(path.replace("{path}", "<path:path>"), view, endpoint)

    for path, view in routes.items():
        add(path, view)
    return app


def quart() -> Any:
    """Quart."""
    from quart import Quart, Response

    routes = {**{f"/sub{path}": view for path, view in ROUTES_BELOW.items()}, **ROUTES}
    app = Quart(__name__, static_folder=None)
    _pallets(app, routes, lambda: Response(""))
    # Quart has no mounts: what is below /sub is exempted here.
    exempt = ["/health", "/static/*", "/sub/health"]
    guard: Any = asgi.KerberosMiddleware(app.asgi_app, hostname=HOSTNAME, exempt=exempt)
    app.asgi_app = guard  # type: ignore[method-assign] # Quart's documentation says to
    return app


def flask() -> Any:
    """Flask, with another application below ``/sub``."""
    from flask import Response

    def build(routes: dict[str, str], exempt: list[str]) -> Flask:
        app = Flask(__name__, static_folder=None)
        _pallets(app, routes, Response)
        app.wsgi_app = wsgi.KerberosMiddleware(app.wsgi_app, hostname=HOSTNAME, exempt=exempt)  # type: ignore[method-assign]
        return app

    app, below = build(ROUTES, EXEMPT), build(ROUTES_BELOW, EXEMPT_BELOW)
    # Within the outer middleware, which exempts all of it.
    guard: Any = app.wsgi_app
    guard.app = DispatcherMiddleware(guard.app, {"/sub": below})
    return app


def _without_targets(app: Any) -> Any:
    """An application of WSGI on a server that says nothing of how the client has written the path."""

    def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        for name in ("REQUEST_URI", "RAW_URI"):
            environ.pop(name, None)
        result: Iterable[bytes] = app(environ, start_response)
        return result

    return application


def flask_without_targets() -> Any:
    """Flask on such a server."""
    return _without_targets(flask())
