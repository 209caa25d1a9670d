"""The log as JSON, by python-json-logger: what is known of a request is in fields of its own."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Generator
from typing import Any

import pytest
from pythonjsonlogger.json import JsonFormatter

from async_kerberos import Kerberos, Reason
from async_kerberos.telemetry.events import Event
from async_kerberos.telemetry.log import fields_of

from ..support import HOSTNAME
from ..support.asking import auth_request
from ..support.initiator import fresh, negotiate

PEER = ("192.0.2.7", 40_000)


@pytest.fixture
def lines() -> Generator[io.StringIO, None, None]:
    """What a handler with the formatter writes, at the level DEBUG."""
    stream, logger = io.StringIO(), logging.getLogger("async_kerberos")
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter("%(levelname)s %(name)s %(message)s"))
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    yield stream
    logger.setLevel(level)
    logger.removeHandler(handler)


def test_fields(signed_in: object, user: str, lines: io.StringIO) -> None:
    """Each line is an object with the message, and with fields that need no reading of it."""
    kerberos = Kerberos(hostname=HOSTNAME)
    good = fresh()
    for authorization in ((), (good,), (good,), (negotiate(b"garbage"),)):
        fields = {"host": [f"{HOSTNAME}:8000"]}
        kerberos.authenticate_blocking(auth_request(authorization, PEER, fields=fields, path="/hëllo\n"))
    kerberos.close()
    found: list[dict[str, Any]] = [json.loads(line) for line in lines.getvalue().splitlines()]
    assert [(line["levelname"], line["kerberos_outcome"], line["kerberos_reason"]) for line in found] == [
        ("DEBUG", "challenged", "NO_CREDENTIALS"),
        ("DEBUG", "accepted", None),
        ("WARNING", "refused", "REPLAY"),
        ("WARNING", "refused", "MALFORMED"),
    ]
    for line in found:
        assert line["name"] == "async_kerberos"
        assert line["message"].startswith("Kerberos: ")
        assert line["kerberos_host"] == f"{HOSTNAME}:8000"
        assert line["kerberos_path"] == "/hëllo\\n"
        assert line["kerberos_peer"] == PEER[0]
        assert line["kerberos_adapter"] == ""
        assert line["kerberos_count"] == 1
    none, accepted, replayed, garbage = found
    assert [line["kerberos_principal"] for line in found] == [None, user, None, None]
    assert [line["kerberos_status"] for line in found] == [401, None, 403, 403]
    assert (none["kerberos_token_size"], garbage["kerberos_token_size"]) == (0, len(b"garbage"))
    assert accepted["kerberos_token_size"] == replayed["kerberos_token_size"] > 100
    assert accepted["kerberos_stepped"] > 0
    assert replayed["kerberos_detail"] == "Request is a replay"
    assert replayed["message"].endswith(Reason.REPLAY.remedy)


def test_names() -> None:
    """No field has a name that a record has itself, which ``logging`` would refuse; each event's attribute is there."""
    fields = fields_of(Event("accepted"))
    assert not fields.keys() & vars(logging.makeLogRecord({})).keys()
    assert {name.removeprefix("kerberos_") for name in fields} - {"count"} == vars(Event("accepted")).keys()
