"""Django below the middleware: its ``RemoteUserMiddleware`` trusts a header, and finds no client's word in it."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest

from async_kerberos.adapters.asgi import KerberosMiddleware
from async_kerberos.adapters.starlette import KerberosMiddleware as StarletteKerberosMiddleware

from ..support.deployments import closing_all
from ..support.guards import ThreadGuard
from ..support.http import Connection
from ..support.initiator import Initiator, fresh, reply_token
from ..support.servers import Hypercorn, Server, Uvicorn
from .django_site import DJANGOS_OWN, application
from .support import HOST

SPELLINGS = ["Remote-User", "remote-user", "REMOTE-USER", "Remote_User", "REMOTE_USER", "remote-User", "Remote.User"]


@pytest.fixture(scope="module", params=["uvicorn", "hypercorn"])
def server(request: pytest.FixtureRequest, thread_guard: ThreadGuard) -> Generator[Server, None, None]:
    """A server with the application, and what Django's manual says for ``REMOTE_USER``."""
    django = application("asgi", [DJANGOS_OWN])
    with closing_all():
        if request.param == "uvicorn":
            app: Any = KerberosMiddleware(django, hostname=HOST, user_header="Remote-User")
            running: Server = Uvicorn(app, http="httptools", threads=thread_guard, lifespan="off")
        else:
            app = StarletteKerberosMiddleware(django, hostname=HOST, user_header="Remote-User")
            running = Hypercorn(app, threads=thread_guard)
        with running:
            yield running


def test_remote_user(server: Server, user: str) -> None:
    """Whatever a client says, in whatever spelling, Django's user is the one who has the ticket."""
    claims: list[list[tuple[str, str]]] = [[], *([(spelling, "bob")] for spelling in SPELLINGS)]
    claims.append([(spelling, "bob") for spelling in SPELLINGS] * 2)
    for claim in claims:
        with Connection(server.address) as connection:
            assert connection.request("/who", None, fields=claim).status == 401
        with Connection(server.address) as connection:
            initiator = Initiator()
            response = connection.request("/who", initiator.header, fields=claim)
        assert (response.status, response.text) == (200, f"{user} {user}"), claim
        initiator.verify(reply_token(response.challenges))


def test_session(server: Server, user: str) -> None:
    """A session of Django's does not outlast a ticket of somebody else: the header names the user anew."""
    with Connection(server.address) as connection:
        first = connection.request("/who", fresh())
    cookie = first.values("set-cookie")[0].partition(";")[0]
    with Connection(server.address) as connection:
        again = connection.request("/who", fresh(), fields=[("Cookie", cookie), ("Remote-User", "bob")])
    assert again.text == f"{user} {user}"
