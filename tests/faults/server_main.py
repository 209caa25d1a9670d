"""The application that the tests' servers serve in separate processes; the environment says for which service."""

from __future__ import annotations

import os
from typing import Any

from flask import Flask

from async_kerberos import Kerberos, WorkerLimits
from async_kerberos.adapters.asgi import KerberosMiddleware
from async_kerberos.adapters.flask import init_kerberos, requires_authentication

# As many as the tests have requests in flight.
THREADS = 2


async def _hello(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                return
    body = f"{scope['kerberos'].principal} {os.getpid()}".encode()
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def asgi() -> Any:
    """The application of ASGI."""
    return KerberosMiddleware(
        _hello,
        Kerberos(
            hostname=os.environ["FAULTS_HOSTNAME"],
            keytab=os.environ["FAULTS_KEYTAB"],
            workers=WorkerLimits(threads=THREADS),
        ),
    )


def flask() -> tuple[Flask, Kerberos]:
    """The application of WSGI, and its ``Kerberos``."""
    app = Flask(__name__)
    kerberos = init_kerberos(
        app,
        hostname=os.environ["FAULTS_HOSTNAME"],
        keytab=os.environ["FAULTS_KEYTAB"],
        workers=WorkerLimits(threads=THREADS),
    )

    @app.get("/")
    @requires_authentication
    def hello(user: str) -> str:  # pyright: ignore[reportUnusedFunction] (flask calls it)
        return f"{user} {os.getpid()}"

    return app, kerberos


def wsgi() -> Flask:
    """The application of WSGI."""
    return flask()[0]
