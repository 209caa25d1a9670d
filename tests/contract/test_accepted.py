"""A valid token: the view runs, and every response that follows proves the server to the client."""

from __future__ import annotations

import json

import pytest

from ..support import HOSTNAME
from ..support.apps import FACTS, OWN_CHALLENGE
from ..support.deployments import ALL, KEPT_ALIVE, Running, on
from ..support.initiator import KRB5, MUTUAL, ONE_WAY, SPNEGO, Initiator, reply_token

RESPONSES = {
    "/hello": 200,
    "/who": 200,
    "/stream": 200,
    "/redirect": 302,
    "/missing": 404,
    "/teapot": 418,
    "/both": 200,
}


@on(ALL)
@pytest.mark.parametrize("path", RESPONSES)
def test_every_response_carries_the_reply_once(deployed: Running, user: str, path: str) -> None:
    """However the response comes about, it has the acceptor's reply exactly once, and the reply verifies."""
    initiator = Initiator()
    response = deployed.get(path, initiator.header)
    assert response.status == RESPONSES[path]
    initiator.verify(reply_token(response.challenges))


@on(ALL)
def test_body(deployed: Running, user: str) -> None:
    """The view gets the principal, and what it returns and streams arrives whole."""
    assert deployed.get("/hello", Initiator().header).text == user
    assert deployed.get("/stream", Initiator().header).text == f"one,two,{user}"
    assert deployed.get("/echo", Initiator().header, method="POST", body=b"x" * 100_000).body == b"x" * 100_000


@on(ALL)
def test_reply_is_appended(deployed: Running, user: str) -> None:
    """The view's own challenge stays beside the reply."""
    challenges = deployed.get("/both", Initiator().header).challenges
    assert len(challenges) == 2
    assert OWN_CHALLENGE in challenges


@on(ALL)
@pytest.mark.parametrize("path", ["/again", "/raised-again"])
def test_no_reply_on_the_applications_own_401(deployed: Running, user: str, path: str) -> None:
    """On a 401 that the application makes there is no reply: a client would take it for another leg."""
    response = deployed.get(path, Initiator().header)
    assert response.status == 401
    assert not [value for value in response.challenges if value.lower().startswith("negotiate")]


@on(ALL)
@pytest.mark.parametrize("path", [*RESPONSES, "/again", "/raised-again"])
def test_caches_keep_users_apart(deployed: Running, user: str, path: str) -> None:
    """No cache may hand a signed-in user's page to another; what the application says of caches stays."""
    response = deployed.get(path, Initiator().header)
    vary = {name.strip() for value in response.values("vary") for name in value.split(",")}
    assert vary == {"Cookie", "Authorization", *(["Accept"] if path == "/both" else [])}
    assert response.values("cache-control") == (["max-age=60"] if path == "/both" else ["private"])
    assert len(response.values("vary")) == 1  # of two, older releases of Starlette lose one


@on(ALL)
def test_caches_of_challenges(deployed: Running) -> None:
    """Nothing is said of caches to somebody who has not signed in, but where there is a page for some."""
    response = deployed.get("/hello")
    whole = deployed.adapter.whole
    assert response.values("vary") == (["Accept, Accept-Language"] if whole else [])
    assert response.values("cache-control") == (["no-store"] if whole else [])


@on(ALL)
@pytest.mark.parametrize("mech", [SPNEGO, KRB5], ids=["spnego", "kerberos"])
def test_without_mutual_authentication(deployed: Running, user: str, mech: object) -> None:
    """A client that does not ask for proof of the server is served, with a reply or without."""
    response = deployed.get("/hello", Initiator(mech=KRB5 if mech is KRB5 else SPNEGO, flags=ONE_WAY).header)
    assert (response.status, response.text) == (200, user)
    assert len(response.challenges) <= 1


@on(ALL)
def test_raw_kerberos(deployed: Running, user: str) -> None:
    """A Kerberos token without SPNEGO around it is as good, mutual authentication included."""
    initiator = Initiator(mech=KRB5, flags=MUTUAL)
    response = deployed.get("/hello", initiator.header)
    assert (response.status, response.text) == (200, user)
    initiator.verify(reply_token(response.challenges))


@on(ALL)
@pytest.mark.parametrize("scheme", ["negotiate", "NEGOTIATE", "nEGOTIATE"])
def test_scheme_in_any_case(deployed: Running, user: str, scheme: str) -> None:
    """The scheme is matched without regard to case."""
    header = Initiator().header
    assert deployed.get("/hello", header.replace("Negotiate", scheme)).status == 200


@on(ALL)
def test_head(deployed: Running, user: str) -> None:
    """HEAD with a token gets the head alone, reply included."""
    initiator = Initiator()
    response = deployed.get("/hello", initiator.header, method="HEAD")
    if response.status != 405:  # an HTTPEndpoint without the method, and a plain path operation, have no HEAD
        assert (response.status, response.body) == (200, b"")
    initiator.verify(reply_token(response.challenges))


@on(ALL)
def test_identity_is_in_its_places(deployed: Running, user: str) -> None:
    """Every place that has the identity tells the same user, and the service that the ticket was for."""
    response = deployed.get("/who", Initiator().header)
    places: dict[str, str] = json.loads(response.text)
    assert frozenset(places) == deployed.adapter.places | FACTS
    assert places["service"].split("@")[0] == f"HTTP/{HOSTNAME}"
    assert {places[place] for place in deployed.adapter.places} == {user}


@on(KEPT_ALIVE)
def test_each_request_for_itself(deployed: Running, user: str) -> None:
    """On one connection, each request signs in anew: none is let through by the one before it."""
    with deployed.connect() as connection:
        for _ in range(2):
            initiator = Initiator()
            response = connection.request("/hello", initiator.header)
            assert response.status == 200
            initiator.verify(reply_token(response.challenges))
        response = connection.request("/hello")
        assert (response.status, response.challenges) == (401, ["Negotiate"])
