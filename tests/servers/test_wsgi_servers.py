"""The middleware of WSGI on gunicorn, waitress, uWSGI and mod_wsgi: around a function, Django and pypiserver."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from async_kerberos.adapters.wsgi import KerberosMiddleware

from ..support import HOSTNAME
from ..support.debs import unpacked
from ..support.http import Connection
from ..support.initiator import Initiator, reply_token
from ..support.servers import Gunicorn, Server, Uwsgi
from ..support.servers.apache import THIS_PYTHON, Apache, python_of_mod_wsgi
from ..support.servers.programs import Waitress


def greet(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """An application that knows no more than WSGI."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [environ["REMOTE_USER"].encode()]


def function() -> Any:
    """It, below the middleware."""
    return KerberosMiddleware(greet, hostname=HOSTNAME)


def django_site() -> Any:
    """A Django site whose one page says the user."""
    import django.conf
    from django.core.wsgi import get_wsgi_application
    from django.http import HttpRequest, HttpResponse
    from django.urls import path

    def view(request: HttpRequest) -> HttpResponse:
        return HttpResponse(request.META["REMOTE_USER"])

    urls = type("Urls", (), {"urlpatterns": [path("", view)]})
    django.conf.settings.configure(
        ALLOWED_HOSTS=["*"], LOGGING_CONFIG=None, MIDDLEWARE=[], ROOT_URLCONF=urls, SECRET_KEY="of these tests"
    )
    return KerberosMiddleware(get_wsgi_application(), hostname=HOSTNAME)


def pypi() -> Any:
    """An index of packages, which somebody else wrote; it has none."""
    warnings.simplefilter("ignore")  # in this process: what it does to imports warns at each later one
    pypiserver: Any = importlib.import_module("pypiserver")
    app: Any = pypiserver.app(roots=[Path(__file__).parent], disable_fallback=True)
    return KerberosMiddleware(app, hostname=HOSTNAME)


def _mod_wsgi(factory: str, *, daemon: bool) -> Apache:
    packages = unpacked("apache2-bin", "libapache2-mod-wsgi-py3")
    built_for = python_of_mod_wsgi(packages)
    if built_for != THIS_PYTHON:
        pytest.skip(f"Debian's mod_wsgi is built for Python {built_for}, and this is Python {THIS_PYTHON}")
    return Apache(packages, factory, daemon=daemon)


SERVERS: dict[str, Callable[[str, Path], Server]] = {
    "gunicorn-sync": lambda factory, folder: Gunicorn(factory, folder, worker_class="sync"),
    "gunicorn-gthread": Gunicorn,
    "gunicorn-gevent": lambda factory, folder: Gunicorn(factory, folder, worker_class="gevent"),
    "waitress": Waitress,
    "uwsgi": lambda factory, folder: Uwsgi(factory, folder, door="http-socket"),
    "mod_wsgi-embedded": lambda factory, _: _mod_wsgi(factory, daemon=False),
    "mod_wsgi-daemon": lambda factory, _: _mod_wsgi(factory, daemon=True),
}


@pytest.fixture(params=SERVERS)
def serve(request: pytest.FixtureRequest, tmp_path: Path, user: str) -> Callable[[Callable[[], Any]], Server]:
    """Makes the server, given what makes the application."""
    return lambda make: SERVERS[request.param](f"{__name__}:{make.__name__}", tmp_path)


@pytest.mark.parametrize("make", [function, django_site, pypi])
def test_signed_in(serve: Callable[[Callable[[], Any]], Server], make: Callable[[], Any], user: str) -> None:
    """Strangers are asked for a ticket; the application knows the user, not a header's, and the reply verifies."""
    with serve(make) as server:
        with Connection(server.address) as connection:
            response = connection.request("/", fields=[("Remote-User", "bob")])
            assert (response.status, response.challenges) == (401, ["Negotiate"])
        with Connection(server.address) as connection:
            initiator = Initiator()
            response = connection.request("/", initiator.header, fields=[("Remote-User", "bob")])
            assert response.status == 200
            assert ("pypiserver" in response.text) if make is pypi else (response.text == user)
            initiator.verify(reply_token(response.challenges))
        with Connection(server.address) as connection:
            response = connection.request("/", method="POST", body=bytes(1_000_000))
            assert (response.status, response.challenges) == (401, ["Negotiate"])
