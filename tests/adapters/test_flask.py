"""Flask: where the decorator can stand, and what the view finds."""

from __future__ import annotations

import functools
import logging
from typing import Any, ClassVar

import pytest
from flask import Blueprint, Flask, Response, g, request
from flask.views import MethodView
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.test import run_wsgi_app

from async_kerberos import Kerberos
from async_kerberos.adapters.flask import init_kerberos, requires_authentication

from ..support.initiator import TWO_LEGS, Initiator, fresh, negotiate, reply_token
from .decorators import passing_on_sync
from .support import HOST, SECOND, ask, check


def greet(user: str) -> str:
    return user


def say_nothing(user: str) -> None: ...


@pytest.fixture
def app() -> Flask:
    app = Flask(__name__)
    init_kerberos(app, hostname=HOST)
    return app


def test_function(app: Flask, user: str) -> None:
    """The decorator takes functions, sync and async, bare, with parentheses and with their own Kerberos."""

    @app.get("/bare")
    @requires_authentication
    def bare(user: str) -> str:
        return user

    @app.get("/parentheses/<int:number>")
    @requires_authentication()
    async def parentheses(user: str, number: int) -> str:
        return f"{user}{number}"

    @app.get("/own")
    @requires_authentication(kerberos=Kerberos(hostname=SECOND))
    def own(user: str) -> str:
        return user

    check(app, "/bare", user)
    check(app, "/parentheses/7", f"{user}7")
    check(app, "/own", user, host=SECOND)
    assert ask(app, "/own", fresh()).status == 403


def test_object_as_a_view(app: Flask, user: str) -> None:
    """An object that is called as a view may be async, too."""

    class Greeting:
        async def __call__(self, user: str) -> str:
            return user

    app.add_url_rule("/object", "object", requires_authentication(Greeting()))
    check(app, "/object", user)


def test_method_view(app: Flask, user: str) -> None:
    """Methods of a ``MethodView`` can be decorated, and all of them together by ``decorators``."""

    class Methods(MethodView):
        @requires_authentication
        def get(self, user: str, number: int) -> str:
            return f"{user}{number}{type(self).__name__}"

        @requires_authentication
        async def post(self, user: str, number: int) -> str:
            return f"{user}{number}"

    class Decorated(MethodView):
        decorators: ClassVar[list[Any]] = [requires_authentication]

        def get(self, user: str, number: int) -> str:
            return f"{user}{number}"

    app.add_url_rule("/methods/<int:number>", view_func=Methods.as_view("methods"))
    app.add_url_rule("/decorated/<int:number>", view_func=Decorated.as_view("decorated"))
    check(app, "/methods/7", f"{user}7Methods")
    check(app, "/methods/7", f"{user}7", method="POST")
    check(app, "/decorated/7", f"{user}7")


def test_before_request(app: Flask, user: str) -> None:
    """As a ``before_request`` of the application or a blueprint it guards all of it; a view inside takes no step."""
    blueprint = Blueprint("part", __name__, url_prefix="/part")

    @blueprint.before_request
    @requires_authentication
    def guard(user: str) -> None:
        g.guarded = user

    @blueprint.get("/guarded")
    def guarded() -> str:
        return str(g.guarded)

    @blueprint.get("/twice")
    @requires_authentication
    def twice(user: str) -> str:
        return user

    @app.get("/open")
    def open_view() -> str:
        return "open"

    app.register_blueprint(blueprint)
    check(app, "/part/guarded", user)
    check(app, "/part/twice", user)
    assert ask(app, "/open").text == "open"

    whole = Flask(__name__)
    init_kerberos(whole, hostname=HOST)
    whole.before_request(requires_authentication(say_nothing))
    whole.add_url_rule("/", view_func=lambda: request.remote_user or "")
    check(whole, "/", user)
    assert ask(whole, "/nowhere").status == 401
    assert ask(whole, "/nowhere", fresh()).status == 404


def test_two_objects_on_one_request(app: Flask, user: str) -> None:
    """Below another object's check the token is not stepped again: the view's own rules decide."""

    @app.before_request
    @requires_authentication(kerberos=Kerberos(hostname="*"))
    def guard(user: str) -> None: ...

    @app.get("/")
    @requires_authentication
    def view(user: str) -> str:
        return user

    check(app, "/", user)
    assert ask(app, "/", fresh(f"HTTP@{SECOND}")).status == 403


def test_what_the_view_finds(app: Flask, user: str) -> None:
    """The identity is at ``g.kerberos_identity``, the principal at ``REMOTE_USER``."""

    @app.get("/")
    @requires_authentication
    def view(user: str) -> list[Any]:
        identity = g.kerberos_identity
        return [identity.principal, identity.service_principal, request.environ["REMOTE_USER"], request.remote_user]

    client = app.test_client()
    assert client.get("/", headers={"Authorization": fresh()}).json == [user, f"HTTP/{HOST}@KRBTEST.COM", user, user]


def test_requests_do_not_mix(app: Flask, user: str) -> None:
    """A request without a ticket is not signed in by an earlier one, nor by one that it is made within."""

    @app.get("/inner")
    @requires_authentication
    def inner(user: str) -> str:
        return user

    @app.get("/outer")
    @requires_authentication
    def outer(user: str) -> str:
        return str(app.test_client().get("/inner").status_code)

    assert ask(app, "/outer", fresh()).text == "401"
    assert ask(app, "/inner").status == 401


@pytest.mark.parametrize(
    ("environ", "status"),
    [
        ({"REMOTE_PORT": "40000"}, 200),
        ({"REMOTE_PORT": 40000}, 200),
        ({}, 403),
        ({"REMOTE_PORT": "0"}, 403),
        ({"REMOTE_PORT": ""}, 403),
        ({"REMOTE_PORT": "\N{SUPERSCRIPT TWO}"}, 403),
        ({"REMOTE_PORT": "40000", "REMOTE_ADDR": ""}, 403),
        ({"REMOTE_PORT": "40000", "SERVER_PROTOCOL": "HTTP/2"}, 403),
        ({"REMOTE_PORT": "40000", "HTTP_FORWARDED": "for=192.0.2.7"}, 403),
        ({"REMOTE_PORT": "40000", "werkzeug.proxy_fix.orig": {}}, 403),
        ({"REMOTE_PORT": "40000", "HTTP_X_FORWARDED_FOR": "192.0.2.7"}, 403),
    ],
)
def test_two_legs(app: Flask, user: str, environ: dict[str, Any], status: int) -> None:
    """An exchange of two legs completes where the server tells the client's connection, and is refused elsewhere."""
    app.add_url_rule("/", view_func=requires_authentication(greet))
    client = app.test_client()
    initiator = Initiator(flags=TWO_LEGS)
    first = client.get("/", headers={"Authorization": initiator.header}, environ_overrides=environ)
    assert first.status_code == (401 if status == 200 else 403)
    if status == 200:
        token = initiator.step(reply_token(first.headers.getlist("WWW-Authenticate")))
        second = client.get("/", headers={"Authorization": negotiate(token)}, environ_overrides=environ)
        assert (second.status_code, second.text) == (200, user)


def test_hooks_that_change_the_response(app: Flask, user: str) -> None:
    """What the application's own hooks put in a response's place counts: it has the reply, but for a 401."""

    @app.get("/<int:status>")
    @requires_authentication
    def view(user: str, status: int) -> str:
        return user

    @app.after_request
    def replace(response: Response) -> Response:
        return Response("replaced", int(request.path[1:]))

    initiator = Initiator()
    answer = ask(app, "/418", initiator.header)
    assert (answer.status, answer.text) == (418, "replaced")
    initiator.verify(reply_token(answer.challenges))
    answer = ask(app, "/401", fresh())
    assert (answer.status, answer.challenges) == (401, [])


def copying(app: Any) -> Any:
    """A middleware that hands on a copy of the environ, as many do that change the path."""

    def copied(environ: dict[str, Any], start_response: Any) -> Any:
        return app(dict(environ), start_response)

    return copied


@pytest.mark.parametrize("times", [1, 2])
def test_copied_environ(app: Flask, user: str, times: int) -> None:
    """A middleware that copies the environ loses no reply, wherever it stands, nor what an outer check found."""
    app.before_request(requires_authentication(say_nothing))
    app.add_url_rule("/", view_func=requires_authentication(greet))
    for _ in range(times):
        carrier = app.extensions["async_kerberos.carrier"]
        carrier.app = copying(carrier.app)
        app.wsgi_app = copying(app.wsgi_app)  # type: ignore[method-assign] # as Flask's documentation has it
        init_kerberos(app, hostname=HOST)
    check(app, "/", user)


def test_environ_copied_for_another_request(app: Flask, user: str) -> None:
    """A request made within another, of a copied environ, has its own sign-in, and each response its own reply."""
    app.add_url_rule("/inner", view_func=requires_authentication(greet))
    inner = Initiator()

    @app.get("/")
    @requires_authentication
    def outer(user: str) -> str:
        for initiator in (None, inner):
            environ = {**request.environ, "PATH_INFO": "/inner"}
            environ.pop("HTTP_AUTHORIZATION")
            if initiator is not None:
                environ["HTTP_AUTHORIZATION"] = initiator.header
            answers.append(run_wsgi_app(app.wsgi_app, environ))
        return user

    answers: list[Any] = []
    check(app, "/", user)
    (_, denied, _), (_, status, headers) = answers
    assert (denied[:3], status[:3]) == ("401", "200")
    inner.verify(reply_token(headers.getlist("WWW-Authenticate")))


def taking_off(view: Any) -> Any:
    @functools.wraps(view)
    def wrapper(user: str, *args: Any, **kwargs: Any) -> Any:
        return f"{user} {view(*args, **kwargs)}"

    return wrapper


def passing_on_async(view: Any) -> Any:
    @functools.wraps(view)
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        return view(*args, **kwargs)

    return wrapper


def test_own_decorators(app: Flask, user: str) -> None:
    """A decorator below ours may take the user off, as on Flask-Kerberos, or pass it on, and stand in a class."""

    def without_user(number: int) -> str:
        return str(number)

    def with_user(user: str, number: int) -> str:
        return f"{user} {number}"

    class Methods(MethodView):
        @requires_authentication
        @passing_on_sync
        def get(this, principal: str, number: int) -> str:  # noqa: N805 - it need not be called self
            return f"{principal} {number} {type(this).__name__}"

        @requires_authentication
        def post(this, principal: str, number: int) -> str:  # noqa: N805
            return f"{principal} {number} {type(this).__name__}"

        @staticmethod
        @requires_authentication
        def function(user: str, number: int) -> str:
            return f"{user} {number}"

    views = {
        "/off": requires_authentication(taking_off(without_user)),
        "/on": requires_authentication(passing_on_sync(with_user)),
        "/async": requires_authentication(passing_on_async(with_user)),
        "/function": Methods.function,
        "/methods": Methods.as_view("methods"),
    }
    for path, view in views.items():
        app.add_url_rule(f"{path}/<int:number>", path[1:], view)
    for path in ("/off", "/on", "/async", "/function"):
        check(app, f"{path}/7", f"{user} 7")
    check(app, "/methods/7", f"{user} 7 Methods")
    check(app, "/methods/7", f"{user} 7 Methods", method="POST")


def test_configured_twice(app: Flask, user: str) -> None:
    """Where one application is configured twice, the last configuration counts."""
    init_kerberos(app, hostname=SECOND)

    @app.get("/")
    @requires_authentication
    def view(user: str) -> str:
        return user

    check(app, "/", user, host=SECOND)


def test_dispatcher(app: Flask, user: str) -> None:
    """Where an application is within another one, both configured, the reply comes once."""
    inner = Flask("inner")
    init_kerberos(inner, hostname=HOST)
    inner.add_url_rule("/", view_func=requires_authentication(greet))
    outer = Flask("outer")
    dispatcher: Any = DispatcherMiddleware(outer.wsgi_app, {"/inner": inner})
    outer.wsgi_app = dispatcher  # type: ignore[method-assign] # as Flask's documentation has it
    init_kerberos(outer, hostname=SECOND)
    outer.add_url_rule("/", view_func=requires_authentication(greet))
    check(outer, "/inner/", user)
    check(outer, "/", user, host=SECOND)


@pytest.mark.parametrize("configured", [True, False])
def test_shared_response(app: Flask, user: str, configured: bool) -> None:
    """A response object that a view returns to everybody keeps nobody's reply, and a 401 gets none."""
    shared = Response("shared")
    kerberos: Kerberos | None = None
    if not configured:
        app, kerberos = Flask(__name__), Kerberos(hostname=HOST)

    @app.get("/again")
    @requires_authentication(kerberos=kerberos)
    def again(user: str) -> tuple[str, int]:
        return "", 401

    @app.get("/")
    @requires_authentication(kerberos=kerberos)
    def view(user: str) -> Response:
        return shared

    for _ in range(2):
        check(app, "/", "shared")
    assert "WWW-Authenticate" not in shared.headers
    assert ask(app, "/again", fresh()).challenges == []


def test_errors_carry_the_reply(app: Flask, user: str) -> None:
    """A view's error that nobody handles still proves the server; its own 401 carries no reply."""

    @app.get("/crash")
    @requires_authentication
    def crash(user: str) -> str:
        raise LookupError("lost")

    @app.get("/again")
    @requires_authentication
    def again(user: str) -> Response:
        return Response(status=401)

    initiator = Initiator()
    answer = ask(app, "/crash", initiator.header)
    assert answer.status == 500
    initiator.verify(reply_token(answer.challenges))
    assert ask(app, "/again", fresh()).challenges == []


def test_defaults(this_host: str, user: str) -> None:
    """An application that configures nothing demands a ticket for this host."""
    app = Flask(__name__)
    app.add_url_rule("/", view_func=requires_authentication(greet))
    check(app, "/", user, host=this_host)


def test_two_applications(app: Flask, user: str, caplog: pytest.LogCaptureFixture) -> None:
    """Two applications in one process keep their own settings, and each logs its principal."""
    caplog.set_level(logging.INFO, "async_kerberos")
    other = Flask(__name__)
    assert init_kerberos(other, hostname=SECOND).hostname == SECOND
    assert f"Kerberos: server is HTTP/{SECOND}@KRBTEST.COM" in caplog.messages
    for either in (app, other):
        either.add_url_rule("/", view_func=requires_authentication(greet))
    check(app, "/", user)
    check(other, "/", user, host=SECOND)
    assert ask(app, "/", fresh(f"HTTP@{SECOND}")).status == 403


def test_status_without_a_number(app: Flask) -> None:
    """A status that an application has made without a number passes as it is, on routes that nobody guards too."""
    view: Any = lambda: ("short and stout", "teapot")  # noqa: E731 - which Flask's types do not know
    app.add_url_rule("/", view_func=view)
    body, status, _ = run_wsgi_app(app.wsgi_app, app.test_request_context("/").request.environ)
    assert (b"".join(body), status) == (b"short and stout", "0 teapot")


def test_credentials_taken_away(user: str) -> None:
    """Without init_kerberos, the reply is sent too where the view takes the credentials out of the environ."""
    app = Flask(__name__)

    @app.get("/")
    @requires_authentication(kerberos=Kerberos(hostname=HOST))
    def view(user: str) -> str:
        del request.environ["HTTP_AUTHORIZATION"]
        return user

    check(app, "/", user)


@pytest.mark.parametrize(
    ("own", "expected"),
    [("authorization, cookie", "authorization, cookie"), ("Accept, cookie", "Accept, cookie, Authorization")],
)
def test_view_that_varies(user: str, own: str, expected: str) -> None:
    """Without init_kerberos, what a view says of caches stays as it is where it is enough, else it is completed."""
    app = Flask(__name__)

    @app.get("/")
    @requires_authentication(kerberos=Kerberos(hostname=HOST))
    def view(user: str) -> Any:
        return user, {"Vary": own, "Cache-Control": "no-store"}

    check(app, "/", user)
    response = app.test_client().get("/", headers={"Authorization": fresh()})
    assert response.headers.getlist("Vary") == [expected]
    assert response.headers.getlist("Cache-Control") == ["no-store"]


def test_several_checks_without_init(user: str) -> None:
    """Without init_kerberos, a hook and a view that both check add the reply, and what caches are told, once."""
    app = Flask(__name__)
    decorate = requires_authentication(kerberos=Kerberos(hostname=HOST))
    app.before_request(decorate(lambda user: None))
    app.add_url_rule("/", view_func=decorate(greet))
    check(app, "/", user)
    response = app.test_client().get("/", headers={"Authorization": fresh()})
    assert response.headers.getlist("Vary") == ["Cookie, Authorization"]
    assert response.headers.getlist("Cache-Control") == ["private"]


def test_reply_of_a_request_within(user: str) -> None:
    """Without init_kerberos, a request that a view makes with its own environ does not take the view's reply."""
    app, inner = Flask(__name__), Flask("inner")
    kerberos = Kerberos(hostname=HOST)
    inner.add_url_rule("/", view_func=requires_authentication(kerberos=kerberos)(greet))

    @app.get("/")
    @requires_authentication(kerberos=kerberos)
    def view(user: str) -> str:
        body, status, headers = run_wsgi_app(inner.wsgi_app, dict(request.environ))
        assert (status, b"".join(body).decode(), "WWW-Authenticate" in headers) == ("200 OK", user, False)
        return user

    check(app, "/", user)
