"""What a person sees at a 401 and at a 403: the body alone, on any adapter and server."""

from __future__ import annotations

import json

import pytest

from ..support.deployments import ALL, ONE_SERVER, WEBSOCKETS, Running, on
from ..support.initiator import Initiator, reply_token

# A warning of the implementation that uvicorn and websockets are about to remove.
pytestmark = pytest.mark.filterwarnings("ignore:remove second argument of ws_handler:DeprecationWarning")

BROWSER = [
    ("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"),
    ("Accept-Language", "de-AT,de;q=0.9,en;q=0.5"),
]
PROGRAM = [("Accept", "application/json, text/plain, */*")]
CURL = [("Accept", "*/*")]


@on(ALL)
def test_built_in_page(deployed: Running, user: str) -> None:
    """A browser gets a page in its language, a program problem details, and others the status in words."""
    initiator = Initiator()
    for authorization, status in ((None, 401), (initiator.header, 403)):
        response = deployed.get("/hello", authorization, variant="pages", fields=BROWSER)
        assert response.status == status
        assert response.values("content-type") == ["text/html; charset=utf-8"]
        assert response.values("vary") == ["Accept, Accept-Language"]
        assert response.values("cache-control") == ["no-store"]
        assert response.values("content-language") == ["de"]
        assert '<html lang="de">' in response.text
        assert "www.example.test" in response.text
        assert user not in response.text
        if authorization:
            initiator.verify(reply_token(response.challenges))
        else:
            assert response.challenges == ["Negotiate"]
    response = deployed.get("/hello", variant="pages", fields=PROGRAM)
    assert (response.status, response.challenges) == (401, ["Negotiate"])
    assert response.values("content-type") == ["application/problem+json"]
    assert json.loads(response.text)["status"] == 401
    response = deployed.get("/hello", variant="pages", fields=CURL)
    assert (response.status, response.message, response.challenges) == (401, "Unauthorized", ["Negotiate"])
    assert response.values("vary") == ["Accept, Accept-Language"]


@on(ALL)
def test_other_statuses(deployed: Running) -> None:
    """Other statuses say themselves, and HEAD has no body."""
    response = deployed.get("/hello", "Negotiate", variant="pages", fields=BROWSER)
    assert (response.status, response.message) == (400, "Bad Request")
    response = deployed.get("/hello", variant="pages", fields=BROWSER, method="HEAD")
    assert (response.status, response.body) in ((401, b""), (405, b""))


@on(ALL)
def test_own_page(deployed: Running, user: str) -> None:
    """The application's functions make the body and its type, and see no credentials; all else stays."""
    response = deployed.get("/hello", variant="own-pages", fields=CURL)
    assert (response.status, response.challenges) == (401, ["Negotiate"])
    assert response.text == "<p>Sign in for /hello, ('*/*',), ()</p>"
    assert response.values("content-type") == ["text/html; charset=utf-8"]
    initiator = Initiator()
    response = deployed.get("/hello", initiator.header, variant="own-pages", fields=CURL)
    assert (response.status, response.text) == (403, "No /hello for you")
    assert response.values("content-type") == ["text/x-own"]
    assert response.values("cache-control") == ["no-store"]
    initiator.verify(reply_token(response.challenges))


@on(ALL)
def test_page_that_cannot_be_made(deployed: Running, user: str, caplog: pytest.LogCaptureFixture) -> None:
    """If a function raises an error, or returns something else, the answer is as it was, and the log says so."""
    response = deployed.get("/hello", variant="broken-pages", fields=BROWSER)
    assert (response.status, response.message, response.challenges) == (401, "Unauthorized", ["Negotiate"])
    initiator = Initiator()
    response = deployed.get("/hello", initiator.header, variant="broken-pages", fields=BROWSER)
    assert (response.status, response.message) == (403, "Forbidden")
    initiator.verify(reply_token(response.challenges))
    log = deployed.logged(caplog)
    assert log.count("Kerberos: pages.challenge failed") == log.count("Kerberos: pages.denial failed") == 1
    errors = [str(record.exc_info[1]) for record in caplog.records if record.exc_info] if caplog.records else [log]
    assert any("no such page here" in error for error in errors)
    assert any("not int" in error for error in errors)


@on(ONE_SERVER)
def test_by_place(deployed: Running) -> None:
    """Without the option, a middleware shows the page, and other places say the status in words."""
    response = deployed.get("/hello", fields=BROWSER)
    assert (response.status, response.challenges) == (401, ["Negotiate"])
    if deployed.adapter.whole:
        assert response.values("content-type") == ["text/html; charset=utf-8"]
    else:
        assert response.message == "Unauthorized"
        assert not response.values("vary")


@on(ONE_SERVER)
def test_none(deployed: Running, user: str) -> None:
    """``pages=None`` is the status in words everywhere."""
    for authorization, text in ((None, "Unauthorized"), (Initiator().header, "Forbidden")):
        response = deployed.get("/hello", authorization, variant="no-pages", fields=BROWSER)
        assert response.message == text
        assert not response.values("vary")


@on(WEBSOCKETS)
def test_websocket(deployed: Running, user: str) -> None:
    """The handshake of a WebSocket is denied by the same pages."""
    initiator = Initiator()
    for authorization, status, text in (
        (None, 401, "<p>Sign in for /ws, (), ()</p>"),
        (initiator.header, 403, "No /ws for you"),
    ):
        with deployed.websocket("/ws", authorization, variant="own-pages") as client:
            assert (client.response.status, client.response.text) == (status, text)
    initiator.verify(reply_token(client.response.challenges))
    with deployed.websocket("/ws", variant="own-pages", denials=False) as client:
        assert client.response.status == 403
