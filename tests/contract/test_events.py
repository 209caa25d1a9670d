"""An application's listener hears of each attempt, on any adapter and server, over HTTP and by WebSocket."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from async_kerberos import Reason

from ..support import HOSTNAME
from ..support.deployments import ALL, WEBSOCKETS, Running, on
from ..support.initiator import KRB5, fresh, negotiate

# A warning of the implementation that uvicorn and websockets are about to remove.
pytestmark = pytest.mark.filterwarnings("ignore:remove second argument of ws_handler:DeprecationWarning")

GARBAGE = negotiate(b"garbage")


def adapter_of(deployed: Running) -> str:
    """Who asks first."""
    name = deployed.adapter.name
    return "asgi" if name.endswith("below-middleware") else name.partition("-")[0]


def check(
    deployed: Running, path: str, user: str, ask: Callable[[str | None], int], caplog: pytest.LogCaptureFixture
) -> None:
    """Ask without a ticket, with one, with the same again, and with garbage; another listener fails each time."""
    before = len(deployed.events(caplog))
    good, raw = fresh(), fresh(mech=KRB5)
    statuses = [ask(authorization) for authorization in (None, good, good, GARBAGE, raw)]
    assert statuses in ([401, 200, 403, 403, 200], [401, 101, 403, 403, 101])
    events = deployed.events(caplog)[before:]
    common = {"adapter": adapter_of(deployed), "path": path}
    for event in events:
        assert {name: event[name] for name in common} == common
        assert event["host"].startswith((HOSTNAME, "127.0.0.1"))
        assert event["peer"][0] == "127.0.0.1"
    assert [(event["outcome"], event["reason"], event["status"], event["principal"]) for event in events] == [
        ("challenged", "NO_CREDENTIALS", 401, None),
        ("accepted", None, None, user),
        ("refused", "REPLAY", 403, None),
        ("refused", "MALFORMED", 403, None),
        ("accepted", None, None, user),
    ]
    none, accepted, replayed, garbage, _ = events
    assert [event["method"] for event in events] == ["", *["ticket"] * 4]
    assert [event["mechanism"] for event in events] == ["", "krb5", "", "", "krb5"]
    assert [event["token_size"] > 100 for event in events] == [False, True, True, False, True]
    assert (none["token_size"], garbage["token_size"]) == (0, len(b"garbage"))
    assert accepted["token_size"] == replayed["token_size"]
    for event in (accepted, replayed):
        assert 0 < event["stepped"] < 60
        assert 0 <= event["waited"] < 60
    assert none["stepped"] == none["waited"] == garbage["stepped"] == garbage["waited"] == 0
    assert garbage["detail"] == "not a GSSAPI token"


@on(ALL)
def test_http(deployed: Running, user: str, caplog: pytest.LogCaptureFixture) -> None:
    """Each request is told of once, with what is known of it; a listener that fails changes nothing."""

    def ask(authorization: str | None) -> int:
        return deployed.get("/hello", authorization, variant="told").status

    check(deployed, "/hello", user, ask, caplog)


@on(WEBSOCKETS)
def test_websocket(deployed: Running, user: str, caplog: pytest.LogCaptureFixture) -> None:
    """So is each handshake."""

    def ask(authorization: str | None) -> int:
        with deployed.websocket("/ws", authorization, variant="told") as client:
            return client.response.status

    check(deployed, "/ws", user, ask, caplog)


@on(ALL)
def test_fields_of_the_log(deployed: Running, user: str, caplog: pytest.LogCaptureFixture) -> None:
    """The log's records carry the same, under names of their own."""
    if not deployed.deployment.in_process:
        return  # of another process there is the text alone
    caplog.set_level("DEBUG", "async_kerberos")
    for authorization in (None, fresh(), GARBAGE):
        deployed.get("/hello", authorization)
    records: list[dict[str, Any]] = [vars(record) for record in caplog.records if hasattr(record, "kerberos_outcome")]
    none, good, bad = [record for record in records if record["name"] == "async_kerberos"]
    assert (none["kerberos_outcome"], none["kerberos_status"], none["levelname"]) == ("challenged", 401, "DEBUG")
    assert (good["kerberos_outcome"], good["kerberos_principal"], good["levelname"]) == ("accepted", user, "DEBUG")
    assert (bad["kerberos_outcome"], bad["kerberos_reason"], bad["levelname"]) == ("refused", "MALFORMED", "WARNING")
    assert {record["kerberos_adapter"] for record in (none, good, bad)} == {adapter_of(deployed)}
    assert bad["msg"].startswith("Kerberos: ")
    assert Reason.MALFORMED.remedy in bad["message"]
