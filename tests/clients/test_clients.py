"""Clients that this project did not write, against real servers."""

from __future__ import annotations

import base64
import socket
from collections.abc import Callable, Sequence
from typing import Any

import gssapi.raw as gss
import pytest

from async_kerberos.testing import User

from ..support import HOSTNAME
from ..support.deployments import ADAPTERS, Running, chosen, closing_all, on
from ..support.guards import ThreadGuard
from ..support.servers import Uvicorn
from .programs import CLIENTS, MUTUAL_AUTHENTICATION_ERRORS, Answer, Call, Client

FRAMEWORKS = chosen(
    {
        "flask-sync": "gunicorn",
        "flask-async": "werkzeug",
        "quart-async": "uvicorn-httptools",
        "starlette-async": "uvicorn-h11",
        "fastapi-async": "uvicorn-httptools",
        "asgi": "uvicorn-h11",
    }
)
# A WSGI one, and the ASGI one whose responses come about in most ways.
TWO = [deployment for deployment in FRAMEWORKS if deployment.adapter.name in ("flask-sync", "fastapi-async")]


def by(clients: Sequence[Client]) -> pytest.MarkDecorator:
    """Run a test with each of these clients; it takes ``client``."""
    return pytest.mark.parametrize("client", clients, ids=str)


@pytest.fixture(autouse=True)
def _resolved(monkeypatch: pytest.MonkeyPatch) -> None:  # pyright: ignore[reportUnusedFunction] (a fixture)
    """The service's host name is known in this process: tickets are asked for by it."""
    original = socket.getaddrinfo

    def getaddrinfo(host: Any, *args: Any, **kwargs: Any) -> Any:
        return original("127.0.0.1" if host in (HOSTNAME, HOSTNAME.encode()) else host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


def port_of(deployed: Running) -> int:
    assert not isinstance(deployed.address, str)
    return deployed.address[1]


def assert_proved(client: Client, answer: Answer, times: int = 1) -> None:
    """The client judged that many replies of the server's, and each completed its context."""
    if client.mutual:
        assert answer.verified == (True,) * times


@on(FRAMEWORKS)
@by(CLIENTS)
def test_signed_in(deployed: Running, signed_in: User, client: Client) -> None:
    """The client signs in as its user, and has proof of the server."""
    answer = client.get(Call(port_of(deployed)))
    assert (answer.status, answer.text) == (200, signed_in.principal)
    assert_proved(client, answer)


@on(TWO)
@by(CLIENTS)
@pytest.mark.parametrize(("path", "status"), {"/missing": 404, "/teapot": 418}.items())
def test_error(deployed: Running, signed_in: User, client: Client, path: str, status: int) -> None:
    """An error that the view raises is proved too, so that a client which insists on it keeps the body."""
    answer = client.get(Call(port_of(deployed), path))
    assert answer.status == status
    assert answer.text
    assert_proved(client, answer)


@on(TWO)
@by(CLIENTS)
def test_stream(deployed: Running, signed_in: User, client: Client) -> None:
    """A streamed response is proved before its body is read, and arrives whole."""
    answer = client.get(Call(port_of(deployed), "/stream", stream=True))
    assert (answer.status, answer.text) == (200, f"one,two,{signed_in.principal}")
    assert_proved(client, answer)


@on(TWO)
@by(CLIENTS)
def test_redirect(deployed: Running, signed_in: User, client: Client) -> None:
    """A redirect that is not followed is proved."""
    answer = client.get(Call(port_of(deployed), "/redirect"))
    assert (answer.status, answer.location) == (302, "/hello")
    assert_proved(client, answer)


@on(TWO)
@by(CLIENTS)
def test_followed_redirect(deployed: Running, signed_in: User, client: Client) -> None:
    """Where a refused token gets a new challenge, each client follows a redirect to another protected view."""
    answer = client.get(Call(port_of(deployed), "/redirect", follow=True, fields={"X-Variant": "retry"}))
    assert (answer.status, answer.text) == (200, signed_in.principal)
    # httpx has the first answer judged not at all, and requests-kerberos the second.
    assert bool(answer.verified) is client.mutual
    assert all(answer.verified)


@on(TWO)
@by(CLIENTS)
def test_followed_redirect_is_a_replay(deployed: Running, signed_in: User, client: Client) -> None:
    """By default, the clients that follow a redirect with the token they had are refused for the replay it is."""
    answer = client.get(Call(port_of(deployed), "/redirect", follow=True))
    assert answer.status == (200 if client.renews else 403)


@on(FRAMEWORKS)
@by([client for client in CLIENTS if not client.preemptive])
def test_without_ticket(deployed: Running, client: Client) -> None:
    """A client whose user has no ticket is left with the challenge."""
    answer = client.get(Call(port_of(deployed)))
    assert answer.status == 401
    assert answer.verified == ()


# The last one is of what python-gssapi puts off, and the clients that use its ``SecurityContext`` never see.
UNPROVED = (*MUTUAL_AUTHENTICATION_ERRORS, gss.GSSError)


def _without_reply(value: bytes) -> None:
    return None


def _with_forged_reply(value: bytes) -> bytes:
    token = bytearray(base64.b64decode(value.removeprefix(b"Negotiate ")))
    token[-1] ^= 1  # of the encrypted part
    return b"Negotiate " + base64.b64encode(token)


def _meddling(app: Any, change: Callable[[bytes], bytes | None]) -> Any:
    """The application, and somebody in between who changes the replies."""

    async def meddled(scope: Any, receive: Any, send: Any) -> None:
        async def meddle(message: Any) -> None:
            if message["type"] == "http.response.start" and message["status"] == 200:
                changed = [
                    (name, change(value) if name == b"www-authenticate" else value)
                    for name, value in message["headers"]
                ]
                message = {**message, "headers": [(name, value) for name, value in changed if value is not None]}
            await send(message)

        await app(scope, receive, meddle)

    return meddled


@by([client for client in CLIENTS if client.mutual])
@pytest.mark.parametrize("change", [_without_reply, _with_forged_reply])
def test_unproved(
    signed_in: User, thread_guard: ThreadGuard, client: Client, change: Callable[[bytes], bytes | None]
) -> None:
    """Without the server's reply, or with a forged one, the client fails, or its context shows that it has no proof."""
    with closing_all():
        app = _meddling(ADAPTERS["asgi"].build({"hostname": HOSTNAME}), change)
        with Uvicorn(app, threads=thread_guard) as server, pytest.raises(UNPROVED):
            client.get(Call(int(server.address[1])))
