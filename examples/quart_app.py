"""Quart: sign in with Kerberos, on routes and on a WebSocket.

    pip install 'async-kerberos[quart]'
    KRB5_KTNAME=/etc/http.keytab KERBEROS_HOSTNAME=www.example.com python examples/quart_app.py
    curl --negotiate -u : --resolve www.example.com:8000:127.0.0.1 http://www.example.com:8000/

The host name is the one that clients have in their URL: they ask the KDC for a ticket for ``HTTP/`` and that name, and
the keytab must hold its key. The example listens on this machine only, so ``--resolve`` sends curl there. If you have
no realm, ``async-kerberos demo quart`` starts a throwaway one.
"""

import os

from quart import Quart, websocket

from async_kerberos.adapters.quart import init_kerberos, requires_authentication

app = Quart(__name__)
init_kerberos(app, hostname=os.environ.get("KERBEROS_HOSTNAME", "localhost"))


@app.get("/")
@requires_authentication  # must stand below the route, or Quart registers the unprotected view
async def hello(user: str) -> str:
    return f"Hello, {user}\n"


@app.get("/public")
async def public() -> str:
    return "Everybody may read this.\n"


@app.websocket("/echo")
@requires_authentication
async def echo(user: str) -> None:
    """The handshake fails without a ticket, so single messages need no check."""
    await websocket.send(f"Hello, {user}")
    while True:
        await websocket.send(await websocket.receive())


if __name__ == "__main__":
    # Quart's development server. In production: hypercorn quart_app:app
    app.run(host="127.0.0.1", port=int(os.environ.get("PORT", "8000")))
