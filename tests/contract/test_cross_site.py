"""What another site makes a browser send does not act in the user's name, on any adapter, server or kind of view."""

from __future__ import annotations

import httpx
import pytest

from async_kerberos import Reason

from ..support import HOSTNAME
from ..support.deployments import ALL, TRUSTED_ORIGIN, WEBSOCKETS, Running, on
from ..support.guards import GssSpy
from ..support.http import Fields
from ..support.initiator import fresh

# A warning of the implementation that uvicorn and websockets are about to remove.
pytestmark = pytest.mark.filterwarnings("ignore:remove second argument of ws_handler:DeprecationWarning")

FOREIGN = ("Origin", "https://evil.test")
OWN = ("Origin", f"http://{HOSTNAME}")

# What a browser says, the variant of the application, and whether the request may pass.
REQUESTS: list[tuple[list[tuple[str, str]], str, bool]] = [
    ([FOREIGN, ("Sec-Fetch-Site", "cross-site")], "", False),
    ([FOREIGN], "", False),
    ([("Origin", "null")], "", False),
    ([("Origin", f"http://{HOSTNAME}:8000")], "", False),
    ([("Sec-Fetch-Site", "same-site")], "", False),
    ([OWN, ("Sec-Fetch-Site", "same-origin")], "", True),
    ([OWN], "", True),
    ([], "", True),
    ([FOREIGN, ("Sec-Fetch-Site", "cross-site")], "any-site", True),
    ([("Origin", TRUSTED_ORIGIN), ("Sec-Fetch-Site", "same-site")], "another-origin", True),
    ([FOREIGN], "another-origin", False),
    ([("Origin", "https://outside.test"), ("X-Forwarded-Host", "outside.test")], "", False),
]


@on(ALL)
def test_http(deployed: Running, user: str, gss_spy: GssSpy) -> None:
    """A POST is refused by 403, without a challenge and without a look at the ticket, unless it is the site's own."""
    for fields, variant, passes in REQUESTS:
        gss_spy.calls.clear()
        for authorization in (None, fresh()):
            response = deployed.get("/hello", authorization, method="POST", variant=variant, fields=fields)
            if not passes:
                assert (response.status, response.challenges, response.message) == (403, [], "Forbidden"), fields
                assert "accept_sec_context" not in gss_spy.calls
            elif authorization is None:
                assert (response.status, response.challenges) == (401, ["Negotiate"]), fields
            else:
                # On Starlette's endpoint classes and on FastAPI, a view of POST is one like any other.
                assert (response.status, response.text) == (200, user), fields


@on(ALL)
def test_safe_methods(deployed: Running, user: str) -> None:
    """A request that changes nothing may come from another site: links to this one go on working."""
    fields = [FOREIGN, ("Sec-Fetch-Site", "cross-site")]
    assert deployed.get("/hello", fields=fields).status == 401
    assert deployed.get("/hello", fresh(), fields=fields).text == user


@on(WEBSOCKETS)
def test_websocket(deployed: Running, user: str) -> None:
    """A handshake is refused like a POST, though it is a GET; the view does not run."""
    for fields, variant, passes in REQUESTS:
        for authorization in (None, fresh()):
            with deployed.websocket("/ws", authorization, variant=variant, fields=fields) as client:
                if not passes:
                    assert (client.response.status, client.response.challenges) == (403, []), fields
                elif authorization is None:
                    assert (client.response.status, client.response.challenges) == (401, ["Negotiate"]), fields
                else:
                    assert client.response.status == 101, fields
                    assert client.receive_text() == user


@on(ALL)
def test_behind_a_proxy(deployed: Running, user: str) -> None:
    """A proxy that rewrites ``Host`` may say what it was, if it is trusted and the server has not put it away."""
    fields: Fields = [("Origin", "https://outside.test"), ("X-Forwarded-Host", "outside.test")]
    response = deployed.get("/hello", fresh(), method="POST", variant="proxied", fields=fields)
    # A bridge from ASGI to WSGI does not pass the port on, without which no proxy is known.
    assert response.status == (200 if deployed.adapter.two_legs else 403)
    response = deployed.get(
        "/hello", fresh(), method="POST", variant="proxied", fields=[*fields, ("X-Forwarded-For", "127.0.0.1")]
    )
    assert response.status == 403


def test_http_2(hypercorn: Running, user: str, caplog: pytest.LogCaptureFixture) -> None:
    """With HTTP/2, the host is that of ``:authority``."""
    assert not isinstance(hypercorn.address, str)
    host, port = hypercorn.address
    with httpx.Client(http1=False, http2=True, base_url=f"http://{host}:{port}", trust_env=False) as client:
        for origin, status in (
            (f"http://{host}:{port}", 200),
            (f"http://{host}", 403),
            (f"https://{host}:{port}", 200),
            ("https://evil.test", 403),
        ):
            # Without a body: on HTTP/2, Hypercorn ends a connection on which one comes after the answer.
            response = client.delete("/hello", headers={"Authorization": fresh(), "Origin": origin})
            assert (response.http_version, response.status_code) == ("HTTP/2", status), origin
    assert Reason.CROSS_SITE.value in caplog.text
