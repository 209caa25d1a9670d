"""Django, ASGI: a middleware around the application, and one of Django's that makes the user Django's own.

    pip install 'async-kerberos[django]' uvicorn
    KRB5_KTNAME=/etc/http.keytab KERBEROS_HOSTNAME=www.example.com python examples/django_asgi.py
    curl --negotiate -u : --resolve www.example.com:8000:127.0.0.1 http://www.example.com:8000/

The host name is the one that clients have in their URL: they ask the KDC for a ticket for ``HTTP/`` and that name, and
the keytab must hold its key. The example listens on this machine only, so ``--resolve`` sends curl there.
"""

import os

import uvicorn
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.management import call_command
from django.http import HttpRequest, HttpResponse
from django.urls import path

from async_kerberos.adapters.asgi import KerberosMiddleware

# In a project of yours, what follows is in its settings and urls; only the last lines go into its asgi.py.
settings.configure(
    ALLOWED_HOSTS=["*"],  # the ticket is for one host anyway
    AUTHENTICATION_BACKENDS=["django.contrib.auth.backends.RemoteUserBackend"],  # makes users as they come
    DATABASES={
        "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.environ.get("DATABASE", "users.sqlite3")}
    },
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions"],
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "async_kerberos.adapters.django.KerberosRemoteUserMiddleware",  # in place of RemoteUserMiddleware
    ],
    ROOT_URLCONF=__name__,
    SECRET_KEY=os.urandom(32).hex(),
)


async def hello(request: HttpRequest) -> HttpResponse:
    user = await request.auser()
    return HttpResponse(f"Hello, {user.get_username()}\n", content_type="text/plain")


urlpatterns = [path("", hello)]

app = KerberosMiddleware(get_asgi_application(), hostname=os.environ.get("KERBEROS_HOSTNAME", "localhost"))


if __name__ == "__main__":
    call_command("migrate", verbosity=0)  # Django keeps its users in a database
    uvicorn.run(app, host="127.0.0.1", port=int(os.environ.get("PORT", "8000")), lifespan="off")
