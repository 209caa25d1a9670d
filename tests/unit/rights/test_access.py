"""Who may enter: the rules, by both doors, on asyncio and trio."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from async_kerberos import (
    Accepted,
    Access,
    AuthRequest,
    ConfigurationError,
    Denied,
    Guard,
    Identity,
    Kerberos,
    Outcome,
    Reason,
)
from async_kerberos._threads.waits import OnLoop, OnThread, Waits, finish
from async_kerberos._threads.workers import WorkerLimits, Workers
from async_kerberos.reasons import Refusal
from async_kerberos.rights.access import ForeignRealms

from ...support.asking import auth_request, found

ALICE = Identity("alice@R", "HTTP/www@R")
ADMIN = Identity("alice/admin@R", "HTTP/www@R")
FOREIGN = Identity("alice@S", "HTTP/www@R")
REQUEST = auth_request(("Negotiate secret",), ("192.0.2.1", 5), fields={"host": ["www"]}, method="PUT", path="/a b")


def yes(*_: object) -> bool:
    return True


def no(*_: object) -> bool:
    return False


def of_kerberos(access: Any) -> object:
    return Kerberos(access=access)


def of_guard(access: Any) -> object:
    return Guard(access=access)


Door = Callable[[Access, Identity, AuthRequest], Refusal | None]


def _on_loop(backend: str) -> Door:
    def check(access: Access, identity: Identity, request: AuthRequest) -> Refusal | None:
        async def checked() -> Refusal | None:
            return await _refusal(access, identity, request, OnLoop(Workers(WorkerLimits())))

        return anyio.run(checked, backend=backend)

    return check


def _on_thread(access: Access, identity: Identity, request: AuthRequest) -> Refusal | None:
    return finish(_refusal(access, identity, request, OnThread()))


def _below_a_loop(access: Access, identity: Identity, request: AuthRequest) -> Refusal | None:
    async def as_flasks_async_views_do() -> Refusal | None:
        return _on_thread(access, identity, request)  # each has a loop of its own, on a thread that may wait

    return anyio.run(as_flasks_async_views_do)


async def _refusal(access: Access, identity: Identity, request: AuthRequest, waits: Waits) -> Refusal | None:
    try:
        await access.check(identity, request, waits)
    except Refusal as refusal:
        return refusal
    return None


DOORS = {
    "asyncio": _on_loop("asyncio"),
    "trio": _on_loop("trio"),
    "thread": _on_thread,
    "below a loop": _below_a_loop,
}


@pytest.fixture(params=DOORS)
def door(request: pytest.FixtureRequest) -> Door:
    """Through which door."""
    return DOORS[request.param]


@pytest.mark.parametrize(
    ("access", "identity", "rule"),
    [
        (Access(), FOREIGN, ""),
        (Access(realms=["R"]), ALICE, ""),
        (Access(realms=["r"]), ALICE, "realms"),
        (Access(realms=["R"]), FOREIGN, "realms"),
        (Access(realms=["R", "S"]), FOREIGN, ""),
        (Access(principals=["alice@R"]), ALICE, ""),
        (Access(realms=["C=US/O=X"]), Identity(r"alice@C=US\/O=X"), ""),
        (Access(principals=["alice@R"]), FOREIGN, "principals"),
        (Access(principals=["*@R", "*/admin@R"]), ADMIN, ""),
        (Access(principals=["*/admin@R"]), ALICE, "principals"),
        (Access(realms=["S"], principals=["alice@R"]), ALICE, "realms"),
        (Access(realms=["R"], principals=["bob@R"]), ALICE, "principals"),
        (Access(realms=["R"], principals=["alice@R"], authorize=yes), ALICE, ""),
        (Access(realms=["R"], principals=["alice@R"], authorize=no), ALICE, "authorize"),
    ],
)
def test_rules(door: Door, access: Access, identity: Identity, rule: str) -> None:
    """Every rule that is given has to let the user in; the log says which did not."""
    refusal = door(access, identity, REQUEST)
    if rule:
        assert refusal is not None
        assert (refusal.reason, refusal.detail) == (Reason.NOT_AUTHORISED, f"{identity.principal}, by the rule {rule}")
    else:
        assert refusal is None


class AsyncObject:
    """An object whose call is async."""

    def __init__(self, answer: object) -> None:
        self.answer = answer

    async def __call__(self, identity: Identity, request: AuthRequest) -> Any:
        await anyio.lowlevel.checkpoint()
        return self.answer


class Waiting:
    """What can be awaited, and is no coroutine."""

    def __init__(self, answer: object) -> None:
        self.answer = answer

    def __await__(self) -> Any:
        yield from anyio.lowlevel.checkpoint().__await__()
        return self.answer


def _wrapped(answer: object) -> Callable[..., Any]:
    asynchronous = AsyncObject(answer)

    def wrapper(*args: Any) -> Any:
        return asynchronous(*args)

    return wrapper


CALLABLES: dict[str, Callable[[object], Callable[..., Any]]] = {
    "function": lambda answer: lambda *_: answer,
    "object with an async call": AsyncObject,
    "its method": lambda answer: AsyncObject(answer).__call__,
    "lambda that returns a coroutine": lambda answer: lambda *args: AsyncObject(answer)(*args),
    "sync wrapper": _wrapped,
    "awaitable": lambda answer: lambda *_: Waiting(answer),
}


@pytest.mark.parametrize("kind", CALLABLES)
def test_whatever_can_be_awaited(door: Door, kind: str) -> None:
    """Only True lets anybody in; what is neither True nor False is the application's fault."""
    make = CALLABLES[kind]
    assert door(Access(authorize=make(True)), ALICE, REQUEST) is None
    refusal = door(Access(authorize=make(False)), ALICE, REQUEST)
    assert refusal is not None
    assert refusal.reason is Reason.NOT_AUTHORISED
    for odd in (None, 1, 0, "yes", "", [True], AsyncObject(True), ALICE):
        refusal = door(Access(authorize=make(odd)), ALICE, REQUEST)
        assert refusal is not None
        assert refusal.reason is Reason.APPLICATION_FAULT
        assert f"authorize returned an object of type {type(odd).__name__}" in refusal.detail


def test_what_is_raised(door: Door) -> None:
    """What the function raises lets nobody in, and is there for the log."""

    async def later(*_: object) -> bool:
        await anyio.lowlevel.checkpoint()
        raise LookupError("later")

    def at_once(*_: object) -> bool:
        raise LookupError("at once")

    for function in (later, at_once):
        refusal = door(Access(authorize=function), ALICE, REQUEST)
        assert refusal is not None
        assert (refusal.reason, refusal.detail) == (Reason.APPLICATION_FAULT, "authorize, for alice@R")
        assert isinstance(refusal.__cause__, LookupError)


def test_cancelled_by_itself() -> None:
    """On a thread, a function that cancels itself has failed as any other: nobody else could cancel it."""

    async def authorize(*_: object) -> bool:
        raise asyncio.CancelledError

    for door in (_on_thread, _below_a_loop):
        refusal = door(Access(authorize=authorize), ALICE, REQUEST)
        assert refusal is not None
        assert refusal.reason is Reason.APPLICATION_FAULT


def test_what_the_function_sees(door: Door) -> None:
    """It gets the user and the request: method, path, host, peer; no credentials, and no earlier result."""
    seen: list[tuple[Identity, AuthRequest]] = []

    def authorize(identity: Identity, request: AuthRequest) -> bool:
        seen.append((identity, request))
        return True

    earlier = found(ALICE, (), None, ("Negotiate secret",))
    assert door(Access(authorize=authorize), ALICE, auth_request(("Negotiate secret",), None, earlier)) is None
    assert door(Access(authorize=authorize), ALICE, REQUEST) is None
    (_, first), (identity, request) = seen
    assert first.earlier is None
    assert first.authorization == request.authorization == ()
    assert (identity, request.method, request.path, request.host) == (ALICE, "PUT", "/a b", "www")
    assert request.peer == ("192.0.2.1", 5)


def test_context(door: Door) -> None:
    """What a framework keeps in the context is found by an async function, too."""
    variable: ContextVar[str] = ContextVar("variable")
    variable.set("known")

    async def authorize(identity: Identity, request: AuthRequest) -> bool:
        await anyio.lowlevel.checkpoint()
        return variable.get() == "known"

    assert door(Access(authorize=authorize), ALICE, REQUEST) is None


def test_function_without_rules_is_asked_alone(door: Door) -> None:
    """Whom another rule keeps out, the function is not asked about."""

    def never(*_: object) -> bool:
        raise AssertionError

    assert door(Access(realms=["S"], authorize=never), ALICE, REQUEST) is not None


@pytest.mark.parametrize(
    ("options", "option", "said"),
    [
        ({"realms": "R"}, "realms", "must be a sequence"),
        ({"realms": []}, "realms", "names nobody"),
        ({"realms": ()}, "realms", "names nobody"),
        ({"realms": None}, "realms", "is None, which names nobody"),
        ({"principals": None}, "principals", "is None, which names nobody"),
        ({"groups": None}, "groups", "cannot be read"),
        ({"realms": [""]}, "realms", "must be texts"),
        ({"realms": [3]}, "realms", "must be texts"),
        ({"realms": ["alice@R"]}, "realms", "names of realms"),
        ({"realms": ["*"]}, "realms", "names of realms"),
        ({"principals": "alice@R"}, "principals", "must be a sequence"),
        ({"principals": []}, "principals", "names nobody"),
        ({"principals": ["bob"]}, "principals", "'bob' of which realm?"),
        ({"principals": ["bob@*"]}, "principals", "asterisk"),
        ({"groups": ["staff"]}, "groups", "cannot be read"),
        ({"indicators": ["otp"]}, "indicators", "cannot be read"),
        ({"authorize": "yes"}, "authorize", "must be a function"),
    ],
)
def test_wrong(options: dict[str, Any], option: str, said: str) -> None:
    """A rule that is wrong, or lets nobody in, is refused where it is given."""
    with pytest.raises(ConfigurationError, match=said) as caught:
        Access(**options)
    assert caught.value.option == option


@pytest.mark.parametrize("make", [of_kerberos, of_guard])
def test_wrong_type(make: Callable[[Any], object]) -> None:
    """Where an Access belongs, nothing else is taken."""
    with pytest.raises(ConfigurationError, match=r"access: must be Access\(\.\.\.\)"):
        make({"realms": ["R"]})


@dataclass
class Case:
    """What the application demands, what the place does, and whether Alice gets in."""

    application: Access | None
    place: Access | None
    enters: bool


@pytest.mark.parametrize(
    "case",
    [
        Case(Access(realms=["R"]), Access(principals=["alice@R"]), True),
        Case(Access(realms=["S"]), Access(principals=["alice@R"]), False),
        Case(Access(realms=["R"]), Access(principals=["bob@R"]), False),
        Case(None, Access(principals=["bob@R"]), False),
        Case(Access(realms=["S"]), None, False),
    ],
)
def test_both_have_to_hold(case: Case, caplog: pytest.LogCaptureFixture) -> None:
    """The application's rules and the place's, for somebody whom another service's check has signed in before."""
    kerberos = Kerberos(hostname="www", access=case.application)
    outer = Kerberos(hostname="www")
    request = auth_request(("Negotiate x",), earlier=found(ALICE, (), outer, ("Negotiate x",)))
    outcome = kerberos.authenticate_blocking(request, Guard(access=case.place))
    assert isinstance(outcome, Accepted) is case.enters
    if isinstance(outcome, Denied):
        assert (outcome.status, outcome.reason) == (403, Reason.NOT_AUTHORISED)
        assert "403 for a client: not authorised (alice@R, by the rule" in caplog.text


def test_a_later_place_of_the_same_service() -> None:
    """Whom a first check has let in, a second one by the same service keeps out by the rules of its place."""
    kerberos = Kerberos(hostname="www")
    request = auth_request(("Negotiate x",), earlier=found(ALICE, (), kerberos, ("Negotiate x",)))
    outcome: Outcome = kerberos.authenticate_blocking(request, Guard(access=Access(principals=["bob@R"])))
    assert isinstance(outcome, Denied)
    assert isinstance(kerberos.authenticate_blocking(request, Guard(access=Access(principals=["*@R"]))), Accepted)


def test_a_request_that_is_rewritten() -> None:
    """What stands between two checks may ask for something else than the client did: the rules are asked again."""
    kerberos = Kerberos(hostname="www", access=Access(authorize=lambda _, request: request.path == "/open"))
    outer = auth_request(
        ("Negotiate x",), earlier=found(ALICE, (), Kerberos(hostname="www"), ("Negotiate x",)), path="/open"
    )
    assert isinstance(kerberos.authenticate_blocking(outer), Accepted)
    earlier = found(ALICE, (), kerberos, ("Negotiate x",), asked_for=("GET", "/open"))
    for method, path, enters in (("GET", "/open", True), ("POST", "/open", True), ("GET", "/admin", False)):
        request = auth_request(("Negotiate x",), earlier=earlier, method=method, path=path)
        assert isinstance(kerberos.authenticate_blocking(request), Accepted) is enters


def test_first_foreign_user(caplog: pytest.LogCaptureFixture) -> None:
    """The first user of another realm is logged, where no rule names realms; the next ones are not."""
    foreign = ForeignRealms()
    for identity in (ALICE, Identity("bob@S", "HTTP/www"), FOREIGN, Identity("eve@T", "HTTP/www@R")):
        foreign.note(identity)
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "'alice@S' is the first user of another realm than this service's, R" in record.getMessage()
    assert "access=Access(realms=['R'])" in record.getMessage()


def test_foreign_users_of_several_services(caplog: pytest.LogCaptureFixture) -> None:
    """Each user is measured by the realm of the service that the ticket was for; an escaped "@" begins no realm."""
    foreign = ForeignRealms()
    for principal, service in (("alice@R", "HTTP/www@R"), ("bob@S", "HTTP/www@S"), (r"a\@R@R", "HTTP/www@R")):
        foreign.note(Identity(principal, service))
    assert not caplog.records
    foreign.note(Identity(r"eve@S\@R", "HTTP/www@R"))
    assert "is the first user of another realm than this service's, R" in caplog.text


def test_foreign_user_of_a_realm_that_a_place_names(caplog: pytest.LogCaptureFixture) -> None:
    """Whom the rules of a place name is not logged, and does not keep the next one out of the log."""
    kerberos, outer = Kerberos(hostname="www"), Kerberos(hostname="www")
    request = auth_request(("Negotiate x",), earlier=found(FOREIGN, (), outer, ("Negotiate x",)))
    assert isinstance(kerberos.authenticate_blocking(request, Guard(access=Access(realms=["S"]))), Accepted)
    assert not caplog.records
    assert isinstance(kerberos.authenticate_blocking(request), Accepted)
    assert "first user of another realm" in caplog.text


def test_what_is_remembered() -> None:
    """The rules come to the same at each request of a user; what is remembered of users is bounded."""
    access = Access(realms=["R", "S"], principals=["*@R", "eve@R"])
    long = f"{'a' * 1000}@S"
    for _ in range(2):
        for principal, rule in (("bob@R", ""), ("bob@S", "principals"), ("bob@T", "realms"), (long, "principals")):
            refusal = _on_thread(access, Identity(principal, "HTTP/www@R"), REQUEST)
            assert (refusal.detail if refusal else "") == (f"{principal}, by the rule {rule}" if rule else "")
    for number in range(3000):
        assert _on_thread(access, Identity(f"{number}@R", "HTTP/www@R"), REQUEST) is None
    remembered: dict[str, str] = vars(access)["_verdicts"]
    assert 0 < len(remembered) <= 1024
    assert long not in remembered


def test_shown() -> None:
    """A rule that is left out is shown as that."""
    assert repr(Access(realms=["R"])).startswith("Access(realms=('R',), principals=LEFT_OUT, ")


def test_names_realms() -> None:
    """Where a rule names realms, nothing has to be logged."""
    assert Access(realms=["R"]).names_realms
    assert Access(principals=["*@R"]).names_realms
    assert not Access(authorize=yes).names_realms


async def _true() -> bool:
    return True


def test_typed() -> None:
    """An async function and one that is not are both what the type says."""

    async def asynchronous(identity: Identity, request: AuthRequest) -> bool:
        return True

    def returning(identity: Identity, request: AuthRequest) -> Awaitable[bool]:
        return _true()

    for function in (asynchronous, returning):
        assert Access(authorize=function).authorize is function
