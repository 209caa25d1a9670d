"""Plain ASGI: a middleware around any application, for HTTP and WebSocket alike.

    pip install async-kerberos uvicorn wsproto
    KRB5_KTNAME=/etc/http.keytab KERBEROS_HOSTNAME=www.example.com python examples/asgi_app.py
    curl --negotiate -u : --resolve www.example.com:8000:127.0.0.1 http://www.example.com:8000/

The host name is the one that clients have in their URL: they ask the KDC for a ticket for ``HTTP/`` and that name, and
the keytab must hold its key. The example listens on this machine only, so ``--resolve`` sends curl there. If you have
no realm, ``async-kerberos demo asgi`` starts a throwaway one.
"""

import os
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import uvicorn

from async_kerberos import Identity
from async_kerberos.adapters.asgi import KerberosMiddleware

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


async def respond(send: Send, text: str) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": text.encode()})


async def greet(scope: Scope, receive: Receive, send: Send) -> None:
    """The protected application: only requests and WebSocket handshakes that have signed in reach it."""
    identity: Identity = scope["kerberos"]
    if scope["type"] == "http":
        await respond(send, f"Hello, {identity.principal}\n")
    else:
        await receive()  # websocket.connect
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": f"Hello, {identity.principal}"})
        await send({"type": "websocket.close"})


protected = KerberosMiddleware(greet, hostname=os.environ.get("KERBEROS_HOSTNAME", "localhost"))


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Only the paths named here are open. Every other path goes through the middleware."""
    if scope["type"] == "lifespan":
        while (await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})
    elif scope["type"] == "http" and scope["path"] == "/public":
        await respond(send, "Everybody may read this.\n")
    else:
        await protected(scope, receive, send)


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(os.environ.get("PORT", "8000")))
