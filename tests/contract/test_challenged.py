"""No credentials, or those of another scheme, or a header that makes no sense."""

from __future__ import annotations

import base64
from http import HTTPStatus

import pytest

from ..support.deployments import ALL, DEFAULT_VARIANT, INTRANET, ONE_SERVER, TINY, Running, on
from ..support.guards import GssSpy
from ..support.initiator import Initiator, fresh, negotiate

OTHER_SCHEMES = [
    None,
    "Basic YWxpY2U6c2VjcmV0",
    'Digest username="alice", realm="intranet", nonce="Negotiate YII="',
    "Bearer Negotiate",
    "Negotiated YII=",
    "",
]

EARLY = [deployment for deployment in ALL if deployment.early]


@on(ALL)
@pytest.mark.parametrize("authorization", OTHER_SCHEMES)
def test_no_credentials(deployed: Running, gss_spy: GssSpy, authorization: str | None) -> None:
    """A request without credentials of the scheme gets the challenge, and GSSAPI never hears of it."""
    response = deployed.get("/hello", authorization)
    assert (response.status, response.challenges) == (401, ["Negotiate"])
    assert response.message == "Unauthorized"
    assert gss_spy.calls == {}


@on(ALL)
@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "POST"])
def test_every_method(deployed: Running, method: str) -> None:
    """HEAD and OPTIONS are let through no more than any other method."""
    response = deployed.get("/hello", method=method)
    if response.status != 405:  # where a method has no handler there is nothing to protect
        assert (response.status, response.challenges) == (401, ["Negotiate"])
    elif method != "HEAD":
        pytest.fail("the application has a view for this method")
    assert "@" not in response.text


@on(ALL)
@pytest.mark.parametrize("path", ["/who", "/stream", "/redirect", "/missing", "/teapot", "/both", "/again"])
def test_every_view(deployed: Running, path: str) -> None:
    """No view runs without credentials, whatever its response would have been."""
    response = deployed.get(path)
    assert (response.status, response.challenges) == (401, ["Negotiate"])


@on(EARLY)
@pytest.mark.parametrize(
    ("authorization", "status"), [(None, 401), (negotiate(b"\x60garbage"), 403), ("Negotiate", 400)]
)
def test_before_the_body(deployed: Running, user: str, authorization: str | None, status: int) -> None:
    """The answer to a request that may not pass comes while its body has not been sent."""
    with deployed.connect() as connection:
        connection.send_head("/echo", authorization, method="POST", length=1_000_000)
        assert connection.read().status == status


@on(EARLY)
def test_without_continue(deployed: Running) -> None:
    """A client that waits for leave to send the body gets the challenge."""
    with deployed.connect() as connection:
        connection.send_head("/echo", method="POST", fields=[("Expect", "100-continue")], length=1_000_000)
        response = connection.read()
        assert (response.status, response.challenges) == (401, ["Negotiate"])
        # Other servers say "continue" themselves, before the application is asked; Quart asks at once.
        if deployed.deployment.server.startswith("uvicorn") and not deployed.adapter.name.startswith("quart"):
            assert not connection.continued


MALFORMED = {
    "no-token": "Negotiate",
    "no-base64": "Negotiate !!!",
    "not-canonical": "Negotiate YII",
    "url-safe": "Negotiate YI-_",
    "two-tokens": "Negotiate YII= YII=",
    "comma": "Negotiate YII=, Negotiate YII=",
    "parameters": 'Negotiate realm="intranet"',
}


@on(ALL)
@pytest.mark.parametrize("authorization", MALFORMED.values(), ids=MALFORMED.keys())
def test_malformed(deployed: Running, gss_spy: GssSpy, authorization: str) -> None:
    """A header that does not follow the grammar is a bad request, without a challenge; GSSAPI never hears of it."""
    response = deployed.get("/hello", authorization)
    assert (response.status, response.challenges) == (400, [])
    assert response.message == "Bad Request"
    assert gss_spy.calls == {}


@on(ALL)
@pytest.mark.parametrize("other_first", [True, False])
def test_two_fields(deployed: Running, user: str, other_first: bool) -> None:
    """Two Authorization fields are a bad request, be both valid: which of them would be the user?"""
    ours = ("Authorization", fresh())
    other = ("Authorization", "Basic YWxpY2U6c2VjcmV0")
    with deployed.connect() as connection:
        fields = [other, ours] if other_first else [ours, other]
        response = connection.request("/hello", fields=fields)
    # A server may be stricter still, and refuse the request itself.
    assert response.status == 400
    assert response.challenges == []


@on(ALL)
def test_two_tokens(deployed: Running, user: str) -> None:
    """Two valid tokens in two fields are a bad request."""
    with deployed.connect() as connection:
        response = connection.request("/hello", fields=[("Authorization", fresh()), ("Authorization", fresh())])
    assert (response.status, response.challenges) == (400, [])


@on(ALL)
def test_too_large(deployed: Running, user: str, gss_spy: GssSpy) -> None:
    """A token over the limit is refused unread; one of the limit's size is not too large."""
    response = deployed.get("/hello", fresh(), variant="tiny")
    assert (response.status, response.challenges, response.message) == (431, [], "Request Header Fields Too Large")
    assert gss_spy.calls == {}
    assert deployed.get("/hello", negotiate(b"\x60" + bytes(TINY - 1)), variant="tiny").status == 403
    assert deployed.get("/hello", negotiate(b"\x60" + bytes(TINY)), variant="tiny").status == 431


@on(ONE_SERVER)
def test_other_challenges_beside_ours(deployed: Running) -> None:
    """Where the application offers another scheme too, a client is told of both, each in a field of its own."""
    response = deployed.get("/hello", variant="intranet")
    assert (response.status, response.challenges) == (401, ["Negotiate", INTRANET])


@on(ONE_SERVER)
def test_unconfigured(deployed: Running) -> None:
    """An application that configures nothing demands authentication, too."""
    response = deployed.get("/hello", variant=DEFAULT_VARIANT)
    assert (response.status, response.challenges) == (401, ["Negotiate"])


@on(ONE_SERVER)
def test_bodies_tell_nothing(deployed: Running, user: str) -> None:
    """The body of every denial is the status in words, and nothing else."""
    for authorization in (None, "Negotiate", "Negotiate YIE=", fresh("cifs@www.example.test")):
        response = deployed.get("/hello", authorization)
        assert response.message == HTTPStatus(response.status).phrase


@on(ONE_SERVER)
def test_token_is_never_logged(deployed: Running, user: str, caplog: pytest.LogCaptureFixture) -> None:
    """Neither what the client sends nor what it gets is in any log, on any level."""
    caplog.set_level(1)
    initiator = Initiator()
    header = initiator.header
    accepted = deployed.get("/hello", header)
    assert accepted.status == 200
    assert deployed.get("/hello", header).status == 403
    secrets = [header.split()[1], *(value.split()[1] for value in accepted.challenges)]
    own = [record.getMessage() for record in caplog.records if record.name.startswith("async_kerberos")]
    assert own
    for text in own:
        for secret in secrets:
            assert secret[:40] not in text
            assert base64.b64decode(secret).hex()[:40] not in text
