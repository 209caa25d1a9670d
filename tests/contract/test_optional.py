"""Where nobody has to sign in, on any adapter and server, over HTTP and by WebSocket."""

from __future__ import annotations

import pytest

from ..support.apps import NOBODY
from ..support.deployments import ALL, WEBSOCKETS, Running, on
from ..support.initiator import NTLM, TWO_LEGS, Initiator, fresh, negotiate, reply_token

# A warning of the implementation that uvicorn and websockets are about to remove.
pytestmark = pytest.mark.filterwarnings("ignore:remove second argument of ws_handler:DeprecationWarning")

FOREIGN = [("Origin", "https://evil.test"), ("Sec-Fetch-Site", "cross-site")]

NO_TICKET = (None, "Basic YWxpY2U6c2VjcmV0", "Bearer abc")

REFUSED = {"Negotiate": 400, "Negotiate YWJj": 403, negotiate(NTLM): 403, negotiate(b"\xa1\x07"): 403}
"""Tickets that are no good, with the status of the answer."""


@on(ALL)
def test_http(deployed: Running, user: str) -> None:
    """Without a ticket the view runs for nobody, and no challenge is sent; with one it runs for the user."""
    for variant in ("", "intranet", "not-asked"):
        for authorization in NO_TICKET:
            response = deployed.get("/maybe", authorization, variant=variant)
            assert (response.status, response.text, response.challenges) == (200, NOBODY, [])
        initiator = Initiator()
        response = deployed.get("/maybe", initiator.header, variant=variant)
        assert (response.status, response.text) == (200, user)
        initiator.verify(reply_token(response.challenges))
    assert deployed.get("/hello").status == 401


@on(ALL)
def test_caches(deployed: Running, user: str) -> None:
    """Caches are told that the page depends on who asks; that of nobody may be kept for others."""
    for authorization, private in ((None, []), (fresh(), ["private"])):
        response = deployed.get("/maybe", authorization)
        assert (response.values("vary"), response.values("cache-control")) == (["Cookie, Authorization"], private)


@on(ALL)
def test_refused(deployed: Running, user: str) -> None:
    """A ticket that is no good is refused as anywhere: the view does not run, for nobody either."""
    used = fresh()
    assert deployed.get("/maybe", used).text == user
    second_leg = 401 if deployed.adapter.two_legs else 403
    for authorization, status in {**REFUSED, used: 403, fresh(flags=TWO_LEGS): second_leg}.items():
        assert deployed.get("/maybe", authorization).status == status
    for variant, status in {"tiny": 431, "no-keytab": 500, "strangers": 403, "tls": 403}.items():
        assert deployed.get("/maybe", fresh(), variant=variant).status == status
    # Nobody is no exception to what is demanded of every request.
    assert deployed.get("/maybe", variant="tls").status == 403


@on(ALL)
def test_cross_site(deployed: Running, user: str) -> None:
    """What another site makes a browser send passes as nobody's, and not with credentials, whichever they are."""
    response = deployed.get("/maybe", method="POST", fields=FOREIGN)
    assert (response.status, response.text, response.challenges) == (200, NOBODY, [])
    for authorization in (fresh(), *NO_TICKET[1:]):
        assert deployed.get("/maybe", authorization, method="POST", fields=FOREIGN).status == 403
    assert deployed.get("/maybe", fresh(), method="POST").text == user


@on(WEBSOCKETS)
def test_websocket(deployed: Running, user: str) -> None:
    """A handshake is no other request than these."""
    for authorization in NO_TICKET:
        with deployed.websocket("/ws-maybe", authorization) as client:
            assert (client.response.status, client.response.challenges) == (101, [])
            assert client.receive_text() == NOBODY
    initiator = Initiator()
    with deployed.websocket("/ws-maybe", initiator.header) as client:
        initiator.verify(reply_token(client.response.challenges))
        assert client.receive_text() == user
    with deployed.websocket("/ws-maybe", fields=FOREIGN) as client:
        assert client.receive_text() == NOBODY
    for authorization, status in {**REFUSED, fresh(): 403}.items():
        fields = FOREIGN if authorization not in REFUSED else ()
        with deployed.websocket("/ws-maybe", authorization, fields=fields) as client:
            assert client.response.status == status
