"""A client that is asked for a ticket again and again, and never brings one, is warned of."""

from __future__ import annotations

import socket
import threading
from typing import Any

import pytest

from async_kerberos import AuthRequest, Identity, Kerberos, Reason
from async_kerberos._decision.answers import plain_denial
from async_kerberos.outcomes import SignedIn
from async_kerberos.reasons import Refusal
from async_kerberos.request import Peer
from async_kerberos.telemetry.silent import SilentClient, SilentClients
from async_kerberos.telemetry.telling import Telling

from ...support.forks import fork_and_run
from .conftest import Clock, Written

PEER = ("192.0.2.7", 40_000)
CHALLENGED = plain_denial(401, Reason.NO_CREDENTIALS)
TOKEN = ("Negotiate dG9rZW4=",)


def asking(peer: Peer | None = PEER, host: str = "127.0.0.1:8000", **facts: Any) -> AuthRequest:
    """A request without a ticket."""
    return AuthRequest({"host": [host]}, peer=peer, **facts)


def bringing(peer: Peer | None = PEER) -> AuthRequest:
    """A request with one."""
    return AuthRequest({"authorization": TOKEN}, peer=peer)


def warned(silent: SilentClients, clock: Clock, request: AuthRequest, times: int, every: float) -> list[SilentClient]:
    """What this comes to, so many times."""
    found: list[SilentClient] = []
    for _ in range(times):
        clock.now += every
        client = silent.note(request)
        if client is not None:
            found.append(client)
    return found


def test_warning(clock: Clock, written: Written) -> None:
    """It says how often, who, for which host, which principals there are, and what it mostly means; once in an hour."""
    telling = Telling((), lambda: "HTTP/www.example.test", clock)
    for _ in range(40):
        telling.challenged(asking(), CHALLENGED, "")
        clock.now += 2
    (line,) = written.lines
    assert line == (
        "Kerberos: 192.0.2.7 was asked for a ticket 10 times within 18 seconds, and brought none. It asked for the "
        "host '127.0.0.1:8000'; this service is HTTP/www.example.test. Mostly the URL has an address, or a name that "
        "the KDC does not know; or the browser is not told to trust the site; or the user has no ticket (klist); or "
        "a proxy strips the Authorization header."
    )
    (record,) = written.records
    assert record.levelname == "WARNING"
    assert {name: value for name, value in vars(record).items() if name.startswith("kerberos_")} == {
        "kerberos_outcome": "challenged",
        "kerberos_reason": "NO_CREDENTIALS",
        "kerberos_status": 401,
        "kerberos_peer": "192.0.2.7",
        "kerberos_host": "127.0.0.1:8000",
        "kerberos_count": 10,
    }
    clock.now += 3600
    telling.principals = "HTTP/www.example.test@EXAMPLE.TEST"
    for _ in range(40):
        telling.challenged(asking(None, ""), CHALLENGED, "")
        telling.challenged(asking(host="bad\nhost"), CHALLENGED, "")
        clock.now += 2
    assert [line.partition("; this service is ")[0].partition(" seconds, ")[::2] for line in written.lines[1:]] == [
        (
            "Kerberos: a client was asked for a ticket 10 times within 18",
            "and brought none. It asked for the host (none)",
        ),
        (
            "Kerberos: 192.0.2.7 was asked for a ticket 10 times within 20",
            "and brought none. It asked for the host 'bad\\nhost'",
        ),
    ]
    assert all("this service is HTTP/www.example.test@EXAMPLE.TEST." in line for line in written.lines[1:])


def test_known_principals(clock: Clock) -> None:
    """Until the keytab was looked at, the names that are configured are told."""

    def names(**options: Any) -> str:
        telling: Any = vars(Kerberos(**options))["_telling"]
        assert telling.principals == ""
        found: str = telling._names()
        return found

    assert names(hostname="www") == "HTTP/www"
    assert names(hostname=["www", "api"], service="imap") == "imap/www, imap/api"
    assert names(hostname="*") == "HTTP/*"
    assert names() == f"HTTP/{socket.gethostname()}"


def test_real_requests(written: Written, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client without tickets is warned of by the service that it asks."""
    kerberos, clock = Kerberos(hostname="www.example.test"), Clock()
    monkeypatch.setattr(vars(kerberos)["_telling"]._silent, "_clock", clock)
    for _ in range(10):
        clock.now += 2
        kerberos.authenticate_blocking(asking())
    (line,) = written.lines
    assert "; this service is HTTP/www.example.test." in line


@pytest.mark.parametrize("every", [0.001, 0.9, 1.1, 30.0, 60.0])
def test_slow_and_fast(every: float, clock: Clock) -> None:
    """It takes ten requests and ten seconds, and no more than ten minutes for ten."""
    silent = SilentClients(clock)
    found = warned(silent, clock, asking(), int(3000 / every) if every > 0.5 else 40_000, every)
    assert len(found) == 1
    assert found[0].times >= 10
    assert 9.9 <= found[0].seconds <= max(600.0, 12 * every)


def test_too_slow(clock: Clock) -> None:
    """Who asks every two minutes is a monitor, or comes back now and then."""
    assert warned(SilentClients(clock), clock, asking(), 1000, 120.0) == []


@pytest.mark.parametrize(
    "request_",
    [asking(method="OPTIONS"), AuthRequest({"authorization": ["Basic YTpi"]}, peer=PEER)],
    ids=["preflight", "another scheme"],
)
def test_not_counted(request_: AuthRequest, clock: Clock) -> None:
    """A preflight never has credentials, and who has those of another scheme is not silent."""
    assert warned(SilentClients(clock), clock, request_, 1000, 1.0) == []


def test_ticket_of_somebody_else(clock: Clock) -> None:
    """What another client brings makes nobody less silent."""
    silent = SilentClients(clock)
    silent.forget(bringing(("198.51.100.1", 1)))
    found: list[SilentClient] = []
    for _ in range(10):
        found += warned(silent, clock, asking(), 1, 2.0)
        silent.forget(bringing(("198.51.100.1", 1)))
    assert len(found) == 1


@pytest.mark.parametrize("refused", [False, True])
@pytest.mark.parametrize("peer", [PEER, ("2001:db8::1", 1), None])
def test_ticket(refused: bool, peer: Peer | None, clock: Clock, written: Written) -> None:
    """Who brings tickets in between is not silent, whatever they are good for, nor are those who share an address."""
    telling = Telling((), lambda: "", clock)
    for number in range(1000):
        telling.challenged(asking(peer), CHALLENGED, "")
        if number % 9 == 8:
            other = ("2001:db8::2", 7) if peer == ("2001:db8::1", 1) else peer
            if refused:
                denied = plain_denial(403, Reason.EXPIRED)
                telling.denied(bringing(other), denied, Refusal(Reason.EXPIRED), None, (0.0, 0.0), "")
            else:
                telling.accepted(bringing(other), SignedIn(Identity("alice@R")), "")
        clock.now += 2
    assert [line for line in written.lines if "was asked" in line] == []


def test_refused_without_a_ticket(clock: Clock, written: Written) -> None:
    """What is refused for another reason, without a ticket, makes nobody less silent."""
    telling = Telling((), lambda: "", clock)
    for _ in range(10):
        telling.challenged(asking(), CHALLENGED, "")
        denied = plain_denial(403, Reason.CROSS_SITE)
        telling.denied(asking(), denied, Refusal(Reason.CROSS_SITE), None, (0.0, 0.0), "")
        clock.now += 2
    assert len([line for line in written.lines if "was asked" in line]) == 1


def test_networks(clock: Clock) -> None:
    """Clients of one /64 are one."""
    silent = SilentClients(clock)
    found: list[SilentClient] = []
    for number in range(10):
        found += warned(silent, clock, asking((f"2001:db8::{number}", 1)), 1, 2.0)
    assert [client.peer for client in found] == ["2001:db8::/64"]


def test_ten_in_an_hour(clock: Clock) -> None:
    """Ten clients are warned of within an hour, and no more."""
    silent = SilentClients(clock)

    def all_clients() -> int:
        found = 0
        for _ in range(10):
            clock.now += 2
            for number in range(100):
                found += silent.note(asking((f"192.0.2.{number}", 1))) is not None
        return found

    assert [all_clients(), all_clients()] == [10, 0]
    clock.now += 3600
    # The first ten requests have taken an hour.
    assert [all_clients(), all_clients(), all_clients()] == [0, 10, 0]


def test_memory(clock: Clock) -> None:
    """However many clients come, and by whatever names, no more than a thousand are kept, in some kilobytes."""
    silent = SilentClients(clock)
    for number in range(5000):
        silent.note(asking((f"10.0.{number // 256}.{number % 256}", 1)))
        silent.note(asking((f"2001:db8:{number:x}::1", 1)))
        silent.note(asking((f"{number}" + "x" * 10_000, 1)))
    clients: dict[str, object] = vars(silent)["clients"]
    assert len(clients) == 1024
    assert max(map(len, clients)) <= 64
    # One that keeps coming is kept.
    found: list[SilentClient] = []
    for _ in range(30):
        found += warned(silent, clock, asking(), 10, 2.0)
        for number in range(900):
            silent.note(asking((f"10.0.{number // 256}.{number % 256}", 1)))
    assert len(found) == 1


def test_ticket_meanwhile(clock: Clock) -> None:
    """Threads that count and forget at the same time break nothing."""
    silent = SilentClients(clock)

    def ask() -> None:
        for number in range(5000):
            silent.note(asking((f"192.0.2.{number % 250}", 1)))
            silent.forget(bringing((f"192.0.2.{number % 250}", 1)))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(vars(silent)["clients"]) == 250


def test_fork() -> None:
    """A child waits for no lock of its parent's threads, and begins anew."""
    silent = SilentClients()
    silent.note(asking())

    def in_child() -> int:
        return 0 if not vars(silent)["clients"] and silent.note(asking()) is None else 1

    with vars(silent)["_lock"]:
        assert fork_and_run(in_child) == 0
