"""Listeners: who may be one, what they hear, and that what they do changes nothing."""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

import anyio
import pytest

from async_kerberos import (
    Access,
    AuthRequest,
    ConfigurationError,
    Denied,
    Event,
    Guard,
    Identity,
    Kerberos,
    Outcome,
    Reason,
)
from async_kerberos.adapters.asgi import KerberosMiddleware
from async_kerberos.outcomes import SignedIn
from async_kerberos.telemetry.events import Listeners
from async_kerberos.telemetry.telling import Telling

from ...support.asking import auth_request, found
from ...support.initiator import negotiate
from .conftest import Clock, Written

PEER = ("192.0.2.7", 40_000)
BASIC = "Basic YWxpY2U6c2VjcmV0"


async def listen_async(event: Event) -> None:
    """No listener: nobody awaits it."""


async def generate(event: Event) -> AsyncGenerator[Event, None]:
    """Nor this."""
    yield event


class AsyncObject:
    """Nor an object like this."""

    async def __call__(self, event: Event) -> None: ...


class Listening:
    """A listener, as a class is: it makes an object of each event."""

    def __init__(self, event: Event) -> None: ...

    async def __call__(self) -> None: ...


@pytest.mark.parametrize(
    ("on_event", "problem"),
    [
        (None, "must be a sequence of functions of an Event, not None"),
        ("print", "must be a sequence of functions of an Event, not 'print'"),
        ([print, "print"], "must be functions of an Event, not 'print'"),
        (listen_async, "is async, and nobody would await it"),
        ([print, listen_async], "is async, and nobody would await it"),
        (functools.partial(listen_async), "is async, and nobody would await it"),
        (AsyncObject(), "is async, and nobody would await it"),
        (generate, "is async, and nobody would await it"),
    ],
)
def test_wrong(on_event: Any, problem: str) -> None:
    """What is no listener is refused when it is given, in words that say what to write."""
    with pytest.raises(ConfigurationError) as caught:
        Kerberos(on_event=on_event)
    assert caught.value.option == "on_event"
    assert problem in str(caught.value)


@pytest.mark.parametrize("on_event", [(), [], print, [print], iter([print]), Listening])
def test_right(on_event: Any) -> None:
    """One function or several, in a sequence that may be gone after one look."""
    assert isinstance(Kerberos(on_event=on_event).on_event, tuple)


def events_of(request: AuthRequest, guard: Guard | None = None, **options: Any) -> list[Event]:
    """What a listener hears of this request, by both doors."""
    heard: list[Event] = []
    kerberos = Kerberos(hostname="www.example.test", on_event=[heard.append, heard.append], **options)
    guard = Guard() if guard is None else guard
    kerberos.authenticate_blocking(request, guard)
    anyio.run(kerberos.authenticate, request, guard)
    assert len(heard) == 4
    assert heard[0] is heard[1]
    assert heard[2] is heard[3]
    assert heard[0] == heard[2]
    return heard[:1]


def test_challenged() -> None:
    """Who has no credentials is asked for some: what came is told, and nothing more."""
    request = auth_request((), PEER, fields={"host": ["www.example.test:8000"]}, path="/hello")
    (event,) = events_of(request, Guard(adapter="aiohttp"))
    assert event == Event(
        "challenged",
        reason=Reason.NO_CREDENTIALS,
        status=401,
        host="www.example.test:8000",
        peer=PEER,
        path="/hello",
        adapter="aiohttp",
    )
    (event,) = events_of(auth_request((BASIC,)))
    assert (event.outcome, event.token_size, event.method, event.adapter) == ("challenged", 0, "", "")
    assert (event.peer, event.host) == (None, "")


@pytest.mark.parametrize("size", [1, 2, 3, 4, 50])
def test_refused(size: int) -> None:
    """A refused token is told by its size."""
    (event,) = events_of(auth_request((negotiate(b"x" * size),), PEER))
    assert event == Event(
        "refused",
        reason=Reason.MALFORMED,
        status=403,
        method="ticket",
        peer=PEER,
        token_size=size,
        detail="not a GSSAPI token",
    )
    (event,) = events_of(auth_request((negotiate(b"x" * size).replace(" ", "    "),), PEER))  # RFC 9110, section 11.4
    assert (event.reason, event.token_size) == (Reason.MALFORMED, size)
    (event,) = events_of(auth_request((negotiate(b"x" * size), BASIC)), failure_status=401)
    assert (event.reason, event.status, event.token_size) == (Reason.MALFORMED_HEADER, 400, 0)
    (event,) = events_of(auth_request((negotiate(b"x" * size),), PEER), failure_status=401)
    assert (event.outcome, event.status) == ("refused", 401)


def test_later_checks() -> None:
    """A later check of a request is told of only where it refuses, and who it is, if this service has found out."""
    heard: list[Event] = []

    def refuse(*_: object) -> bool:
        return False

    kerberos, other = Kerberos(hostname="www", on_event=heard.append), Kerberos(hostname="other")
    earlier = found(Identity("alice@R", "HTTP/www@R"), (), kerberos, ("Negotiate dG9rZW4=",))
    request = auth_request(("Negotiate dG9rZW4=",), PEER, earlier)
    kerberos.authenticate_blocking(request)
    assert heard == []
    kerberos.authenticate_blocking(request, Guard(access=Access(authorize=refuse)))
    (event,) = heard
    assert (event.outcome, event.reason, event.principal) == ("refused", Reason.NOT_AUTHORISED, "alice@R")
    assert (event.method, event.mechanism, event.token_size) == ("ticket", "krb5", 5)
    earlier = found(Identity("alice@R", "HTTP/other@R"), (), other, ("Negotiate dG9rZW4=",))
    kerberos.authenticate_blocking(auth_request(("Negotiate dG9rZW4=",), PEER, earlier))
    assert (heard[1].reason, heard[1].principal) == (Reason.WRONG_SERVICE, None)


def decide(on_event: Any, request: AuthRequest | None = None) -> Outcome:
    return Kerberos(on_event=on_event).authenticate_blocking(request or auth_request((negotiate(b"garbage"),), PEER))


def fail(event: Event) -> None:
    raise LookupError("no such queue")


def test_failing_listener(written: Written) -> None:
    """What a listener raises is logged, with the place, changes no answer, and keeps no other from hearing."""
    heard: list[Event] = []
    assert decide([fail, heard.append]) == decide([])
    assert len(heard) == 1
    _, record, _ = written.records
    assert record.getMessage().startswith(f"Kerberos: the listener {fail!r} has failed (on_event). ")
    assert record.levelname == "ERROR"
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], LookupError)


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_what_is_no_exception(error: type[BaseException]) -> None:
    """What is to end a process, or a task, does."""

    def end(event: Event) -> None:
        raise error

    with pytest.raises(error):
        decide([end])


def test_listener_that_returns_something_to_await(written: Written) -> None:
    """A sync wrapper around an async function is found when it is called: logged once, and nothing is left over."""

    class Later:
        def __await__(self) -> Any:
            raise AssertionError

    def later(event: Event) -> Awaitable[None]:
        return listen_async(event)

    def object_later(event: Event) -> Later:
        return Later()

    async def wait() -> None: ...

    async def make_task() -> asyncio.Task[None]:
        return asyncio.create_task(wait())

    task = asyncio.run(make_task())

    def in_time(event: Event) -> asyncio.Task[None]:
        """A task goes on by itself."""
        return task

    listeners = Listeners([later, object_later, in_time])
    for _ in range(3):
        listeners.tell(Event("accepted"))
    assert written.lines == [
        f"Kerberos: the listener {listener!r} returns something to await, and nobody does (on_event): give a function "
        "that is not async."
        for listener in (later, object_later)
    ]


def test_faults_in_the_log(clock: Clock, written: Written) -> None:
    """Each kind of error of each listener is logged once a minute; of many kinds, not all."""
    errors: list[type[Exception]] = [type(f"Error{number}", (Exception,), {}) for number in range(40)]

    def failing(kind: int) -> Callable[[Event], None]:
        def listen(event: Event) -> None:
            raise errors[kind % len(errors)]

        return listen

    one, two = failing(0), failing(0)
    listeners = Listeners([one, two], clock)
    for _ in range(100):
        listeners.tell(Event("accepted"))
    assert len(written.lines) == 2
    clock.now += 59
    listeners.tell(Event("accepted"))
    assert len(written.lines) == 2
    clock.now += 1
    listeners.tell(Event("accepted"))
    assert len(written.lines) == 4
    numbers = iter(range(10_000))

    def fail_anew(event: Event) -> None:
        raise errors[next(numbers) % len(errors)]

    many = Listeners([fail_anew], clock)
    for _ in range(100):
        many.tell(Event("accepted"))
    assert len(written.lines) == 4 + 16
    clock.now += 60
    for _ in range(100):
        many.tell(Event("accepted"))
    assert len(written.lines) == 4 + 32
    faults: Any = vars(many)["_faults"]
    assert len(faults._logged) == 16


def test_nobody_listens(written: Written, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nobody listens, and the log is at its usual level, a challenge makes no event."""
    made: list[object] = []
    original = Event.__init__

    def counting(event: Event, *args: Any, **facts: Any) -> None:
        made.append(event)
        original(event, *args, **facts)

    monkeypatch.setattr(Event, "__init__", counting)
    decide([], auth_request((), PEER))
    telling, signed_in = Telling((), lambda: ""), SignedIn(Identity("alice@R"))
    telling.accepted(auth_request(("Negotiate dG9rZW4=",), PEER), signed_in, "asgi")
    assert made == []
    decide([])
    assert len(made) == 1
    assert len(written.lines) == 1
    # Who does listen hears of both.
    Telling((made.append,), lambda: "").accepted(auth_request(("Negotiate dG9rZW4=",), PEER), signed_in, "asgi")
    logging.getLogger("async_kerberos").setLevel(logging.DEBUG)
    telling.accepted(auth_request((), PEER), signed_in, "asgi")
    assert written.lines[1:] == ["Kerberos: accepted alice@R from 192.0.2.7"]
    assert len(made) == 4


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Nobody gets here."""


def test_options_of_middlewares() -> None:
    """It is an option like others: a middleware that has a service takes none of its own beside it."""
    middleware = KerberosMiddleware(app, on_event=print)
    assert middleware.kerberos is not None
    assert middleware.kerberos.on_event == (print,)
    with pytest.raises(ConfigurationError, match="give it, or on_event, not both"):
        KerberosMiddleware(app, Kerberos(), on_event=print)


def test_guard() -> None:
    """The name of an adapter is a text."""
    with pytest.raises(ConfigurationError, match="adapter"):
        Guard(adapter=7)  # type: ignore[arg-type] # that is tested


def test_denied_is_told_before_the_answer() -> None:
    """The event has what the answer has."""
    heard: list[Event] = []
    outcome = Kerberos(on_event=heard.append).authenticate_blocking(auth_request(("Negotiate",), PEER))
    assert isinstance(outcome, Denied)
    assert (heard[0].status, heard[0].reason) == (outcome.status, outcome.reason)
