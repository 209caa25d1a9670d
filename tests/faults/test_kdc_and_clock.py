"""A KDC that is down, and clocks that are wrong or are set while the server runs."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Generator
from pathlib import Path

import gssapi.raw as gss
import pytest

from async_kerberos import Kerberos, Reason
from async_kerberos.testing import Realm, Service, User

from ..support.debs import unpacked
from ..support.held import HeldFile
from ..support.initiator import KRB5, SPNEGO, TWO_LEGS, Initiator, fresh, negotiate, reply_token, shift_clock
from ..support.keytabs import keytab_option
from .conftest import DOORS, Apart, ask, host_of, target_of

MINUTE = 60

# Together, so that the library is fetched once.
faked = pytest.mark.xdist_group("faketime")

# Twice what is allowed would prove less than a little more does.
WITHIN, BEYOND = 4 * MINUTE, 6 * MINUTE


def test_kdc_down(make_kerberos: Callable[..., Kerberos]) -> None:
    """Without a KDC the holders of tickets get in, also with an acceptor that is new then; others do once it is up."""
    with Realm() as realm, realm.environ():
        service = realm.service("HTTP/down.faults.test")
        holder, late = realm.user("holder"), realm.user("late")
        used = make_kerberos(hostname="down.faults.test", keytab=keytab_option(service.keytab))
        any_host = make_kerberos(hostname="*")
        assert ask(used, fresh(target_of(service), ccache=holder.ccache)) is None
        realm.stop_kdc()
        with pytest.raises(gss.GSSError, match=r"(?i)kdc"):
            fresh(target_of(service), ccache=late.ccache)
        for kerberos in (used, any_host, make_kerberos(hostname="down.faults.test")):
            for door in DOORS:
                assert ask(kerberos, fresh(target_of(service), ccache=holder.ccache), door) is None
        realm.start_kdc()
        for door in DOORS:
            assert ask(used, fresh(target_of(service), ccache=late.ccache), door) is None


@pytest.mark.parametrize("mech", [SPNEGO, KRB5], ids=["spnego", "krb5"])
def test_client_skewed(
    mech: gss.OID,
    service: Service,
    users: tuple[User, User],
    make_kerberos: Callable[..., Kerberos],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """A client whose clock is wrong by less than five minutes gets in, and by more does not, either way."""
    kerberos = make_kerberos(hostname=host_of(service), keytab=keytab_option(service.keytab))
    fresh(target_of(service), ccache=users[0].ccache)  # so that there is a ticket for the service in the cache
    # A client that is behind takes the ticket for one of the future, unless it is generous.
    generous = tmp_path / "krb5.conf"
    configuration = Path(os.environ["KRB5_CONFIG"]).read_text()
    assert "[libdefaults]" in configuration
    generous.write_text(configuration.replace("[libdefaults]", f"[libdefaults]\n\tclockskew = {2 * BEYOND}", 1))
    tokens: dict[int, list[str]] = {}
    with monkeypatch.context() as patch:
        patch.setenv("KRB5_CONFIG", str(generous))
        for ahead in (WITHIN, BEYOND, -WITHIN, -BEYOND):
            ccache = tmp_path / f"skewed{ahead:+d}"
            shutil.copy(users[0].ccache, ccache)
            shift_clock(ccache, ahead)
            tokens[ahead] = [fresh(target_of(service), mech=mech, ccache=ccache) for _ in DOORS]
    for ahead, authorizations in tokens.items():
        answers = {ask(kerberos, token, door) for token, door in zip(authorizations, DOORS, strict=True)}
        assert answers == {Reason.CLOCK_SKEW if abs(ahead) == BEYOND else None}


class Clock:
    """The clock of a process apart, by libfaketime: it can be set at any time, and the monotonic one runs on.

    Attributes:
        env: variables for the process.
    """

    def __init__(self, library: Path, folder: Path) -> None:
        self._file = folder / "clock"
        self.env = {
            "LD_PRELOAD": str(library),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
        self.set(0)

    def set(self, seconds: int) -> None:
        """Set it so far ahead of the machine's."""
        new = self._file.with_suffix(".new")
        new.write_text(f"{seconds:+d}\n")
        new.replace(self._file)


@pytest.fixture(scope="session")
def faketime() -> Path:
    """libfaketime, for separate processes: Debian's package, unpacked and not installed."""
    (found,) = unpacked("libfaketime").glob("usr/lib/*/faketime/libfaketimeMT.so.1")
    return found


@pytest.fixture
def clock(faketime: Path, tmp_path: Path) -> Clock:
    """A clock for a process apart."""
    return Clock(faketime, tmp_path)


@pytest.fixture
def server(service: Service, clock: Clock) -> Generator[Apart, None, None]:
    """A server with that clock."""
    with Apart(service, env=clock.env) as server:
        yield server


@faked
def test_server_clock_set(server: Apart, clock: Clock, service: Service, users: tuple[User, User]) -> None:
    """The server's clock is set while it runs: within five minutes nothing changes; beyond, all get 403."""

    def reasons() -> set[str | None]:
        replies = [server.ask(fresh(target_of(service), ccache=users[0].ccache), door) for door in DOORS]
        assert all(reply.status == (403 if reply.reason else 200) for reply in replies)
        return {reply.reason for reply in replies}

    assert reasons() == {None}
    for ahead in (WITHIN, BEYOND, 0, -WITHIN, -BEYOND, 0):
        clock.set(ahead)
        assert reasons() == ({"CLOCK_SKEW"} if abs(ahead) == BEYOND else {None})
    # Tickets of a day are over by then, or not valid yet.
    for days in (2, -2):
        clock.set(days * 24 * 60 * MINUTE)
        assert reasons() <= {"CLOCK_SKEW", "EXPIRED"}
    clock.set(0)
    assert reasons() == {None}


@faked
@pytest.mark.parametrize(("door", "ahead"), [("asyncio", BEYOND), ("trio", -BEYOND)])
def test_deadline_when_the_clock_is_set(
    door: str, ahead: int, clock: Clock, service: Service, users: tuple[User, User], replay_cache: Path
) -> None:
    """A request's time is no matter of the clock that is set: it is over neither before it is, nor never."""
    seconds = 4.0

    def token() -> str:
        return fresh(target_of(service), ccache=users[0].ccache)

    with Apart(service, seconds=seconds, env=clock.env) as server:
        assert server.ask(token()).reason is None
        authorization = token()
        with HeldFile(replay_cache) as held:
            begun = time.monotonic()
            server.begin(authorization, door)
            held.wait_for_accepts()
            clock.set(ahead)
            reply = server.finish()
            took = time.monotonic() - begun
        assert (reply.reason, reply.status) == ("TIMED_OUT", 503)
        assert took >= seconds
        clock.set(0)
        assert server.ask(token()).reason is None


@faked
@pytest.mark.parametrize("ahead", [WITHIN, -WITHIN])
def test_two_legs_when_the_clock_is_set(
    ahead: int, server: Apart, clock: Clock, service: Service, users: tuple[User, User]
) -> None:
    """An exchange of two legs, which may take thirty seconds, goes on when the clock is set by minutes in between."""
    peer = ("192.0.2.9", 40_000)
    initiator = Initiator(target_of(service), flags=TWO_LEGS, ccache=users[0].ccache)
    first = server.ask(initiator.header, peer=peer)
    assert first.reason == "CONTINUE"
    clock.set(ahead)
    second = server.ask(negotiate(initiator.step(reply_token([value for _, value in first.headers]))), peer=peer)
    assert second.reason is None
