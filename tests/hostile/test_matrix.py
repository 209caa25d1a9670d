"""The hostile matrix: tokens cut short, changed, used twice, made for others or for nobody, and floods of them."""

from __future__ import annotations

import logging
import os
import shutil
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import gssapi.raw as gss
import pytest

from async_kerberos import Accepted, HalfOpenLimits, Identity, Kerberos, Outcome, Reason
from async_kerberos.testing import Realm, User

from ..support import tokens
from ..support.asking import denied, reply_of
from ..support.initiator import (
    KRB5,
    MUTUAL,
    NTLM,
    SPNEGO,
    TWO_LEGS,
    Initiator,
    shift_clock,
)
from ..support.keytabs import keytab_option, served_as
from ..support.secrets import SecretsGuard
from ..support.waiting import wait_until
from .trial import HOST, PEER, Trial

# What a ticket says of its service, realm and key is before this octet, whatever is wrapped around the ticket.
NAMES_END = 256
# Lengths that do not end, that are too long, of too many octets, and none at all.
LIES = [0, 1, 0x7F, 0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x88, 0xFE, 0xFF]
MECHS = {"spnego": SPNEGO, "kerberos": KRB5}
# Host and service names one bit away from those of the service under attack.
TARGET, NEIGHBOUR, OTHER_SERVICE = "HTTP/www.hostile.test", "HTTP/vww.hostile.test", "HTTQ/www.hostile.test"

pytestmark = pytest.mark.usefixtures("signed_in", "whole_lines")


class _Lines(logging.Filter):
    """Notes what would break a log line or a terminal, and lets nothing through: pytest would keep all of it."""

    def __init__(self) -> None:
        super().__init__()
        self.broken: list[str] = []

    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        if not message.isprintable():
            self.broken.append(message)
        return False


@pytest.fixture
def whole_lines() -> Iterator[None]:
    """Whatever is sent, what is logged of it is one line of printable characters."""
    logger = logging.getLogger("async_kerberos")
    lines = _Lines()
    logger.addFilter(lines)
    yield
    logger.removeFilter(lines)
    assert lines.broken == []


@pytest.fixture
def trial(alice: User) -> Iterator[Trial]:
    """Nobody but alice gets in, and to this service alone."""
    trial = Trial(Kerberos(hostname=HOST), Identity(alice.principal, served_as(f"HTTP/{HOST}@KRBTEST.COM")))
    yield trial
    trial.kerberos.close()


@pytest.fixture
def no_replay_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it, a changed token that would pass does so, though an earlier one has passed already."""
    monkeypatch.setenv("KRB5RCACHENAME", "none:")


@pytest.fixture(scope="session")
def neighbours(realm: Realm) -> Path:
    """A keytab of several services, whose names are one bit from each other."""
    keytab = realm.folder / "hostile.keytab"
    for name in (TARGET, NEIGHBOUR, OTHER_SERVICE):
        realm.service(name, keytab=keytab)
    return keytab


def flips(token: bytes, until: int | None = None) -> Iterator[tuple[str, bytes]]:
    """Every token that differs in one bit; from the octet ``until`` on, one bit of each octet is enough."""
    changed = bytearray(token)
    for position in range(len(token)):
        for bit in range(8) if until is None or position < until else (position % 8,):
            changed[position] ^= 1 << bit
            yield f"bit {bit} of octet {position} ({token[position]:#x})", bytes(changed)
            changed[position] ^= 1 << bit


def is_framed(content: bytes) -> bool:
    """Whether this is a token of GSSAPI's; what is encrypted may begin like one."""
    try:
        return content[:1] == b"\x60" and not tokens.take_der(content)[2]
    except (AssertionError, IndexError):
        return False


def length_octets(data: bytes, begin: int = 0) -> Iterator[int]:
    """Where the octets of all lengths are, in DER within DER."""
    end = len(data)
    while begin < end:
        tag, content, rest = tokens.take_der(data[begin:])
        content_begin = end - len(rest) - len(content)
        yield from range(begin + 1, content_begin)
        if tag & 0x20 or (tag == 0x04 and is_framed(content)):
            yield from length_octets(data[: end - len(rest)], content_begin)
        elif tag == 0x06 and rest[:2] == b"\1\0":  # a Kerberos token's TOK_ID, which is no DER
            rest = rest[2:]
        begin = end - len(rest)


@pytest.mark.usefixtures("no_replay_cache")
@pytest.mark.parametrize("mech", MECHS.values(), ids=MECHS.keys())
def test_truncated(trial: Trial, mech: gss.OID) -> None:
    """No token that was cut short passes."""
    token = Initiator(mech=mech).step()
    for length in range(len(token)):
        trial.send(token[:length], f"cut to {length} octets")
    assert trial.accepted == []
    assert isinstance(trial.send(token, "whole"), Accepted)


@pytest.mark.usefixtures("no_replay_cache")
def test_beheaded(trial: Trial) -> None:
    """Where a token lost its beginning, nothing passes but the Kerberos token within."""
    token = Initiator().step()
    _, kerberos_token = tokens.take_neg_token_init(token)
    assert kerberos_token is not None
    for begin in range(1, len(token)):
        trial.send(token[begin:], f"from octet {begin} on")
    assert trial.accepted == [f"from octet {len(token) - len(kerberos_token)} on"]


@pytest.mark.usefixtures("no_replay_cache")
@pytest.mark.parametrize(
    ("mech", "flags"),
    [(SPNEGO, MUTUAL), (KRB5, MUTUAL), (KRB5, TWO_LEGS)],
    ids=["spnego", "kerberos", "bare"],
)
def test_flipped(trial: Trial, mech: gss.OID, flags: int) -> None:
    """No bit of a token can be changed so that it yields another user or service, or an error of the server's."""
    token = Initiator(mech=mech, flags=flags).step()
    for what, changed in flips(token):
        trial.send(changed, what)
    # Those of the envelope, which nothing authenticates; two legs are not over yet.
    assert bool(trial.accepted) == (flags != TWO_LEGS)
    assert len(trial.accepted) < 8 * len(token) / 10


@pytest.mark.usefixtures("no_replay_cache")
def test_flipped_for_any_host(alice: User, realm: Realm, neighbours: Path) -> None:
    """Where any host name will do, a changed ticket yields none but its own, though others are one bit away."""
    trial = Trial(
        Kerberos(hostname="*", keytab=keytab_option(neighbours)), Identity(alice.principal, f"{TARGET}@{realm.name}")
    )
    token = Initiator(TARGET).step()
    for what, changed in flips(token, NAMES_END):
        trial.send(changed, what)
    assert trial.accepted


@pytest.mark.usefixtures("no_replay_cache")
@pytest.mark.parametrize("hostname", ["www.hostile.test", "*"])
def test_flipped_for_another_service(alice: User, neighbours: Path, hostname: str) -> None:
    """A ticket for another service passes with no bit changed, though its name is one bit away and its key there."""
    trial = Trial(Kerberos(hostname=hostname, keytab=keytab_option(neighbours)), Identity(alice.principal))
    token = Initiator(OTHER_SERVICE, mech=KRB5).step()
    assert token.index(b"www.hostile.test") < NAMES_END - 50
    for what, changed in flips(token, NAMES_END):
        trial.send(changed, what)
    assert trial.accepted == []
    assert trial.reasons[Reason.WRONG_SERVICE]


def test_flipped_after_use(trial: Trial) -> None:
    """A token that was used once passes with no bit changed."""
    token = Initiator().step()
    assert isinstance(trial.send(token, "first use"), Accepted)
    for what, changed in flips(token):
        trial.send(changed, what)
    assert trial.accepted == ["first use"]
    assert trial.reasons[Reason.REPLAY]


@pytest.mark.usefixtures("no_replay_cache")
@pytest.mark.parametrize("mech", MECHS.values(), ids=MECHS.keys())
def test_lengths_that_lie(trial: Trial, mech: gss.OID) -> None:
    """No octet of a DER length, outside or deep within, can be changed so that anything falls over."""
    token = Initiator(mech=mech).step()
    positions = list(length_octets(token))
    assert len(positions) > 50
    for position in positions:
        for lie in LIES:
            changed = token[:position] + bytes([lie]) + token[position + 1 :]
            if changed != token:
                trial.send(changed, f"octet {position} ({token[position]:#x}) made {lie:#x}")


@pytest.mark.asyncio
@pytest.mark.usefixtures("no_replay_cache")
async def test_on_a_loop(trial: Trial) -> None:
    """What is cut short or changed fares no better through the door of an event loop."""
    for mech in MECHS.values():
        token = Initiator(mech=mech).step()
        for length in range(0, len(token), 3):
            await trial.send_async(token[:length], f"cut to {length} octets")
        assert trial.accepted == []
        for number, (what, changed) in enumerate(flips(token)):
            if number % 7 == 0:  # every octet, and every bit
                await trial.send_async(changed, what)
        assert trial.accepted
        trial.accepted.clear()


# What a mechanism's token can be sent in.
WRAPPINGS: dict[str, Callable[[bytes], list[bytes]]] = {
    "spnego": lambda token: [tokens.neg_token_init([KRB5], token)],
    "spnego-of-microsoft": lambda token: [tokens.neg_token_init([tokens.MS_KRB5, KRB5], token)],
    "spnego-in-two-legs": lambda token: [tokens.neg_token_init([KRB5]), tokens.neg_token_resp(token)],
    "none": lambda token: [token],
}


def send_wrapped(trial: Trial, token: bytes, wrapping: str) -> Outcome:
    """Send a mechanism's token in a wrapping."""
    return [trial.send(leg, wrapping) for leg in WRAPPINGS[wrapping](token)][-1]


@pytest.mark.parametrize("flags", [MUTUAL, TWO_LEGS], ids=["framed", "bare"])
@pytest.mark.parametrize("first", WRAPPINGS)
def test_replay_in_another_wrapping(trial: Trial, first: str, flags: int) -> None:
    """A request that was used once is refused as a replay, whatever is wrapped around it."""
    token = Initiator(mech=KRB5, flags=flags).step()
    assert token[0] == (0x60 if flags == MUTUAL else 0x6E)
    outcome = send_wrapped(trial, token, first)
    assert isinstance(outcome, Accepted) == (flags == MUTUAL)
    assert isinstance(outcome, Accepted) or outcome.reason is Reason.CONTINUE
    for second in WRAPPINGS:
        assert denied(send_wrapped(trial, token, second)).reason is Reason.REPLAY, second


def reasons_for(kerberos: Kerberos, token: bytes) -> set[Reason]:
    """Why a token is refused, whatever is wrapped around it."""
    trial = Trial(kerberos, Identity("nobody"))
    return {denied(send_wrapped(trial, token, wrapping)).reason for wrapping in WRAPPINGS}


@pytest.mark.parametrize(
    ("hostname", "target"),
    [
        ("www.hostile.test", OTHER_SERVICE),
        ("www.hostile.test", NEIGHBOUR),
        ("*", OTHER_SERVICE),
        (["www.hostile.test", HOST], NEIGHBOUR),
    ],
)
@pytest.mark.usefixtures("no_replay_cache")
def test_for_another_service(neighbours: Path, hostname: str | list[str], target: str) -> None:
    """A ticket for another service is refused, though its key is at hand."""
    token = Initiator(target, mech=KRB5).step()
    assert reasons_for(Kerberos(hostname=hostname, keytab=keytab_option(neighbours)), token) == {Reason.WRONG_SERVICE}


@pytest.mark.parametrize("hostname", [HOST, "*"])
@pytest.mark.parametrize("name", ["OTHER.TEST", "KRBTEST.COM"])
def test_of_another_realm(name: str, hostname: str) -> None:
    """A ticket of another realm for the same service is refused, be it a realm of the same name."""
    with Realm(name=name) as other:
        other.service(f"HTTP/{HOST}")
        with other.environ(other.user("alice")):
            token = Initiator(mech=KRB5).step()
    assert reasons_for(Kerberos(hostname=hostname), token) == {Reason.UNKNOWN_KEY}


@pytest.mark.usefixtures("no_replay_cache")
@pytest.mark.parametrize("seconds", [3600, -3600], ids=["ahead", "behind"])
@pytest.mark.parametrize("hostname", [HOST, "*"])
def test_skewed(alice: User, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: int, hostname: str) -> None:
    """A token made an hour from now, or an hour ago, is refused."""
    Initiator().step()  # so that there is a ticket for the service in the cache
    ccache = Path(shutil.copy(alice.ccache, tmp_path / "skewed"))
    shift_clock(ccache, seconds)
    # A client that finds nothing wrong with a ticket from the future.
    (tmp_path / "krb5.conf").write_text("[libdefaults]\nclockskew = 7200\n")
    with monkeypatch.context() as patch:
        patch.setenv("KRB5_CONFIG", f"{tmp_path / 'krb5.conf'}:{alice.env['KRB5_CONFIG']}")
        token = Initiator(mech=KRB5, ccache=ccache).step()
    assert reasons_for(Kerberos(hostname=hostname), token) == {Reason.CLOCK_SKEW}


@pytest.mark.parametrize("hostname", ["rekeyed.hostile.test", "*"])
def test_key_that_is_gone(realm: Realm, tmp_path: Path, hostname: str) -> None:
    """A ticket for a key that the keytab has no more is refused."""
    host = hostname.replace("*", "rekeyed-too.hostile.test")
    service = realm.service(f"HTTP/{host}", keytab=tmp_path / "keytab")
    token = Initiator(f"HTTP@{host}", mech=KRB5).step()
    service.keytab.unlink()
    realm.rekey(service)
    assert reasons_for(Kerberos(hostname=hostname, keytab=keytab_option(service.keytab)), token) == {Reason.KEY_VERSION}


@pytest.mark.usefixtures("no_replay_cache")
def test_expired() -> None:
    """A ticket that was valid when the token was made, and is no longer, is refused."""
    skew, lifetime = 1, 6  # seconds: a ticket for the service has to be had meanwhile
    with Realm(krb5_conf={"libdefaults": {"clockskew": str(skew)}}) as strict:
        strict.service(f"HTTP/{HOST}")
        bob = strict.user("bob", ticket=False)
        with strict.environ(bob):
            bob.kinit(lifetime=timedelta(seconds=lifetime))
            token = Initiator(mech=KRB5).step()
            over = time.time() + lifetime + skew + 1  # tickets are dated in whole seconds
            wait_until(lambda: time.time() > over, "the ticket's time is over")
            for hostname in (HOST, "*"):
                assert reasons_for(Kerberos(hostname=hostname), token) == {Reason.EXPIRED}


def nested(depth: int) -> bytes:
    """Constructed values within each other."""
    value = b""
    for _ in range(depth):
        value = tokens.der(0xA0, value)
    return value


AP_REQ = b"\x6e"
FRAMED = tokens.oid(KRB5) + b"\1\0"
# A length of so many octets as fit into no register, or negative, or without an end, or not the shortest.
LONG_LENGTHS = [
    b"\x80",
    b"\x84\xff\xff\xff\xff",
    b"\x84\x7f\xff\xff\xff",
    b"\x84\x80\0\0\0",
    b"\x88" + b"\xff" * 8,
    b"\x88" + b"\0" * 7 + b"\x40",
    b"\x89" + b"\xff" * 9,
    b"\xff" + b"\xff" * 127,
    b"\xff",
    b"\x81\x40",
]


def absurdities() -> Iterator[tuple[str, bytes]]:
    """What no client makes."""
    yield "nothing", b""
    for octet in range(256):
        for size in (1, 2, 65_536):
            yield f"{size} times {octet:#x}", bytes([octet]) * size
    for begin in (b"\x60", b"\x6e", b"\xa1", b"\x6f"):
        for length in LONG_LENGTHS:
            yield f"{begin!r} of length {length!r}", begin + length + b"\0" * 64
            for mech in (SPNEGO, KRB5):
                inner = tokens.oid(mech)
                yield f"{begin!r} of length {length!r}, a mechanism", begin + length + inner + b"\xa0" + length
                yield f"a mechanism and {begin!r} of length {length!r}", tokens.wrap(mech, begin + length + b"\0" * 64)
                yield f"a TOK_ID and length {length!r}", tokens.wrap(mech, b"\1\0" + begin + length + b"\0" * 64)
    for mech in (SPNEGO, KRB5):
        yield "no more than a mechanism", tokens.wrap(mech, b"")
        for depth in (100, 10_000):
            yield f"{depth} values within each other", tokens.wrap(mech, nested(depth))
        yield "endless values within each other", tokens.wrap(mech, b"\xa0\x80" * 30_000)
        yield "a large token of zeroes", tokens.wrap(mech, bytes(65_000))
        yield "a large AP-REQ of zeroes", tokens.wrap(mech, b"\1\0" + tokens.der(0x6E, tokens.der(0x30, bytes(65_000))))
    yield "no mechanism's name", tokens.der(0x60, tokens.der(0x06))
    yield "a long mechanism's name", tokens.der(0x60, tokens.der(0x06, b"\x2b" * 60_000))
    yield "mechanisms: none", tokens.neg_token_init([])
    yield "mechanisms: none, but a token", tokens.neg_token_init([], NTLM)
    yield "mechanisms: 5,000 times another", tokens.neg_token_init([tokens.IAKERB] * 5_000)
    yield "mechanisms: 5,000 times Kerberos", tokens.neg_token_init([KRB5] * 5_000, b"")
    yield "an empty token for Kerberos", tokens.neg_token_init([KRB5], b"")
    yield "a large token for Kerberos", tokens.neg_token_init([KRB5], bytes(65_000))
    yield "AP-REQs within each other", tokens.neg_token_init([KRB5], tokens.wrap(KRB5, b"\1\0" + nested(5_000)))


def test_absurdities(trial: Trial) -> None:
    """Lengths that lie, values nested deep, 64 KiB of anything, and nothing at all are refused, each in no time."""
    for what, token in absurdities():
        trial.send(token, what)
    assert trial.accepted == []
    assert denied(trial.send(bytes(65_537), "one octet over the limit")).reason is Reason.TOO_LARGE


def test_no_context_to_continue(trial: Trial) -> None:
    """What continues nothing is refused, with a good ticket in it too, whether or not the connection is known."""
    framed = Initiator(mech=KRB5).step()
    legs = [tokens.neg_token_resp(framed, state=state) for state in (None, 0, 1, 2, 3)]
    legs += [tokens.neg_token_resp(), tokens.neg_token_resp(b""), b"\x6f" + framed[1:]]
    for leg in legs:
        for peer in (PEER, (PEER[0], 0), None):
            assert denied(trial.send(leg, "a later leg", peer)).reason is Reason.HALF_OPEN_LOST
    for peer in ((PEER[0], 0), None):
        assert denied(trial.send(tokens.neg_token_init([KRB5]), "a first leg", peer)).reason is Reason.HALF_OPEN_LOST
    assert isinstance(trial.send(framed, "alone"), Accepted)


@pytest.mark.parametrize(
    "leg",
    [
        tokens.neg_token_resp(),
        tokens.neg_token_resp(b""),
        tokens.neg_token_resp(state=0),
        tokens.neg_token_resp(state=1),
        tokens.neg_token_resp(NTLM, state=1),
        tokens.neg_token_resp(tokens.neg_token_init([KRB5])),
        b"\xa1",
        b"\xa1\x80",
        b"\x6f\0",
    ],
    ids=bytes.hex,
)
@pytest.mark.usefixtures("no_replay_cache")
def test_exchange_without_end(trial: Trial, leg: bytes) -> None:
    """An exchange that gets nowhere comes to an end, and a good ticket after that begins anew."""
    assert denied(trial.send(tokens.neg_token_init([KRB5]), "first leg")).reason is Reason.CONTINUE
    legs = 0
    while denied(trial.send(leg, f"leg {legs}")).reason is Reason.CONTINUE:
        legs += 1
        assert legs < 3
    assert denied(trial.send(leg, "after the end")).reason is Reason.HALF_OPEN_LOST
    assert isinstance(trial.send(Initiator().step(), "a ticket"), Accepted)


@pytest.fixture(scope="session")
def mallory(realm: Realm) -> User:
    """Another user with a ticket."""
    return realm.user("mallory-hostile")


LEFT: dict[str, Callable[[User], bytes]] = {
    "no-token": lambda mallory: tokens.neg_token_init([KRB5]),
    "ntlm-first": lambda mallory: tokens.neg_token_init([tokens.NTLMSSP, KRB5], NTLM),
    "first-leg": lambda mallory: Initiator(flags=TWO_LEGS, ccache=mallory.ccache).step(),
    "first-leg-bare": lambda mallory: Initiator(mech=KRB5, flags=TWO_LEGS, ccache=mallory.ccache).step(),
}


@pytest.mark.parametrize("left", LEFT.values(), ids=LEFT.keys())
def test_spoilt_connection(trial: Trial, mallory: User, left: Callable[[User], bytes]) -> None:
    """Whatever somebody left open on a shared connection, the next user of it gets in, in one leg and in two."""
    for mech in MECHS.values():
        assert denied(trial.send(left(mallory), "left")).reason is Reason.CONTINUE
        assert isinstance(trial.send(Initiator(mech=mech).step(), "one leg"), Accepted)
        assert denied(trial.send(left(mallory), "left")).reason is Reason.CONTINUE
        initiator = Initiator(mech=mech, flags=TWO_LEGS)
        first = denied(trial.send(initiator.step(), "first of two legs"))
        assert isinstance(trial.send(initiator.step(reply_of(first)), "second of two legs"), Accepted)


@pytest.mark.parametrize("mech", MECHS.values(), ids=MECHS.keys())
def test_users_never_cross(trial: Trial, mallory: User, mech: gss.OID) -> None:
    """A user who goes on with another's exchange gets in as the user that the ticket proves, or not at all."""
    mallorys = Trial(trial.kerberos, Identity(mallory.principal, served_as(f"HTTP/{HOST}@KRBTEST.COM")))

    def ticket(ccache: Path | None = None) -> bytes:
        return tokens.neg_token_resp(Initiator(mech=KRB5, ccache=ccache).step())

    # An exchange without a ticket is nobody's yet: whose ticket comes is who gets in.
    for begun, ended, token in ((trial, mallorys, ticket(mallory.ccache)), (mallorys, trial, ticket())):
        begun.send(tokens.neg_token_init([KRB5]), "first leg")
        assert isinstance(ended.send(token, "second leg"), Accepted)
    # One with a ticket is its user's: nobody else's second leg goes with it, and no other ticket.
    peer = ("192.0.2.8", 1)
    initiator = Initiator(mech=mech, flags=TWO_LEGS, ccache=mallory.ccache)
    second = initiator.step(reply_of(mallorys.send(initiator.step(), "mallory's first leg", peer)))
    for intruding in (second, ticket(mallory.ccache), ticket()):
        assert trial.send(Initiator(mech=mech, flags=TWO_LEGS).step(), "alice's first leg")
        assert denied(trial.send(intruding, "mallory's second leg")).reason is not Reason.CONTINUE
    assert isinstance(mallorys.send(second, "mallory's second leg", peer), Accepted)


def resident() -> int:
    """The memory that this process takes, in octets."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGESIZE")


def _one_address(number: int) -> tuple[str, int]:
    return "192.0.2.9", 1 + number


def _many_addresses(number: int) -> tuple[str, int]:
    return f"2001:db8::{number:x}", 1


@pytest.mark.usefixtures("no_replay_cache")
@pytest.mark.parametrize(
    ("peer", "kept"),
    [(_one_address, HalfOpenLimits().per_peer), (_many_addresses, HalfOpenLimits().total)],
    ids=["one-address", "many-addresses"],
)
def test_flood(
    trial: Trial,
    peer: Callable[[int], tuple[str, int]],
    kept: int,
    monkeypatch: pytest.MonkeyPatch,
    secrets_guard: SecretsGuard,
) -> None:
    """When 10,000 exchanges are left open, the newest are kept, up to the limits, and memory does not grow."""
    flood = 10_000
    # However long a busy machine takes for them, none is over meanwhile.
    trial.kerberos = Kerberos(hostname=HOST, half_open=HalfOpenLimits(seconds=3600.0))
    # pytest keeps all records of a test, and those of a flood would be what grows.
    monkeypatch.setattr(logging.getLogger("async_kerberos"), "disabled", True)
    empty, ticket = tokens.neg_token_init([KRB5]), tokens.neg_token_resp(Initiator(mech=KRB5).step())
    trial.send(empty, "before the flood")
    for number in range(2 * HalfOpenLimits().total):
        trial.send(empty, "warm-up", peer(flood + number))

    def size() -> int:
        # The guard keeps every line that is logged until it has looked at it.
        assert secrets_guard.search() == []
        return resident()

    sizes = [size()]
    for number in range(flood):
        assert denied(trial.send(empty, f"number {number}", peer(number))).reason is Reason.CONTINUE
        if not (number + 1) % (flood // 4):
            sizes.append(size())
    # Whatever else goes on in the process, a leak would show in each quarter: 500 kB are 200 octets an exchange.
    assert min(after - before for before, after in pairwise(sizes)) < 500_000
    # One address cannot push out another's.
    outcome = trial.send(ticket, "before the flood")
    assert isinstance(outcome, Accepted) == (peer is _one_address)
    trial.accepted.clear()
    for number in range(flood):
        trial.send(ticket, str(number), peer(number))
    assert trial.accepted == [str(number) for number in range(flood - kept, flood)]
