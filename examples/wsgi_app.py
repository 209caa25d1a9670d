"""Plain WSGI: a middleware around any application, such as Django's, or one that somebody else wrote.

    pip install async-kerberos werkzeug
    KRB5_KTNAME=/etc/http.keytab KERBEROS_HOSTNAME=www.example.com python examples/wsgi_app.py
    curl --negotiate -u : --resolve www.example.com:8000:127.0.0.1 http://www.example.com:8000/

The host name is the one that clients have in their URL: they ask the KDC for a ticket for ``HTTP/`` and that name, and
the keytab must hold its key. The example listens on this machine only, so ``--resolve`` sends curl there. If you have
no realm, ``async-kerberos demo wsgi`` starts a throwaway one.
"""

import os
from collections.abc import Callable, Iterable
from typing import Any

from werkzeug.serving import run_simple

from async_kerberos import Identity
from async_kerberos.adapters.wsgi import KerberosMiddleware

Environ = dict[str, Any]
StartResponse = Callable[..., Any]


def respond(start_response: StartResponse, text: str) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain; charset=utf-8")])
    return [text.encode()]


def greet(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """The protected application: only requests that have signed in reach it. Most applications read ``REMOTE_USER``."""
    identity: Identity = environ["kerberos"]  # if the principal as text is not enough
    return respond(start_response, f"Hello, {identity.principal}\n")


protected = KerberosMiddleware(greet, hostname=os.environ.get("KERBEROS_HOSTNAME", "localhost"))


def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Only the paths named here are open. Every other path goes through the middleware."""
    if environ["PATH_INFO"] == "/public":
        return respond(start_response, "Everybody may read this.\n")
    return protected(environ, start_response)


if __name__ == "__main__":
    # A server for development. In production: gunicorn wsgi_app:app
    run_simple("127.0.0.1", int(os.environ.get("PORT", "8000")), app)
