"""A Django site, whose settings are those of its process: several applications of it, by their middlewares."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import django
import django.conf
import django.db
from asgiref.sync import async_to_sync, iscoroutinefunction, markcoroutinefunction
from django.core.asgi import get_asgi_application
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse
from django.test.utils import override_settings
from django.urls import path

KERBEROS = "async_kerberos.adapters.django.KerberosRemoteUserMiddleware"
DJANGOS_OWN = "django.contrib.auth.middleware.RemoteUserMiddleware"
SYNC = f"{__name__}.sync_only"
ASKING = f"{__name__}.Asking"

REMOTE_USERS = "django.contrib.auth.backends.RemoteUserBackend"
OF_A_FEW = "tests.adapters.django_backends.OfAFew"

_BEFORE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]


@functools.cache
def _configure() -> None:
    folder = Path(tempfile.mkdtemp(prefix="django-"))
    django.conf.settings.configure(
        ALLOWED_HOSTS=["*"],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": folder / "users"}},
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions"],
        LOGGING_CONFIG=None,
        ROOT_URLCONF=__name__,
        SECRET_KEY="of these tests",
        SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
    )
    django.setup()
    call_command("migrate", verbosity=0)
    django.db.connections.close_all()


def application(interface: str, middlewares: Sequence[str], backend: str = REMOTE_USERS) -> Any:
    """An application of the site.

    Args:
        interface: ``asgi`` or ``wsgi``.
        middlewares: those that stand below Django's sessions.
        backend: what makes a user of a name; for the process, from now on.
    """
    _configure()
    django.conf.settings.AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.ModelBackend", backend]
    with override_settings(MIDDLEWARE=[*_BEFORE, *middlewares]):
        return get_asgi_application() if interface == "asgi" else get_wsgi_application()


def sync_only(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """A middleware that knows no event loop: Django puts those around it onto a thread."""
    return lambda request: get_response(request)


class Asking:
    """A middleware that asks, by either way, who the user is before those within have signed anybody in."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Any) -> None:
        self._get_response = get_response
        self._is_async = iscoroutinefunction(get_response)
        if self._is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> Any:
        """Handle one request."""
        if self._is_async:
            return self._handle(request)
        async_to_sync(request.auser)()
        return self._get_response(request)

    async def _handle(self, request: HttpRequest) -> Any:
        await request.auser()
        return await self._get_response(request)


def by_password(request: HttpRequest) -> HttpResponse:
    """Sign in somebody by Django's own means."""
    from django.contrib.auth import get_user_model, login

    user, _ = get_user_model().objects.get_or_create(username="carol")
    login(request, user, backend="django.contrib.auth.backends.ModelBackend")
    return HttpResponse()


def who(request: HttpRequest) -> HttpResponse:
    """The user whom Django has signed in, and whom the header names."""
    return HttpResponse(f"{request.user.get_username()} {request.META.get('HTTP_REMOTE_USER')}")


async def who_async(request: HttpRequest) -> HttpResponse:
    """The user whom Django has signed in."""
    return HttpResponse((await request.auser()).get_username())


def who_sync(request: HttpRequest) -> HttpResponse:
    """The user whom Django has signed in."""
    return HttpResponse(request.user.get_username())


urlpatterns = [path("by-password", by_password), path("who", who), path("sync", who_sync), path("async", who_async)]
