"""However many requests are refused, the log stays short, and loses no kind of them."""

from __future__ import annotations

import base64
import inspect
import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from async_kerberos import AuthRequest, Denied, Identity, Kerberos, Reason
from async_kerberos.outcomes import SignedIn
from async_kerberos.reasons import Refusal
from async_kerberos.request import Peer
from async_kerberos.telemetry.floods import Floods, Kind, Summary
from async_kerberos.telemetry.log import fields_of
from async_kerberos.telemetry.telling import Telling

from ...support.forks import fork_and_run
from .conftest import Clock, Written

KILOBYTES = 1000
GARBAGE = "Negotiate " + base64.b64encode(b"garbage" * 50).decode()
# As long as uvicorn lets a target be, of characters that take ten each once they are escaped.
LONG = "/" + "\U000e0001" * 60_000


def telling_by(clock: Callable[[], float], on_event: Any = ()) -> Telling:
    """What tells, by this clock."""
    return Telling(on_event, lambda: "HTTP/www.example.test", clock)


def refuse(
    telling: Telling,
    peer: Peer | None,
    reason: Reason = Reason.MALFORMED,
    status: int = 403,
    principal: str = "",
    detail: str = "",
) -> None:
    """Tell of a request that was refused."""
    identity = Identity(principal) if principal else None
    request = AuthRequest({"host": ["www"], "authorization": [GARBAGE]}, peer=peer, path="/x")
    telling.denied(request, Denied(status, reason), Refusal(reason, detail), identity, (0.0, 0.0), "asgi")


def address(number: int) -> Peer:
    """One of 65,536 addresses."""
    return f"10.0.{number // 256}.{number % 256}", 40_000


def one_address(number: int) -> Peer:
    return address(7)


def many_addresses(number: int) -> Peer:
    return address(number % 10_000)


def many_networks(number: int) -> Peer:
    return f"2001:db8:{number % 10_000:x}::1", 40_000


def one_network(number: int) -> Peer:
    return f"2001:db8::{number % 10_000:x}", 40_000


@pytest.mark.parametrize(
    ("peer", "requests", "lines"),
    [
        (one_address, 100_000, 2),
        (many_addresses, 100_000, 31),
        (one_network, 20_000, 2),
        (many_networks, 20_000, 31),
    ],
)
def test_flood(peer: Callable[[int], Peer], requests: int, lines: int, written: Written) -> None:
    """A hundred thousand bad requests are less than 100 kB of log, and each is counted."""
    begun = time.monotonic()
    kerberos = Kerberos()
    # Around it, the tests' guards note each request.
    decide: Any = inspect.unwrap(Kerberos.authenticate_blocking)
    for number in range(requests):
        request = AuthRequest({"host": [LONG], "authorization": [GARBAGE]}, peer=peer(number), path=LONG)
        assert isinstance(decide(kerberos, request), Denied)
    kerberos.close()
    assert written.size < 100 * KILOBYTES
    minutes = 1 + (time.monotonic() - begun) // 60  # on a machine that is very slow, or busy
    assert len(written.lines) <= lines * 2 * minutes
    counts = [vars(record)["kerberos_count"] for record in written.records]
    assert sum(counts) == requests


def test_first_at_once_then_a_line_a_minute(clock: Clock, written: Written) -> None:
    """The first of a kind has its line; the others are counted in one, with the next request after a minute."""
    telling = telling_by(clock)
    for _ in range(100):
        refuse(telling, ("192.0.2.7", 1), detail="garbage")
    (first,) = written.lines
    assert first == f"Kerberos: 403 for 192.0.2.7: malformed (garbage). {Reason.MALFORMED.remedy}"
    clock.now += 59
    refuse(telling, ("192.0.2.7", 2))
    assert len(written.lines) == 1
    clock.now += 1
    refuse(telling, ("192.0.2.7", 2))
    assert written.lines[1:] == ["Kerberos: 403 for 192.0.2.7: malformed: 100 more, within 60 seconds"]
    assert written.records[1].levelname == "WARNING"
    assert {name: value for name, value in vars(written.records[1]).items() if name.startswith("kerberos_")} == {
        "kerberos_outcome": "refused",
        "kerberos_reason": "MALFORMED",
        "kerberos_status": 403,
        "kerberos_peer": "192.0.2.7",
        "kerberos_principal": None,
        "kerberos_count": 100,
    }
    clock.now += 60
    refuse(telling, ("198.51.100.1", 1), Reason.REPLAY)
    assert written.lines[2:] == [
        "Kerberos: 403 for 192.0.2.7: malformed: 1 more, within 60 seconds",
        f"Kerberos: 403 for 198.51.100.1: replay. {Reason.REPLAY.remedy}",
    ]
    # For a minute there was none: the next one is a first one again.
    clock.now += 121
    refuse(telling, ("192.0.2.7", 1))
    assert written.lines[4:] == [f"Kerberos: 403 for 192.0.2.7: malformed. {Reason.MALFORMED.remedy}"]


def test_lines_that_a_client_writes(clock: Clock, written: Written) -> None:
    """A server that believes a proxy takes any text for an address: a summary, too, has one line, and is short."""
    telling = telling_by(clock)
    for _ in range(2):
        refuse(telling, ("1.2.3.4\x85\x1b[2JKerberos: 200", 1), principal="eve\n" * 1000 + "@R")
    telling.sum_up()
    line, record = written.lines[1], written.records[1]
    assert line.startswith("Kerberos: 403 for 1.2.3.4\\x85\\x1b[2JKerberos: 200, eve\\n")
    assert line.isprintable()
    assert len(line) < 1000
    assert vars(record)["kerberos_peer"] == "1.2.3.4\\x85\\x1b[2JKerberos: 200"
    assert vars(record)["kerberos_principal"].isprintable()
    assert len(vars(record)["kerberos_principal"]) < 300


def test_kinds(clock: Clock, written: Written) -> None:
    """Another reason, client, status or user is another kind, and has a line at once."""
    telling = telling_by(clock)
    refuse(telling, None)
    refuse(telling, ("192.0.2.7", 1))
    refuse(telling, ("192.0.2.7", 1), Reason.REPLAY)
    refuse(telling, ("192.0.2.7", 1), Reason.REPLAY, 401)
    refuse(telling, ("192.0.2.7", 1), Reason.NOT_AUTHORISED, principal="bob@R")
    refuse(telling, ("192.0.2.7", 1), Reason.NOT_AUTHORISED, principal="eve@R")
    assert len(written.lines) == 6
    refuse(telling, None)
    refuse(telling, ("192.0.2.7", 1), Reason.NOT_AUTHORISED, principal="eve@R")
    refuse(telling, ("192.0.2.7", 1), Reason.OVERLOADED, 503)
    refuse(telling, ("192.0.2.7", 1), Reason.OVERLOADED, 503)
    telling.sum_up()
    assert written.lines[7:] == [
        "Kerberos: 403 for a client: malformed: 1 more, within 0 seconds",
        "Kerberos: 403 for 192.0.2.7, eve@R: not authorised: 1 more, within 0 seconds",
        "Kerberos: 503 for 192.0.2.7: overloaded: 1 more, within 0 seconds",
    ]
    assert [record.levelname for record in written.records[7:]] == ["WARNING", "WARNING", "ERROR"]
    assert [vars(record)["kerberos_outcome"] for record in written.records[7:]] == ["refused", "refused", "failed"]
    telling.sum_up()
    assert len(written.lines) == 10


def test_many_clients(clock: Clock, written: Written) -> None:
    """Beyond thirty clients a minute, the others are counted together; the next minute has its own thirty."""
    telling = telling_by(clock)
    for number in range(1000):
        refuse(telling, address(number), Reason.REPLAY if number % 2 else Reason.MALFORMED)
    assert len(written.lines) == 30
    clock.now += 60
    for number in range(1000):
        refuse(telling, address(number))
    assert written.lines[30] == (
        "Kerberos: 970 more requests that were not let in, of clients that have no line here: malformed (485), replay "
        "(485), within 60 seconds"
    )
    assert vars(written.records[30])["kerberos_count"] == 970
    assert len(written.lines) == 61
    # Of what comes again, too, there are thirty lines a minute.
    for number in range(1000):
        refuse(telling, address(number))
    clock.now += 60
    refuse(telling, address(0))
    assert len(written.lines) == 92
    assert "30 more requests" not in written.lines[91]


def test_strangers_take_no_line_from_others(clock: Clock, written: Written) -> None:
    """However many strangers there are: known users, and the server's own faults, have lines."""
    telling = telling_by(clock)
    for number in range(1000):
        refuse(telling, address(number))
        refuse(telling, address(number), Reason.OVERLOADED, 503)
    refuse(telling, address(1), Reason.NOT_AUTHORISED, principal="eve@R")
    refuse(telling, address(2), Reason.MISCONFIGURED, 500, detail="no keytab")
    assert len(written.lines) == 32
    assert vars(written.records[30])["kerberos_principal"] == "eve@R"
    assert "no keytab" in written.lines[31]
    # These have bounds of their own.
    for number in range(1000):
        refuse(telling, address(number), Reason.NOT_AUTHORISED, principal=f"eve{number}@R")
        refuse(telling, address(number), Reason.MISCONFIGURED, 500)
    assert len(written.lines) == 50
    telling.sum_up()
    counts = [vars(record)["kerberos_count"] for record in written.records]
    assert sum(counts) == 4002


def test_summaries_are_bounded(clock: Clock, written: Written) -> None:
    """Kinds that go on from minute to minute cannot add up: what is over is counted together with the others."""
    telling = telling_by(clock)
    for minute in range(10):
        for number in range(30 * (minute + 1)):
            refuse(telling, address(number))
        refuse(telling, address(0))
        clock.now += 60
    assert len(written.records) <= 10 * 61
    telling.sum_up()
    counts = [vars(record)["kerberos_count"] for record in written.records]
    assert sum(counts) == sum(30 * (minute + 1) + 1 for minute in range(10))


def test_next_sign_in(clock: Clock, written: Written) -> None:
    """What was counted is logged also with the next sign-in, and makes no event where nobody listens."""
    telling = telling_by(clock)
    signed_in = SignedIn(Identity("alice@R"))
    good = AuthRequest({"authorization": ["Negotiate x"]})
    telling.accepted(good, signed_in, "")
    for _ in range(3):
        refuse(telling, ("192.0.2.7", 1))
    telling.accepted(good, signed_in, "")
    assert len(written.lines) == 1
    clock.now += 60
    telling.accepted(good, signed_in, "")
    assert written.lines[1:] == ["Kerberos: 403 for 192.0.2.7: malformed: 2 more, within 60 seconds"]


def test_at_debug(written: Written) -> None:
    """Who has set the level DEBUG gets a line for each."""
    logging.getLogger("async_kerberos").setLevel(logging.DEBUG)
    kerberos = Kerberos()
    for _ in range(50):
        kerberos.authenticate_blocking(AuthRequest({"authorization": [GARBAGE]}, peer=("192.0.2.7", 1)))
    kerberos.close()
    assert len(written.lines) == 50
    assert len(set(written.lines)) == 1


def test_switched_off(written: Written) -> None:
    """Where the log is off, nothing is logged."""
    logging.getLogger("async_kerberos").setLevel(logging.CRITICAL)
    heard: list[Any] = []
    kerberos = Kerberos(on_event=heard.append)
    for _ in range(50):
        kerberos.authenticate_blocking(AuthRequest({"authorization": [GARBAGE]}, peer=("192.0.2.7", 1)))
        Kerberos().authenticate_blocking(AuthRequest({"authorization": [GARBAGE]}, peer=("192.0.2.7", 1)))
    assert (len(written.lines), len(heard)) == (0, 50)


def kind(number: int) -> Kind:
    return Kind(address(number)[0], Reason.MALFORMED, 403, None)


def test_threads() -> None:
    """Each is counted, however many threads count."""
    clock = Clock()
    floods = Floods(clock)
    due: list[Summary] = []
    first: list[bool] = []

    def count() -> None:
        for number in range(2000):
            has_line, summaries = floods.note(kind(number % 100))
            first.append(has_line)
            due.extend(summaries)
            clock.now += 0.01

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rest: Sequence[Summary] = floods.due(at_once=True)
    assert sum(first) + sum(summary.total for summary in (*due, *rest)) == 8000


def test_fork() -> None:
    """A child waits for no lock of its parent's threads, and logs nothing of what its parent has counted."""
    floods = Floods()
    floods.note(kind(1))
    floods.note(kind(1))
    lock: threading.Lock = getattr(floods, "_lock")  # noqa: B009

    def in_child() -> int:
        return 0 if floods.due(at_once=True) == [] and floods.note(kind(1)) == (True, []) else 1

    with lock:
        assert fork_and_run(in_child) == 0
    (summary,) = floods.due(at_once=True)
    assert summary.total == 1


def test_fields() -> None:
    """Of what a client has sent, each field is short, and in one line."""
    heard: list[Any] = []
    request = AuthRequest({"host": ["a\nb" * 1000]}, peer=("x" * 1000, 1), path=LONG)
    Kerberos(on_event=heard.append).authenticate_blocking(request)
    fields = fields_of(heard[0])
    assert all(len(value) <= 201 and value.isprintable() for value in fields.values() if isinstance(value, str))
