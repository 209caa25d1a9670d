"""``protect="all"`` on servers: WebSockets, bodies and kept connections."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask import g as flask_g
from quart import Quart, g, websocket
from quart_trio import QuartTrio

from async_kerberos.adapters import flask, quart

from ..support import HOSTNAME
from ..support.http import Connection, WebSocketClient
from ..support.initiator import Initiator, fresh, reply_token
from ..support.servers import Hypercorn, Uvicorn, Werkzeug

TARGET = f"HTTP@{HOSTNAME}"


def quart_app(factory: type[Quart] = Quart) -> Any:
    app: Any = factory("servers")
    quart.init_kerberos(app, hostname=HOSTNAME, protect="all", exempt=["/health", "/static/*"])

    async def view() -> str:
        identity = g.get("kerberos_identity")
        return "stranger" if identity is None else str(identity.principal)

    async def talk(**_: object) -> None:
        await websocket.send(await view())

    for path in ("/view", "/health"):
        app.add_url_rule(path, path, view, methods=["GET", "POST"])
    for path in ("/talk", "/static/talk"):
        app.add_websocket(path, path, talk)
    return app


def flask_app() -> Any:
    app: Any = Flask("servers")
    flask.init_kerberos(app, hostname=HOSTNAME, protect="all", exempt=["/health", "/static/*"])

    def view() -> str:
        identity = flask_g.get("kerberos_identity")
        return "stranger" if identity is None else str(identity.principal)

    for path in ("/view", "/health"):
        app.add_url_rule(path, path, view, methods=["GET", "POST"])
    return app


SERVERS: dict[str, Callable[[], Any]] = {
    "uvicorn": lambda: Uvicorn(quart_app()),
    "hypercorn-asyncio": lambda: Hypercorn(quart_app()),
    "hypercorn-trio": lambda: Hypercorn(quart_app(QuartTrio), loop="trio"),
    "werkzeug": lambda: Werkzeug(flask_app()),
}


@pytest.mark.parametrize("server", list(SERVERS))
def test_http(server: str, www: object, user: str) -> None:
    """A large body of a stranger's, and then a ticket on the same connection or a new one."""
    with SERVERS[server]() as running:
        for path, body in (("/view", b"x" * 200_000), ("/view", b""), ("/none", b"x")):
            with Connection(running.address) as connection:
                answer = connection.request(path, method="POST" if body else "GET", body=body)
                assert (answer.status, answer.values("www-authenticate")) == (401, ["Negotiate"])
        with Connection(running.address) as connection:
            assert connection.request("/health").body == b"stranger"
        initiator = Initiator(TARGET)
        with Connection(running.address) as connection:
            answer = connection.request("/view", initiator.header)
        assert answer.body.decode() == user
        initiator.verify(reply_token(answer.values("www-authenticate")))


@pytest.mark.parametrize("server", [server for server in SERVERS if server != "werkzeug"])
def test_websocket(server: str, www: object, user: str) -> None:
    """A stranger's handshake is answered 401, and not accepted; exempt ones are, by the rule."""
    with SERVERS[server]() as running:
        for path in ("/talk", "/none", "/view", "/static//talk", "/static/../talk"):
            with WebSocketClient(running.address, path) as client:
                assert client.response.status == 401, path
        with WebSocketClient(running.address, "/static/talk") as client:
            assert client.receive_text() == "stranger"
        initiator = Initiator(TARGET)
        with WebSocketClient(running.address, "/talk", initiator.header) as client:
            initiator.verify(reply_token(client.response.values("www-authenticate")))
            assert client.receive_text() == user
        with WebSocketClient(running.address, "/none", fresh(TARGET)) as client:
            assert client.response.status == 404
