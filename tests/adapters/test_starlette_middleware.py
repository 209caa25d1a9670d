"""Starlette: mounts, the middleware, and requests within requests."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.authentication import AuthCredentials, requires
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route

from async_kerberos.adapters import asgi
from async_kerberos.adapters.starlette import KerberosMiddleware, KerberosUser, init_kerberos, requires_authentication

from ..support.initiator import fresh
from .starlette_views import BACKENDS, configured, sync_view, view, without_init
from .support import HOST, SECOND, ask, check


def test_mounts(user: str) -> None:
    """In a mounted application the nearest configuration holds: its own, or else its parent's."""
    own = configured(Route("/", view), hostname=SECOND)
    plain = Starlette(routes=[Route("/", view)])
    app = configured(Mount("/own", own), Mount("/plain", plain), Route("/", view))
    check(app, "/own/", user, host=SECOND)
    check(app, "/plain/", user)
    check(app, "/", user)
    assert ask(app, "/own/", fresh()).status == 403
    assert ask(app, "/plain/", fresh(f"HTTP@{SECOND}")).status == 403


@pytest.mark.parametrize("backend", BACKENDS)
def test_middleware(user: str, backend: str) -> None:
    """The middleware guards all routes, also those that are not there, and sets ``request.user`` and ``auth``."""

    @requires("authenticated")
    async def who(request: Request) -> Response:
        assert isinstance(request.user, KerberosUser)
        assert request.user.is_authenticated
        assert request.user.kerberos_identity == request.scope["kerberos"]
        assert request.user.identity == request.user.display_name
        return PlainTextResponse(request.user.display_name)

    app = Starlette(routes=[Route("/", who)], middleware=[Middleware(KerberosMiddleware, hostname=HOST)])
    check(app, "/", user, backend=backend)
    assert ask(app, "/nowhere").status == 401
    answer = ask(app, "/nowhere", fresh())
    assert (answer.status, len(answer.challenges)) == (404, 1)


def test_auth_is_added_to(user: str) -> None:
    """What another middleware has granted stays beside ``authenticated``."""

    async def scopes(request: Request) -> Response:
        return PlainTextResponse(" ".join(request.auth.scopes))

    inner = KerberosMiddleware(Starlette(routes=[Route("/", scopes)]), hostname=HOST)

    async def granting(scope: Any, receive: Any, send: Any) -> None:
        scope["auth"] = AuthCredentials(["intranet"])
        await inner(scope, receive, send)

    assert ask(granting, "/", fresh()).text == "intranet authenticated"


@pytest.mark.parametrize("middleware", [KerberosMiddleware, asgi.KerberosMiddleware])
def test_nesting(user: str, middleware: Any) -> None:
    """Below a middleware a view is of that middleware's service, takes no second step, and adds no second reply."""
    plain = Starlette(routes=[Route("/", view), Route("/sync", sync_view)])
    check(middleware(plain, hostname=HOST), "/", user)
    check(middleware(plain, hostname=HOST), "/sync", f"{user} False")
    check(middleware(middleware(plain, hostname=HOST), hostname="*"), "/", user)
    check(middleware(configured(Route("/", view)), hostname="*"), "/", user)


def test_rules_of_an_inner_service(user: str) -> None:
    """Below another service's check, a view's own rules decide on the ticket; nothing is stepped twice."""
    app = KerberosMiddleware(configured(Route("/", view)), hostname="*")
    answer = ask(app, "/", fresh(f"HTTP@{SECOND}"))
    assert (answer.status, answer.text) == (403, "Forbidden")


def test_requests_do_not_mix(user: str) -> None:
    """A request that a signed-in view makes within the process is not signed in by it."""
    inner = configured(Route("/", view))

    @requires_authentication
    def outer(user: str, request: Request) -> Response:
        return PlainTextResponse(str(ask(inner, "/").status))

    assert ask(configured(Route("/", outer)), "/", fresh()).text == "401"


def test_copied_scope(user: str) -> None:
    """A scope that is copied for another request, with other credentials or none, carries no sign-in over."""
    inner = configured(Route("/", view))
    statuses: list[int] = []

    async def batch(scope: Any, receive: Any, send: Any) -> None:
        async def note(message: Any) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])

        await inner({**scope, "headers": []}, receive, note)
        await inner(scope, receive, send)

    check(KerberosMiddleware(batch, hostname=HOST), "/", user)
    assert statuses == [401]


class Copying:
    """A middleware that hands on a copy of the scope."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.app(dict(scope), receive, send)


def test_copied_scope_of_one_request(user: str) -> None:
    """A middleware that copies the scope loses no reply, on either side of ours, and with no other around the view."""
    for app in (configured(Route("/", view)), without_init(("/", view.__wrapped__))):  # type: ignore[attr-defined]
        app.add_middleware(Copying)
        check(app, "/", user)
    app = Starlette(routes=[Route("/", view)], middleware=[Middleware(Copying)])
    init_kerberos(app, hostname=HOST)
    check(app, "/", user)
    check(KerberosMiddleware(Copying(KerberosMiddleware(app, hostname=HOST)), hostname=HOST), "/", user)
