"""The middleware of WSGI: around applications that somebody else wrote, on servers other than the contract's."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, request
from werkzeug.test import Client

from async_kerberos import ConfigurationError, Identity, Kerberos
from async_kerberos.adapters.flask import init_kerberos, requires_authentication
from async_kerberos.adapters.wsgi import KerberosMiddleware

from ..support.http import Connection
from ..support.initiator import Initiator, fresh, reply_token
from ..support.servers import Uwsgi
from .support import HOST, SECOND


def greet(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [environ["REMOTE_USER"].encode()]


def make() -> Any:
    """The application, made in uWSGI's process."""
    return KerberosMiddleware(greet, hostname=HOST)


def ask(app: Any, authorization: str | None = None, **environ: Any) -> Any:
    headers = {} if authorization is None else {"Authorization": authorization}
    return Client(app).get("/", headers=headers, environ_overrides=environ)


def test_remote_user(user: str) -> None:
    """What stood in REMOTE_USER before is nobody's, whatever a server or a client has put there."""
    app = KerberosMiddleware(greet, Kerberos(hostname=HOST))
    assert ask(app, REMOTE_USER="bob").status_code == 401
    for overrides in ({"REMOTE_USER": "bob"}, {"HTTP_REMOTE_USER": "bob"}):
        assert ask(app, fresh(), **overrides).text == user


def capital(identity: Identity) -> str:
    return identity.name.upper()


@pytest.mark.parametrize("username", ["name", capital])
def test_username(user: str, username: Any) -> None:
    """``username`` says what stands in REMOTE_USER, also for an application that was configured with it."""
    expected = "alice" if username == "name" else "ALICE"
    assert ask(KerberosMiddleware(greet, hostname=HOST, username=username), fresh()).text == expected
    app = configured(hostname=HOST, username=username)
    assert ask(app, fresh()).text == user  # the view gets the principal, as ever
    with app.test_client() as client:
        client.get("/", headers={"Authorization": fresh()})
        assert request.remote_user == expected


def configured(**options: Any) -> Flask:
    app = Flask(__name__)
    init_kerberos(app, **options)

    @app.get("/")
    @requires_authentication
    def view(user: str) -> str:
        return user

    @app.get("/open")
    def open_view() -> str:
        return "open"

    return app


@pytest.mark.parametrize("inside", ["wsgi_app", "the application"])
def test_service_of_the_application(user: str, inside: str) -> None:
    """Without options, directly around a configured application, the middleware has its service and rules."""
    app = configured(hostname=HOST)
    middleware = KerberosMiddleware(app.wsgi_app if inside == "wsgi_app" else app)
    assert ask(middleware).status_code == 401
    initiator = Initiator()
    answer = ask(middleware, initiator.header)
    assert (answer.status_code, answer.text) == (200, user)
    initiator.verify(reply_token(answer.headers.getlist("WWW-Authenticate")))
    assert ask(middleware, fresh(f"HTTP@{SECOND}")).status_code == 403


def name_of(user: str) -> str:
    return user


def test_service_of_the_middleware(user: str) -> None:
    """An application without a service of its own has that of the middleware around it."""
    app = Flask(__name__)
    app.add_url_rule("/", view_func=requires_authentication(name_of))
    assert ask(KerberosMiddleware(app, hostname=HOST), fresh()).text == user


def test_outside_where_nothing_tells_the_application(this_host: str, user: str, caplog: Any) -> None:
    """A check by the default service, further out than a configured application, is not taken for the application's."""
    app = configured(hostname=HOST, require_tls=True)

    def between(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        return app(environ, start_response)

    answer = Client(KerberosMiddleware(between)).get("/open", headers={"Authorization": fresh(f"HTTP@{this_host}")})
    assert answer.status_code == 500
    assert "stands outside of the application" in caplog.text


def test_options() -> None:
    """Options and a service are not given together, and options are checked at once."""
    with pytest.raises(ConfigurationError, match=r"^kerberos: "):
        KerberosMiddleware(greet, Kerberos(hostname=HOST), hostname=HOST)
    with pytest.raises(ConfigurationError, match=r"^hostname: "):
        KerberosMiddleware(greet, hostname="")
    wrong: Any = {"user_header": "Remote-User"}
    with pytest.raises(ConfigurationError, match=r"^user_header: is no option of this middleware"):
        KerberosMiddleware(greet, **wrong)


def test_start_response_twice(user: str) -> None:
    """An application that begins its response anew, after an error, still proves the server, once."""

    def failing(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        try:
            raise ZeroDivisionError
        except ZeroDivisionError as error:
            start_response("404 Not Found", [("Content-Type", "text/plain")], (type(error), error, None))
        return [b"sorry"]

    initiator = Initiator()
    app = KerberosMiddleware(failing, Kerberos(hostname=HOST))
    environ = {"REQUEST_METHOD": "GET", "HTTP_AUTHORIZATION": initiator.header, "wsgi.url_scheme": "http"}
    started: list[tuple[str, list[tuple[str, str]]]] = []

    def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> None:
        started.append((status, headers))

    app(environ, start)
    status, headers = started[-1]
    assert status == "404 Not Found"
    initiator.verify(reply_token([value for name, value in headers if name == "WWW-Authenticate"]))


@pytest.mark.parametrize("door", ["http-socket", "http"])
def test_on_uwsgi(user: str, tmp_path: Path, door: str) -> None:
    """uWSGI serves the middleware as it does Flask."""
    with Uwsgi(f"{__name__}:make", tmp_path, door=door) as server:
        with Connection(server.address) as connection:
            assert connection.request("/").challenges == ["Negotiate"]
        with Connection(server.address) as connection:
            initiator = Initiator()
            response = connection.request("/", initiator.header, fields=[("Remote-User", "bob")])
            assert (response.status, response.text) == (200, user)
            initiator.verify(reply_token(response.challenges))
