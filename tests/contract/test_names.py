"""What an identity knows of its ticket, and the user's local name, on any adapter and server."""

from __future__ import annotations

import dataclasses
import json
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import pytest

from async_kerberos.testing import Realm, User

from ..support.deployments import ALL, WEBSOCKETS, Running, on
from ..support.initiator import Initiator, reply_token

# A warning of the implementation that uvicorn and websockets are about to remove.
pytestmark = pytest.mark.filterwarnings("ignore:remove second argument of ws_handler:DeprecationWarning")

LIFETIME = 6 * 3600

LOCAL = frozenset({"REMOTE_USER", "remote_user"})


@pytest.fixture(scope="session")
def nameless(realm: Realm, www: object) -> Path:
    """The ticket cache of a user to whom no rule gives a name."""
    return realm.user("nameless/admin").ccache


class Ticket(NamedTuple):
    """A ticket of Alice's, and between which times she got it."""

    ccache: Path
    begun: float
    over: float


@pytest.fixture(scope="session")
def ticket(realm: Realm, alice: User, www: object) -> Ticket:
    """Not valid for as long as the others."""
    user = dataclasses.replace(alice, ccache=realm.folder / "short.ccache")
    begun = time.time()
    user.kinit(lifetime=timedelta(seconds=LIFETIME))
    return Ticket(user.ccache, begun, time.time())


def check_facts(told: dict[str, str], ticket: Ticket, local_name: str) -> None:
    """What ``/who`` tells is true of the ticket."""
    assert (told["mechanism"], told["method"], told["local_name"]) == ("krb5", "ticket", local_name)
    until = datetime.fromisoformat(told["until"])
    assert until.utcoffset() == timedelta(0)
    # Tickets are dated in whole seconds. A step may begin in the second before the library reads its clock.
    assert int(ticket.begun) - 1 + LIFETIME <= until.timestamp() <= ticket.over + LIFETIME


@on(ALL)
@pytest.mark.parametrize(("variant", "local_name"), [("local", "al"), ("", "not asked for")])
def test_facts(deployed: Running, user: str, ticket: Ticket, variant: str, local_name: str) -> None:
    """An identity knows how the user signed in, when the ticket ends, and by option the local name."""
    response = deployed.get("/who", Initiator(ccache=ticket.ccache).header, variant=variant)
    told: dict[str, str] = json.loads(response.text)
    check_facts(told, ticket, local_name)
    # The name that applications read is the one that the option chose, and views get the principal as ever.
    name = "al" if variant == "local" else user
    for place in deployed.adapter.places:
        assert told[place] == (name if place in LOCAL else user), place


@on(WEBSOCKETS)
@pytest.mark.parametrize(("variant", "local_name"), [("local", "al"), ("", "not asked for")])
def test_facts_of_a_websocket(deployed: Running, ticket: Ticket, variant: str, local_name: str) -> None:
    """The same by WebSocket."""
    with deployed.websocket("/ws-who", Initiator(ccache=ticket.ccache).header, variant=variant) as client:
        check_facts(json.loads(client.receive_text()), ticket, local_name)


@on(ALL)
def test_no_local_name(deployed: Running, nameless: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Who has no local name does not enter where applications know users by it; the reply proves who says so."""
    initiator = Initiator(ccache=nameless)
    response = deployed.get("/hello", initiator.header, variant="local")
    assert (response.status, response.message) == (403, "Forbidden")
    initiator.verify(reply_token(response.challenges))
    assert "nameless/admin@KRBTEST.COM has no local name" in deployed.logged(caplog)
    assert deployed.get("/hello", Initiator(ccache=nameless).header).status == 200


@on(WEBSOCKETS)
def test_no_local_name_by_websocket(deployed: Running, nameless: Path) -> None:
    """The same by WebSocket."""
    initiator = Initiator(ccache=nameless)
    with deployed.websocket("/ws", initiator.header, variant="local") as client:
        assert client.response.status == 403
        initiator.verify(reply_token(client.response.challenges))
