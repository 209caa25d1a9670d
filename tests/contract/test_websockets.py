"""The handshake of a WebSocket is a request like any other."""

from __future__ import annotations

import json

import pytest

from ..support import HOSTNAME
from ..support.apps import FACTS, OWN_CHALLENGE
from ..support.deployments import INTRANET, WEBSOCKETS, Running, on
from ..support.initiator import KRB5, NTLM, ONE_WAY, TWO_LEGS, Initiator, fresh, negotiate, reply_token

# A warning of the implementation that uvicorn and websockets are about to remove.
pytestmark = pytest.mark.filterwarnings("ignore:remove second argument of ws_handler:DeprecationWarning")


@on(WEBSOCKETS)
@pytest.mark.parametrize("path", ["/ws", "/ws-own", "/ws-who"])
@pytest.mark.parametrize("authorization", [None, "Basic YWxpY2U6c2VjcmV0"])
def test_no_credentials(deployed: Running, path: str, authorization: str | None) -> None:
    """Without credentials, the handshake is answered by the challenge."""
    with deployed.websocket(path, authorization) as client:
        assert (client.response.status, client.response.challenges) == (401, ["Negotiate"])
        assert client.response.message == "Unauthorized"


@on(WEBSOCKETS)
@pytest.mark.parametrize("authorization", [None, "Negotiate"], ids=["challenged", "malformed"])
def test_denial_closes(deployed: Running, authorization: str | None) -> None:
    """A denial says that the connection ends, since the server ends it: browsers send their ticket on another one."""
    with deployed.websocket("/ws", authorization) as client:
        assert "close" in [value.lower() for value in client.response.values("connection")]


@on(WEBSOCKETS)
@pytest.mark.parametrize("authorization", [None, "Negotiate", negotiate(NTLM)], ids=["none", "malformed", "refused"])
def test_server_without_denials(deployed: Running, authorization: str | None) -> None:
    """Where the server can give no response to a handshake, it is closed before it is accepted: 403."""
    with deployed.websocket("/ws", authorization, denials=False) as client:
        assert (client.response.status, client.response.challenges) == (403, [])


@on(WEBSOCKETS)
@pytest.mark.parametrize("denials", [True, False])
def test_accepted(deployed: Running, user: str, denials: bool) -> None:
    """A valid token opens the WebSocket; the handshake carries the reply exactly once, and the reply verifies."""
    initiator = Initiator()
    with deployed.websocket("/ws", initiator.header, denials=denials) as client:
        assert client.response.status == 101
        initiator.verify(reply_token(client.response.challenges))
        assert client.receive_text() == user
        assert client.receive_close() == 1000


@on(WEBSOCKETS)
def test_reply_is_appended(deployed: Running, user: str) -> None:
    """The headers that the view accepts with stay beside the reply."""
    initiator = Initiator()
    with deployed.websocket("/ws-own", initiator.header) as client:
        assert client.response.status == 101
        assert client.response.values("x-own") == ["yes"]
        assert OWN_CHALLENGE in client.response.challenges
        assert len(client.response.challenges) == 2
        initiator.verify(reply_token(client.response.challenges))
        assert client.receive_text() == user


@on(WEBSOCKETS)
def test_identity_is_in_its_places(deployed: Running, user: str) -> None:
    """Every place that has the identity tells the same user, and the service that the ticket was for."""
    with deployed.websocket("/ws-who", fresh()) as client:
        places: dict[str, str] = json.loads(client.receive_text())
    assert frozenset(places) == deployed.adapter.places | FACTS
    assert places["service"].split("@")[0] == f"HTTP/{HOSTNAME}"
    assert {places[place] for place in deployed.adapter.places} == {user}


@on(WEBSOCKETS)
def test_one_way_raw_kerberos(deployed: Running, user: str) -> None:
    """Where the mechanism makes no reply, the handshake has no header."""
    with deployed.websocket("/ws", Initiator(mech=KRB5, flags=ONE_WAY).header) as client:
        assert (client.response.status, client.response.challenges) == (101, [])
        assert client.receive_text() == user


@on(WEBSOCKETS)
def test_denials(deployed: Running, user: str) -> None:
    """Each denial has the status that the request would have."""
    used = fresh()
    with deployed.websocket("/ws", used) as client:
        assert client.response.status == 101
    expected: list[tuple[str, str, int, list[str]]] = [
        (used, "", 403, []),
        (fresh("cifs@www.example.test"), "", 403, []),
        (negotiate(NTLM), "", 403, []),
        ("Negotiate", "", 400, []),
        (fresh(), "tiny", 431, []),
        (fresh(), "no-keytab", 500, []),
        (negotiate(NTLM), "retry", 401, ["Negotiate"]),
        (negotiate(NTLM), "intranet", 401, [INTRANET]),
    ]
    for authorization, variant, status, challenges in expected:
        with deployed.websocket("/ws", authorization, variant=variant) as client:
            assert (client.response.status, client.response.challenges) == (status, challenges)


@on(WEBSOCKETS)
def test_no_two_legs(deployed: Running, user: str, caplog: pytest.LogCaptureFixture) -> None:
    """An exchange of two legs cannot be made: the second would come on another connection."""
    with deployed.websocket("/ws", Initiator(flags=TWO_LEGS).header) as client:
        assert (client.response.status, client.response.challenges) == (403, [])
    assert "half-open context lost" in deployed.logged(caplog)


@on(WEBSOCKETS)
def test_no_second_leg(deployed: Running, user: str) -> None:
    """An exchange that began with a request cannot be completed by a handshake on the same connection."""
    initiator = Initiator(flags=TWO_LEGS)
    with deployed.connect() as connection:
        first = connection.request("/hello", initiator.header)
        assert first.status == 401
        handshake = {
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
            "Sec-WebSocket-Version": "13",
        }
        second = negotiate(initiator.step(reply_token(first.challenges)))
        response = connection.request("/ws", second, fields=list(handshake.items()))
        assert (response.status, response.challenges) == (403, [])
