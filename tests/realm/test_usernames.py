"""The option ``username``: what applications call a user, and who gets in."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import anyio
import pytest

from async_kerberos import Accepted, Denied, Identity, Kerberos, Outcome, Reason, WorkerLimits
from async_kerberos.testing import Realm, User

from ..support import HOSTNAME
from ..support.asking import auth_request
from ..support.crossing import Crossing
from ..support.held import HeldCall
from ..support.initiator import fresh

HOST = "usernames.realm.test"

DOORS = ["asyncio", "trio", "thread"]


def decide(kerberos: Kerberos, door: str, *authorization: str, earlier: Any = None) -> Outcome:
    """The outcome of a request at one of the doors."""
    request = auth_request(authorization, earlier=earlier)
    if door == "thread":
        return kerberos.authenticate_blocking(request)
    return anyio.run(kerberos.authenticate, request, backend=door)


@pytest.fixture(scope="module")
def crossing(realm: Realm) -> Generator[Crossing, None, None]:
    """Realms that somebody's tickets cross."""
    with Crossing(realm.keytab, HOST) as crossing:
        yield crossing


@pytest.mark.parametrize("door", DOORS)
def test_name(signed_in: User, door: str) -> None:
    """A user of the host's own realm has a name without it, and the whole principal as ever is the identity."""
    kerberos = Kerberos(hostname=HOSTNAME, username="name")
    for _ in range(2):
        outcome = decide(kerberos, door, fresh())
        assert isinstance(outcome, Accepted)
        assert (outcome.username, outcome.principal) == ("alice", signed_in.principal)
    kerberos.close()


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.usefixtures("signed_in")
def test_name_of_another_realm(
    crossing: Crossing, door: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Alice of another realm, whose tickets are trusted, does not become the Alice of this one."""
    trusting = tmp_path / "krb5.conf"
    trusting.write_text("[capaths]\n\tONE.TEST = {\n\t\tTHREE.TEST = TWO.TEST\n\t}\n")
    monkeypatch.setenv("KRB5_CONFIG", f"{trusting}:{os.environ['KRB5_CONFIG']}")
    with_principal, with_name = Kerberos(hostname=HOST), Kerberos(hostname=HOST, username="name")
    outcome = decide(with_principal, door, authorization := crossing.fresh())
    assert isinstance(outcome, Accepted)
    assert outcome.username == outcome.principal == "alice@ONE.TEST"
    # Nor by the result of an outer check that takes the principal.
    for again in (decide(with_name, door, crossing.fresh()), decide(with_name, door, authorization, earlier=outcome)):
        assert isinstance(again, Denied)
        assert (again.status, again.reason) == (403, Reason.NOT_AUTHORISED)
    assert "alice@ONE.TEST is not of the realm KRBTEST.COM" in caplog.text
    with_principal.close()
    with_name.close()


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.usefixtures("signed_in")
@pytest.mark.parametrize("setting", ["", '\tdefault_realm = ""\n'])
def test_no_default_realm(
    setting: str, door: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Where krb5.conf sets no default realm nobody gets in, and the log says what is missing."""
    authorization = fresh()
    empty = tmp_path / "krb5.conf"
    empty.write_text(f"[libdefaults]\n{setting}\tdns_lookup_realm = false\n\tdns_canonicalize_hostname = false\n")
    monkeypatch.setenv("KRB5_CONFIG", str(empty))
    kerberos = Kerberos(hostname=HOSTNAME, username="name")
    outcome = decide(kerberos, door, authorization)
    assert isinstance(outcome, Denied)
    assert (outcome.status, outcome.reason) == (500, Reason.KRB5_CONF)
    assert "username='name': krb5.conf sets no default_realm under [libdefaults]" in caplog.text
    caplog.clear()
    kerberos.log_setup()
    assert "username='name': krb5.conf sets no default_realm under [libdefaults]" in caplog.text
    kerberos.close()


@pytest.mark.parametrize("door", ["asyncio", "trio"])
@pytest.mark.usefixtures("signed_in")
def test_default_realm_that_takes_long(door: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the library does not tell it in time, the answer is 503, as for a step that takes too long."""
    held = HeldCall()

    def default_realm(_: object) -> str:
        return str(held())

    monkeypatch.setattr("async_kerberos._gss.acceptor.Acceptor.default_realm", default_realm)
    kerberos = Kerberos(hostname=HOSTNAME, username="name", workers=WorkerLimits(threads=1, seconds=0.5))
    outcome = decide(kerberos, door, fresh())
    held.release()
    assert isinstance(outcome, Denied)
    assert (outcome.status, outcome.reason) == (503, Reason.TIMED_OUT)
    kerberos.close()


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.usefixtures("signed_in")
def test_function(door: str) -> None:
    """A function gets the identity, and says what the name is; a second check by the same service says the same."""
    asked: list[Identity] = []

    def upper(identity: Identity) -> str:
        asked.append(identity)
        return identity.name.upper()

    kerberos = Kerberos(hostname=HOSTNAME, username=upper)
    first = decide(kerberos, door, authorization := fresh())
    second = decide(kerberos, door, authorization, earlier=first)
    assert isinstance(first, Accepted)
    assert isinstance(second, Accepted)
    assert (first.username, second.username) == ("ALICE", "ALICE")
    assert asked[0] == first.identity
    kerberos.close()


def failing(identity: Identity) -> str:
    raise LookupError("no such user here")


def number(identity: Identity) -> Any:
    return 7


@pytest.mark.parametrize("door", DOORS)
def test_user_without_a_name(signed_in: User, door: str, caplog: pytest.LogCaptureFixture) -> None:
    """A user for whom the function has no name is refused, as one who is not authorised; others are not affected."""
    names = {signed_in.principal: "alice"}
    kerberos = Kerberos(hostname=HOSTNAME, username=lambda identity: names.get(identity.principal))
    assert isinstance(decide(kerberos, door, fresh()), Accepted)
    names.clear()
    outcome = decide(kerberos, door, fresh())
    assert isinstance(outcome, Denied)
    assert (outcome.status, outcome.reason) == (403, Reason.NOT_AUTHORISED)
    assert f"username has no name for {signed_in.principal}" in caplog.text
    kerberos.close()


def empty(identity: Identity) -> str:
    return ""


def half(identity: Identity) -> str:
    return "a\udcffb"


def line(identity: Identity) -> str:
    return "a\nb"


class Later:
    """What can be awaited, and is no coroutine that would want to be."""

    def __await__(self) -> Generator[None, None, str]:
        raise AssertionError


def later(identity: Identity) -> Any:
    return Later()


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(
    ("function", "told"),
    [
        (failing, "LookupError: no such user here"),
        (number, "username returned an object of type int, and no text"),
        (empty, "username returned an empty text"),
        (half, r"username returned a text with characters that no name has, 'a\udcffb'"),
        (line, r"username returned a text with characters that no name has, 'a\nb'"),
        (later, "username returned an object of type Later, and no text"),
    ],
)
def test_function_that_fails(
    signed_in: User, door: str, function: Callable[[Identity], str | None], told: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A function that raises, or returns no text, lets nobody in; the log says where, and for whom."""
    kerberos = Kerberos(hostname=HOSTNAME, username=function)
    outcome = decide(kerberos, door, fresh())
    assert isinstance(outcome, Denied)
    assert (outcome.status, outcome.reason, outcome.body) == (500, Reason.APPLICATION_FAULT, b"Internal Server Error")
    assert told in caplog.text
    assert f"for {signed_in.principal}" in caplog.text
    kerberos.close()
