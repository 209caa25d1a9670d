"""Who may enter, of those who have signed in, on any adapter and server, over HTTP and by WebSocket."""

from __future__ import annotations

import pytest

from ..support.deployments import ALL, WEBSOCKETS, Running, on
from ..support.initiator import Initiator, reply_token

# A warning of the implementation that uvicorn and websockets are about to remove.
pytestmark = pytest.mark.filterwarnings("ignore:remove second argument of ws_handler:DeprecationWarning")

STATUS = {"members": 200, "strangers": 403, "unwelcome": 403}


@on(ALL)
@pytest.mark.parametrize("variant", STATUS)
def test_http(deployed: Running, user: str, variant: str) -> None:
    """Whoever may not enter gets 403, with the reply that proves who says so, and learns no rule."""
    initiator = Initiator()
    response = deployed.get("/hello", initiator.header, variant=variant)
    assert response.status == STATUS[variant]
    assert user == response.text if variant == "members" else response.message == "Forbidden"
    initiator.verify(reply_token(response.challenges))
    assert deployed.get("/hello", variant=variant).status == 401


@on(WEBSOCKETS)
@pytest.mark.parametrize("variant", STATUS)
def test_websocket(deployed: Running, user: str, variant: str) -> None:
    """A handshake is refused as a request is."""
    initiator = Initiator()
    with deployed.websocket("/ws", initiator.header, variant=variant) as client:
        assert client.response.status == (101 if variant == "members" else 403)
        initiator.verify(reply_token(client.response.challenges))
