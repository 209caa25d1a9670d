"""Flask: sign in with Kerberos.

    pip install 'async-kerberos[flask]'
    KRB5_KTNAME=/etc/http.keytab KERBEROS_HOSTNAME=www.example.com python examples/flask_app.py
    curl --negotiate -u : --resolve www.example.com:8000:127.0.0.1 http://www.example.com:8000/

The host name is the one that clients have in their URL: they ask the KDC for a ticket for ``HTTP/`` and that name, and
the keytab must hold its key. The example listens on this machine only, so ``--resolve`` sends curl there. If you have
no realm, ``async-kerberos demo flask`` starts a throwaway one.
"""

import asyncio
import os

from flask import Flask, abort, g

from async_kerberos import Identity
from async_kerberos.adapters.flask import init_kerberos, requires_authentication

app = Flask(__name__)
init_kerberos(app, hostname=os.environ.get("KERBEROS_HOSTNAME", "localhost"))


@app.get("/")
@requires_authentication  # must stand below the route, or Flask registers the unprotected view
def hello(user: str) -> str:
    return f"Hello, {user}\n"


@app.get("/public")
def public() -> str:
    return "Everybody may read this.\n"


@app.get("/async/<int:number>")
@requires_authentication
async def async_view(user: str, number: int) -> str:
    """An async view is decorated like any other; the route's arguments come after the user."""
    await asyncio.sleep(0)
    identity: Identity = g.kerberos_identity  # if the principal as text is not enough
    return f"Hello, {identity.name} of {identity.realm}, number {number}\n"


@app.get("/missing")
@requires_authentication
def missing(user: str) -> str:
    """The server proves its own identity on errors too: the 404 carries the reply that clients verify."""
    abort(404, f"nothing here for {user}")


if __name__ == "__main__":
    # Flask's development server. In production: gunicorn flask_app:app
    app.run(host="127.0.0.1", port=int(os.environ.get("PORT", "8000")))
