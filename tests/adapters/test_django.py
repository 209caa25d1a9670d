"""Django below the middleware: its ``RemoteUserMiddleware`` trusts a header, and finds no client's word in it."""

from __future__ import annotations

import importlib
from collections.abc import Generator
from typing import Any

import pytest

from async_kerberos.adapters.asgi import KerberosMiddleware
from async_kerberos.adapters.starlette import KerberosMiddleware as StarletteKerberosMiddleware

from ..support.deployments import closing_all
from ..support.guards import ThreadGuard
from ..support.http import Connection
from ..support.initiator import Initiator, fresh, reply_token
from ..support.servers import Hypercorn, Server, Uvicorn
from .support import HOST

SPELLINGS = ["Remote-User", "remote-user", "REMOTE-USER", "Remote_User", "REMOTE_USER", "remote-User", "Remote.User"]


def _import(name: str) -> Any:
    return importlib.import_module(name)  # Django has no types


def who(request: Any) -> Any:
    """A view: the user whom Django has signed in, and whom the header names."""
    text = f"{request.user.get_username()} {request.META.get('HTTP_REMOTE_USER')}"
    return _import("django.http").HttpResponse(text)


@pytest.fixture(scope="module")
def django(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A Django application with users in a database, and what Django's manual says for ``REMOTE_USER``."""
    _import("django.conf").settings.configure(
        ALLOWED_HOSTS=["*"],
        AUTHENTICATION_BACKENDS=["django.contrib.auth.backends.RemoteUserBackend"],
        DATABASES={
            "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": tmp_path_factory.mktemp("django") / "users"}
        },
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions"],
        LOGGING_CONFIG=None,
        MIDDLEWARE=[
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
            "django.contrib.auth.middleware.RemoteUserMiddleware",
        ],
        ROOT_URLCONF=__name__,
        SECRET_KEY="of these tests",
        SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
    )
    _import("django").setup()
    _import("django.core.management").call_command("migrate", verbosity=0)
    _import("django.db").connections.close_all()
    return _import("django.core.asgi").get_asgi_application()


def __getattr__(name: str) -> Any:
    """The routes, as Django finds them in a module; made when its settings are."""
    if name == "urlpatterns":
        return [_import("django.urls").path("who", who)]
    raise AttributeError(name)


@pytest.fixture(scope="module", params=["uvicorn", "hypercorn"])
def server(request: pytest.FixtureRequest, django: Any, thread_guard: ThreadGuard) -> Generator[Server, None, None]:
    """A server with the application."""
    with closing_all():
        if request.param == "uvicorn":
            app: Any = KerberosMiddleware(django, hostname=HOST, user_header="Remote-User")
            running: Server = Uvicorn(app, http="httptools", threads=thread_guard, lifespan="off")
        else:
            app = StarletteKerberosMiddleware(django, hostname=HOST, user_header="Remote-User")
            running = Hypercorn(app, threads=thread_guard)
        with running:
            yield running


def test_remote_user(server: Server, user: str) -> None:
    """Whatever a client says, in whatever spelling, Django's user is the one who has the ticket."""
    claims: list[list[tuple[str, str]]] = [[], *([(spelling, "bob")] for spelling in SPELLINGS)]
    claims.append([(spelling, "bob") for spelling in SPELLINGS] * 2)
    for claim in claims:
        with Connection(server.address) as connection:
            assert connection.request("/who", None, fields=claim).status == 401
        with Connection(server.address) as connection:
            initiator = Initiator()
            response = connection.request("/who", initiator.header, fields=claim)
        assert (response.status, response.text) == (200, f"{user} {user}"), claim
        initiator.verify(reply_token(response.challenges))


def test_session(server: Server, user: str) -> None:
    """A session of Django's does not outlast a ticket of somebody else: the header names the user anew."""
    with Connection(server.address) as connection:
        first = connection.request("/who", fresh())
    cookie = first.values("set-cookie")[0].partition(";")[0]
    with Connection(server.address) as connection:
        again = connection.request("/who", fresh(), fields=[("Cookie", cookie), ("Remote-User", "bob")])
    assert again.text == f"{user} {user}"
