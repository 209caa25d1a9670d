"""``protect="all"`` beside extensions with hooks, views and answers of their own."""

from __future__ import annotations

import warnings
from importlib import import_module
from typing import Any

import anyio
import flask_cors
import pytest
import quart
import quart_cors
from flask import Flask, request

from async_kerberos.adapters import flask as flask_adapter
from async_kerberos.adapters import quart as quart_adapter

from ..support import HOSTNAME
from ..support.initiator import fresh

ORIGIN = "https://app.example.test"
PREFLIGHT = {"Origin": ORIGIN, "Access-Control-Request-Method": "POST"}
QUART_CORS: Any = quart_cors  # its types are incomplete
TICKETS = f"HTTP@{HOSTNAME}"


def flask_app() -> Any:
    """An application that notes which of its views ran."""
    app: Any = Flask("extensions")
    flask_adapter.init_kerberos(app, hostname=HOSTNAME, protect="all")
    app.ran = []

    def view(**_: object) -> str:
        app.ran.append(request.method)
        return "view"

    app.view = view
    app.add_url_rule("/plain", "plain", view)
    app.add_url_rule("/own", "own", view, methods=["GET", "OPTIONS"])
    return app


def ask(app: Any, path: str, method: str = "OPTIONS", **fields: str) -> tuple[int, str | None]:
    """The status, and which origin may read the answer."""
    headers = {**PREFLIGHT, **fields}
    if isinstance(app, Flask):
        with app.test_client().open(path, method=method, headers=headers) as response:
            return response.status_code, response.headers.get("Access-Control-Allow-Origin")

    async def open_it() -> Any:
        return await app.test_client().open(path, method=method, headers=headers)

    answer = anyio.run(open_it)
    return answer.status_code, answer.headers.get("Access-Control-Allow-Origin")


def test_flask_cors(www: object, user: str) -> None:
    """The answer of Flask's with what Flask-CORS adds; refusals can be read by the other origin as well."""
    app = flask_app()
    flask_cors.CORS(app, origins=[ORIGIN])
    assert ask(app, "/plain") == (200, ORIGIN)
    assert ask(app, "/own") == (401, ORIGIN)
    assert ask(app, "/plain", "GET") == (401, ORIGIN)
    assert ask(app, "/plain", "GET", Authorization=fresh(TICKETS)) == (200, ORIGIN)
    assert ask(app, "/none") == (401, ORIGIN)
    assert app.ran == ["GET"]


@pytest.mark.parametrize("configured", [True, False])
def test_flask_cors_decorators(www: object, user: str, configured: bool) -> None:
    """The decorator answers a preflight itself, and never a view."""
    app = flask_app()
    app.config["CORS_AUTOMATIC_OPTIONS"] = configured

    def route(path: str, view: Any, **options: Any) -> None:
        app.add_url_rule(path, path, flask_cors.cross_origin(origins=[ORIGIN], **options)(view))

    def another(**kwargs: object) -> Any:
        return app.view(**kwargs)

    def below(user: str, **kwargs: object) -> Any:
        return app.view(**kwargs)

    def own(**kwargs: object) -> Any:
        return app.view(**kwargs)

    own.methods = ["GET", "OPTIONS"]  # type: ignore[attr-defined]
    route("/cors/<int:number>", another)
    route("/below", flask_adapter.requires_authentication(below))
    route("/hands-on", own, automatic_options=False)
    # Where Flask-CORS would have the view answer, the view needs a ticket.
    expected = (200, ORIGIN) if configured else (401, None)
    assert ask(app, "/cors/7") == expected
    assert ask(app, "/below") == expected
    assert ask(app, "/hands-on") == (401, None)
    assert app.ran == []
    assert ask(app, "/cors/7", "GET") == (401, None)
    assert ask(app, "/cors/7", "GET", Authorization=fresh(TICKETS)) == (200, ORIGIN)
    assert app.ran == ["GET"]


def quart_app() -> Any:
    """The same on Quart."""
    app: Any = quart.Quart("extensions")
    quart_adapter.init_kerberos(app, hostname=HOSTNAME, protect="all")
    app.ran = []

    async def view(**_: object) -> str:
        app.ran.append(quart.request.method)
        return "view"

    app.view = view
    app.add_url_rule("/plain", "plain", view)
    app.add_url_rule("/own", "own", view, methods=["GET", "OPTIONS"])
    return app


def test_quart_cors(www: object, user: str) -> None:
    """As with Flask-CORS."""
    app = QUART_CORS.cors(quart_app(), allow_origin=[ORIGIN])
    assert ask(app, "/plain") == (200, ORIGIN)
    assert ask(app, "/own") == (401, ORIGIN)
    assert ask(app, "/plain", "GET", Authorization=fresh(TICKETS)) == (200, ORIGIN)
    assert app.ran == ["GET"]


def test_quart_cors_decorators(www: object, user: str) -> None:
    """As with Flask-CORS."""
    app = quart_app()

    async def another(**kwargs: object) -> Any:
        return await app.view(**kwargs)

    async def own(**kwargs: object) -> Any:
        return await app.view(**kwargs)

    app.add_url_rule("/cors/<int:number>", "cors", QUART_CORS.route_cors(allow_origin=[ORIGIN])(another))
    by_hand = QUART_CORS.route_cors(allow_origin=[ORIGIN], provide_automatic_options=False)(own)
    app.add_url_rule("/hands-on", "hands-on", by_hand, methods=["GET", "OPTIONS"])
    assert ask(app, "/cors/7") == (200, ORIGIN)
    assert ask(app, "/hands-on") == (401, None)
    assert app.ran == []
    assert ask(app, "/cors/7", "GET", Authorization=fresh(TICKETS)) == (200, ORIGIN)


def noting(ran: list[str], hook: Any) -> Any:
    """A hook that is noted when it runs."""

    def noted() -> Any:
        ran.append("hook")
        return hook()

    return noted


@pytest.mark.parametrize("first", [True, False])
def test_flask_appbuilder(www: object, user: str, first: bool) -> None:
    """Its hooks, its login page and its files: none for strangers, whichever was initialised first."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # They warn while they are imported, and have no types.
        builder: Any = import_module("flask_appbuilder")
        legacy: Any = import_module("flask_appbuilder.utils.legacy")
        app: Any = Flask("appbuilder")
        app.config.update(SECRET_KEY="not a secret", SQLALCHEMY_DATABASE_URI="sqlite://", WTF_CSRF_ENABLED=False)
        database: Any = legacy.get_sqla_class()()
        ran: list[str] = []

        def init_kerberos() -> None:
            flask_adapter.init_kerberos(app, hostname=HOSTNAME, protect="all", exempt=["/health"])

        def init_builder() -> None:
            with app.app_context():
                database.init_app(app)
                builder.AppBuilder(app, database.session)

        for init in (init_kerberos, init_builder) if first else (init_builder, init_kerberos):
            init()
        hooks: list[Any] = app.before_request_funcs[None]
        assert hooks
        app.before_request_funcs[None] = [noting(ran, hook) for hook in hooks]
        app.add_url_rule("/health", "health", lambda: "well")
        for path in ("/", "/login/", "/static/appbuilder/css/ab.css", "/users/list/", "/api/v1/_openapi", "/none"):
            with app.test_client().get(path) as response:
                assert (response.status_code, response.headers["WWW-Authenticate"]) == (401, "Negotiate"), path
        assert ran == []
        with app.test_client().get("/health") as response:
            assert response.text == "well"
        assert ran == ["hook"] * len(hooks)
        with app.test_client().get("/login/", headers={"Authorization": fresh(TICKETS)}) as response:
            assert response.status_code == 200
            assert "<form" in response.text
