"""Quart: views, WebSockets and hooks of both kinds."""

from __future__ import annotations

from typing import Any

from quart import Blueprint, Quart, websocket
from quart.views import MethodView

from async_kerberos.adapters.quart import init_kerberos, requires_authentication

from ...support import HOSTNAME

app: Any = Quart(__name__, static_folder=None)
init_kerberos(app, hostname=HOSTNAME)


@requires_authentication
async def right(user: str) -> str:
    return user


async def forgotten() -> str:
    return "open"


@requires_authentication
async def right_ws(user: str) -> None:
    await websocket.send(user)


async def forgotten_ws() -> None:
    await websocket.send("open")


class Mixed(MethodView):
    @requires_authentication
    async def get(self, user: str) -> str:
        return user

    async def post(self) -> str:
        return "open"


app.add_url_rule("/right", "right", right)
app.add_url_rule("/forgotten", "forgotten", forgotten)
app.add_websocket("/right-ws", "right-ws", right_ws)
app.add_websocket("/forgotten-ws", "forgotten-ws", forgotten_ws)
app.add_url_rule("/mixed", view_func=Mixed.as_view("mixed"))

hooked = Blueprint("hooked", __name__)


@hooked.before_websocket
@requires_authentication
async def hook(user: str) -> None:
    pass


hooked.add_url_rule("/view", "view", forgotten)
hooked.add_websocket("/ws", "ws", forgotten_ws)
app.register_blueprint(hooked, url_prefix="/hooked")

FOUND = {
    ("/right", "GET"): "protected",
    ("/forgotten", "GET"): "open",
    ("/right-ws", "ws"): "protected",
    ("/forgotten-ws", "ws"): "open",
    ("/mixed", "GET"): "protected",
    ("/mixed", "POST"): "open",
    ("/hooked/view", "GET"): "open",
    ("/hooked/ws", "ws"): "protected",
}
