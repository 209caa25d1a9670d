"""Who may enter, by the application's rules and by those of a place within it, on every adapter."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from fastapi import Depends, FastAPI
from flask import Flask
from quart import Quart
from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from werkzeug.test import Client

from async_kerberos import Access, AuthRequest, ConfigurationError, Identity, Kerberos
from async_kerberos.adapters import asgi, fastapi, flask, quart, starlette, wsgi
from async_kerberos.rights.access import AccessOptions

from ..support.initiator import Initiator, reply_token
from .support import HOST, Answer, ask

Rules = AccessOptions


def by_path(identity: Identity, request: AuthRequest) -> bool:
    """What an application may ask of a request."""
    known = (request.method, bool(request.host), request.authorization, request.earlier)
    return identity.name == "alice" and request.path == "/asked" and known == ("GET", True, (), None)


def who(user: str) -> str:
    """A view."""
    return user


def nobody(*_: object) -> bool:
    """Lets nobody in."""
    return False


async def later(identity: Identity, request: AuthRequest) -> bool:
    """The same, async."""
    return by_path(identity, request)


RULES: dict[str, Rules] = {
    "/usual": {},
    "/alice": {"principals": ["alice@KRBTEST.COM"], "realms": ["KRBTEST.COM"]},
    "/admins": {"principals": ["*/admin@KRBTEST.COM"]},
    "/others": {"realms": ["OTHER.TEST"]},
    "/asked": {"authorize": later},
    "/not-asked": {"authorize": by_path},
}
"""The rules of each path's place."""

ENTERED = {"/usual", "/alice", "/asked"}


def make_flask(application: Access | None) -> Any:
    app = Flask(__name__)
    flask.init_kerberos(app, hostname=HOST, access=application)
    for path, rules in RULES.items():

        @flask.requires_authentication(**rules)
        def view(user: str) -> str:
            return user

        app.add_url_rule(path, path, view)
    return app


def make_flask_async(application: Access | None) -> Any:
    app = Flask(__name__)
    flask.init_kerberos(app, hostname=HOST, access=application)
    for path, rules in RULES.items():

        @flask.requires_authentication(**rules)
        async def view(user: str) -> str:
            return user

        app.add_url_rule(path, path, view)
    return app


def make_quart(application: Access | None) -> Any:
    app = Quart(__name__)
    quart.init_kerberos(app, hostname=HOST, access=application)
    for path, rules in RULES.items():

        @quart.requires_authentication(**rules)
        async def view(user: str) -> str:
            return user

        app.add_url_rule(path, path, view)
    return app


def make_quart_sync(application: Access | None) -> Any:
    app = Quart(__name__)
    quart.init_kerberos(app, hostname=HOST, access=application)
    for path, rules in RULES.items():

        @quart.requires_authentication(**rules)
        def view(user: str) -> str:
            return user

        app.add_url_rule(path, path, view)
    return app


def make_starlette(application: Access | None) -> Any:
    routes: list[Route] = []
    for number, (path, rules) in enumerate(RULES.items()):

        @starlette.requires_authentication(**rules)
        def view(user: str, request: Request) -> Response:
            return PlainTextResponse(user)

        @starlette.requires_authentication(**rules)
        class Endpoint(HTTPEndpoint):
            async def get(self, user: str, request: Request) -> Response:
                return PlainTextResponse(user)

        routes.append(Route(path, view if number % 2 else Endpoint))
    app = Starlette(routes=routes)
    starlette.init_kerberos(app, hostname=HOST, access=application)
    return app


def make_fastapi(application: Access | None) -> Any:
    app = FastAPI()
    fastapi.init_kerberos(app, hostname=HOST, access=application)
    for path, rules in RULES.items():

        async def view(user: Any = Depends(fastapi.KerberosIdentity(**rules))) -> Response:
            return PlainTextResponse(user.principal)

        app.add_api_route(path, view)
    return app


async def _application(scope: Any, receive: Any, send: Any) -> None:
    await PlainTextResponse(scope["kerberos"].principal)(scope, receive, send)


def make_asgi(application: Access | None) -> Any:
    kerberos = Kerberos(hostname=HOST, access=application)
    apps = {
        path: asgi.KerberosMiddleware(_application, kerberos, access=Access(**rules)) for path, rules in RULES.items()
    }

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await apps[scope["path"]](scope, receive, send)

    return app


def _greet(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    start_response("200 OK", [])
    return [environ["REMOTE_USER"].encode()]


class make_wsgi:  # noqa: N801 - as the others are called
    """The middleware of WSGI, asked as the others are."""

    def __init__(self, application: Access | None) -> None:
        kerberos = Kerberos(hostname=HOST, access=application)
        self.apps = {
            path: wsgi.KerberosMiddleware(_greet, kerberos, access=Access(**rules)) for path, rules in RULES.items()
        }

    def test_client(self) -> Client:
        """As Flask's."""
        return Client(lambda environ, start_response: self.apps[environ["PATH_INFO"]](environ, start_response))


MAKERS: list[Callable[[Access | None], Any]] = [
    make_flask,
    make_flask_async,
    make_quart,
    make_quart_sync,
    make_starlette,
    make_fastapi,
    make_asgi,
    make_wsgi,
]
ALL: Any = [pytest.param(make, id=make.__name__) for make in MAKERS]


def enter(app: Any, path: str) -> Answer:
    """Ask with a ticket. Whatever the answer is, its reply proves the server."""
    initiator = Initiator(f"HTTP@{HOST}")
    answer = ask(app, path, initiator.header)
    initiator.verify(reply_token(answer.challenges))
    return answer


@pytest.mark.parametrize("make", ALL)
def test_places(user: str, make: Callable[[Access | None], Any]) -> None:
    """Each place lets those in whom its rules name, and answers 403 to the others."""
    app = make(None)
    for path in RULES:
        answer = enter(app, path)
        assert (answer.status, answer.text == user) == ((200, True) if path in ENTERED else (403, False)), path
        assert ask(app, path).status == 401


@pytest.mark.parametrize("make", ALL)
def test_application(user: str, make: Callable[[Access | None], Any]) -> None:
    """The application's rules have to let them in as well, at every place."""
    open_app, closed = make(Access(principals=["*@KRBTEST.COM"])), make(Access(authorize=nobody))
    for path in RULES:
        assert enter(open_app, path).status == (200 if path in ENTERED else 403), path
        assert enter(closed, path).status == 403, path


@pytest.mark.parametrize("make", ALL)
def test_faults(user: str, make: Callable[[Access | None], Any], caplog: pytest.LogCaptureFixture) -> None:
    """A function that fails lets nobody in: 500, and the log says what it was and where it was raised."""

    async def fails(*_: object) -> bool:
        raise LookupError("no such user here")

    def odd(*_: object) -> Any:
        return "yes"

    for function, said in ((fails, "authorize, for"), (odd, "authorize returned an object of type str")):
        caplog.clear()
        assert enter(make(Access(authorize=function)), "/usual").status == 500
        assert said in caplog.text
        assert ("LookupError: no such user here" in caplog.text) is (function is fails)


GUARDS: Any = [
    flask.requires_authentication,
    quart.requires_authentication,
    starlette.requires_authentication,
    fastapi.KerberosIdentity,
]


@pytest.mark.parametrize("guard", GUARDS)
def test_wrong_rule(guard: Callable[..., Any]) -> None:
    """A rule that is wrong is refused where it is given."""
    with pytest.raises(ConfigurationError, match="'bob' of which realm"):
        guard(principals=["bob"])
    with pytest.raises(ConfigurationError, match=r"^groups: "):
        guard(groups=["staff"])
    with pytest.raises(ConfigurationError, match=r"^principals: is None"):
        guard(principals=None)  # a setting that is missing, say, lets nobody in
    with pytest.raises(ConfigurationError, match=r"^authorize: is None"):
        guard(authorize=None)


@pytest.mark.parametrize("guard", GUARDS[:3])
def test_options_of_a_decorator(guard: Callable[..., Any]) -> None:
    """There is no other option; one that is given later counts beside those that were given before."""
    with pytest.raises(TypeError, match="'realm'"):
        guard(realm="KRBTEST.COM")
    with pytest.raises(ConfigurationError, match="of which realm"):
        guard(realms=["KRBTEST.COM"])(principals=["bob"])


@pytest.mark.parametrize("guard", GUARDS[:3])
def test_rules_stay_as_they_were_given(guard: Callable[..., Any]) -> None:
    """A decorator has its rules as it got them, from an iterator too, for each view and each decorator made of it."""
    names = ["alice@KRBTEST.COM"]
    decorator = guard(realms=iter(["KRBTEST.COM"]), principals=names)
    names.append("bob")  # which would be refused
    for made in (decorator, decorator(cross_site="allow")):
        assert callable(made(who))


def test_a_rule_that_is_given_later(user: str) -> None:
    """A decorator that is made of another one has the other one's rules, too."""
    members = flask.requires_authentication(realms=["OTHER.TEST"])
    app = Flask(__name__)
    flask.init_kerberos(app, hostname=HOST)
    for path, guard in (("/both", members(principals=["*@KRBTEST.COM"])), ("/again", members(realms=["KRBTEST.COM"]))):

        @guard
        def view(user: str) -> str:
            return user

        app.add_url_rule(path, path, view)
    assert [enter(app, path).status for path in ("/both", "/again")] == [403, 200]


@pytest.mark.parametrize(
    "middleware",
    [functools.partial(asgi.KerberosMiddleware, _application), functools.partial(wsgi.KerberosMiddleware, _greet)],
)
def test_access_is_no_option_of_the_service(middleware: Callable[..., Any]) -> None:
    """``access`` stands beside ``kerberos``; with other options, it is the middleware's own service's."""
    access, kerberos = Access(realms=["KRBTEST.COM"]), Kerberos(hostname=HOST)
    assert middleware(kerberos, access=access).kerberos is kerberos
    assert middleware(access=access).kerberos is None
    assert middleware(hostname=HOST, access=access).kerberos.access is access
    with pytest.raises(ConfigurationError, match=r"^access: must be Access"):
        middleware(access={"realms": ["KRBTEST.COM"]})
