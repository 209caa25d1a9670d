"""What is left when requests are over, however they ended: no context, no credential, no task, no thread."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import socket
import struct
import sys
import threading
import weakref
from collections import Counter
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import anyio
import gssapi.raw as gss
import pytest
from flask import Flask
from quart import Quart
from quart_trio import QuartTrio

from async_kerberos import Denied, HalfOpenLimits, Kerberos, Reason, WorkerLimits
from async_kerberos.adapters.asgi import KerberosMiddleware
from async_kerberos.adapters.flask import init_kerberos as init_flask
from async_kerberos.adapters.flask import requires_authentication as flask_requires
from async_kerberos.adapters.quart import init_kerberos as init_quart
from async_kerberos.adapters.quart import requires_authentication as quart_requires
from async_kerberos.methods.half_open import HalfOpenStore
from async_kerberos.testing import Service, User

from ..support.apps import asgi_app
from ..support.asking import auth_request
from ..support.held import HeldFile
from ..support.http import Connection
from ..support.initiator import MUTUAL, ONE_WAY, TWO_LEGS, Initiator, fresh, negotiate, reply_token
from ..support.keytabs import keytab_option
from ..support.servers import Hypercorn, Server, Uvicorn, Werkzeug
from ..support.waiting import wait_until
from .acceptor_main import decide
from .conftest import DOORS, ask, host_of, target_of

# Half-open contexts are to go by themselves soon.
BRIEFLY = HalfOpenLimits(seconds=1.0)
THREADS = 2


class Ledger:
    """Every context and credential that GSSAPI has given the acceptor, and which of them somebody still holds.

    gssapi's types are neither tracked by the garbage collector nor open to weak references: this holds them all, and
    counts who else does.
    """

    def __init__(self) -> None:
        self._contexts: dict[int, object] = {}
        self._credentials: dict[int, object] = {}
        self.accepts = 0

    def install(self, patch: pytest.MonkeyPatch) -> None:
        """Note what is given out from now on."""
        for name in ("accept_sec_context", "acquire_cred", "acquire_cred_from"):
            patch.setattr(gss, name, self._noting(getattr(gss, name)))

    @property
    def contexts(self) -> int:
        """How many contexts live."""
        return _held(self._contexts)

    @property
    def credentials(self) -> int:
        """How many credentials live."""
        return _held(self._credentials)

    @property
    def made(self) -> int:
        """How many contexts there were in all."""
        return len(self._contexts)

    def _noting(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def noting(*args: Any, **options: Any) -> Any:
            try:
                result = original(*args, **options)
                for noted, field in ((self._contexts, "context"), (self._credentials, "creds")):
                    given = getattr(result, field, None)
                    if given is not None:
                        noted[id(given)] = given
                return result
            finally:
                if original.__name__ == "accept_sec_context":
                    self.accepts += 1

        return noting


def _held(objects: dict[int, object]) -> int:
    gc.collect()
    # What nobody else holds has as many references as this one.
    (unheld,) = _references({0: object()})
    return sum(count > unheld for count in _references(objects))


def _references(objects: dict[int, object]) -> list[int]:
    return [sys.getrefcount(objects[key]) for key in list(objects)]


def census() -> Counter[str]:
    """How many objects of the library's there are, by their types; credentials are counted by the ledger."""
    gc.collect()
    types: list[type[Any]] = [type(thing) for thing in gc.get_objects()]
    return Counter(
        found.__qualname__
        for found in types
        if str(found.__module__).startswith("async_kerberos.") and found.__qualname__ != "_Credential"
    )


def settles(expected: object, observe: Callable[[], object], what: str) -> None:
    """Wait until what is observed, at some expense, is as expected."""
    pause = threading.Event()
    found = observe()
    for _ in range(600):  # a hang guard, as in wait_until
        if found == expected:
            return
        pause.wait(0.05)
        found = observe()
    assert found == expected, what


def descriptors() -> int:
    """How many files and sockets this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))


def waiting(kerberos: Kerberos) -> int:
    """How many half-open contexts wait."""
    store: HalfOpenStore[object] = getattr(getattr(kerberos, "_tickets"), "_half_open")  # noqa: B009 - no type checker minds
    return len(store)


@pytest.fixture
def ledger(monkeypatch: pytest.MonkeyPatch) -> Generator[Ledger, None, None]:
    """A ledger from now on."""
    ledger = Ledger()
    ledger.install(monkeypatch)
    # What there is before, most of it modules, is not looked through each time.
    gc.collect()
    gc.freeze()
    yield ledger
    gc.unfreeze()


def test_ledger(service: Service, users: tuple[User, User], ledger: Ledger) -> None:
    """The ledger sees a context and a credential live, and end."""
    acquired: Any = gss.acquire_cred_from({b"keytab": os.fsencode(service.keytab)}, usage="accept")
    token = Initiator(target_of(service), flags=TWO_LEGS, ccache=users[0].ccache).step()
    accepted: Any = gss.accept_sec_context(token, acquired.creds)
    assert (ledger.contexts, ledger.credentials) == (1, 1)
    del accepted
    assert (ledger.contexts, ledger.credentials) == (0, 1)
    del acquired
    assert (ledger.contexts, ledger.credentials) == (0, 0)


def test_many_requests(
    service: Service, users: tuple[User, User], make_kerberos: Callable[..., Kerberos], ledger: Ledger
) -> None:
    """After hundreds of sign-ins, refusals, exchanges left half-open and cancelled requests, all is as it was."""
    kerberos = make_kerberos(
        hostname=host_of(service),
        keytab=keytab_option(service.keytab),
        half_open=HalfOpenLimits(seconds=0.2, total=40),
        workers=WorkerLimits(threads=THREADS),
    )
    ccache = users[0].ccache
    ports = iter(range(40_000, 60_000))

    def token(flags: int = MUTUAL) -> bytes:
        return Initiator(target_of(service), flags=flags, ccache=ccache).step()

    def once() -> None:
        for door in DOORS:
            good = negotiate(token())
            assert ask(kerberos, good, door) is None
            assert ask(kerberos, good, door) is Reason.REPLAY
            assert ask(kerberos, negotiate(token(ONE_WAY)), door) is None
            assert ask(kerberos, negotiate(token()[:100]), door) is Reason.MALFORMED
            assert ask(kerberos, "Negotiate ???", door) is Reason.MALFORMED_HEADER
            for second in (b"", b"\xa1\x03\x30\x01\x00"):
                peer = ("192.0.2.11", next(ports))
                begun = decide(kerberos, auth_request((negotiate(token(TWO_LEGS)),), peer), door)
                assert isinstance(begun, Denied)
                assert begun.reason is Reason.CONTINUE
                if second:
                    assert isinstance(decide(kerberos, auth_request((negotiate(second),), peer), door), Denied)
        for backend in ("asyncio", "trio"):
            anyio.run(give_up, kerberos, [negotiate(token(TWO_LEGS)) for _ in range(4)], backend=backend)

    for _ in range(4):
        once()
    wait_until(lambda: waiting(kerberos) == 0, "half-open contexts expire")
    before, files, threads = census(), descriptors(), threading.active_count()
    for _ in range(20):
        once()
    assert ledger.made > 300
    wait_until(lambda: waiting(kerberos) == 0, "half-open contexts expire")
    settles(0, lambda: ledger.contexts, "a context is left")
    settles(Counter[str](), lambda: census() - before, "something of the library's is left")
    wait_until(lambda: threading.active_count() <= threads, "no thread is left")
    wait_until(lambda: descriptors() <= files, "no file is left")
    assert ledger.credentials <= THREADS + 1


async def give_up(kerberos: Kerberos, authorizations: list[str]) -> None:
    """Cancel requests at different moments: before they are begun, in the queue, in the step, behind it."""
    for number, authorization in enumerate(authorizations):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(kerberos.authenticate, auth_request((authorization,), ("192.0.2.12", 1 + number)))
            await anyio.sleep(0.0001 * number)
            tasks.cancel_scope.cancel()


@pytest.mark.parametrize("flags", [MUTUAL, TWO_LEGS], ids=["established", "continued"])
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("end", ["cancelled", "deadline", "loop-ended"])
def test_step_that_ends_too_late(
    end: str,
    backend: str,
    flags: int,
    service: Service,
    users: tuple[User, User],
    make_kerberos: Callable[..., Kerberos],
    ledger: Ledger,
    caplog: pytest.LogCaptureFixture,
    replay_cache: Path,
) -> None:
    """What a step finds when its request has gone is dropped: no context is stored, and nothing logged of a success."""
    caplog.set_level(logging.DEBUG, "async_kerberos")
    limits = WorkerLimits(threads=1, seconds=4.0 if end == "deadline" else 30.0)
    kerberos = make_kerberos(hostname=host_of(service), keytab=keytab_option(service.keytab), workers=limits)
    assert ask(kerberos, fresh(target_of(service), ccache=users[0].ccache)) is None
    peer = ("192.0.2.13", 40_000)
    request = auth_request((fresh(target_of(service), flags=flags, ccache=users[0].ccache),), peer)
    caplog.clear()
    before = ledger.accepts, ledger.made

    async def too_late() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(kerberos.authenticate, request)
            await anyio.to_thread.run_sync(held.wait_for_accepts)
            if end != "deadline":
                tasks.cancel_scope.cancel()
        if end == "loop-ended":
            return
        # The loop goes on, and has the result delivered to it.
        held.release()
        await anyio.to_thread.run_sync(wait_until, lambda: ledger.accepts > before[0], "the step has ended")
        assert isinstance(await kerberos.authenticate(auth_request((negotiate(b"\x60\0"),))), Denied)

    with HeldFile(replay_cache) as held:
        anyio.run(too_late, backend=backend)
    wait_until(lambda: ledger.accepts > before[0], "the step has ended")
    assert ledger.made == before[1] + 1, "the step did not succeed"
    settles(0, lambda: ledger.contexts, "the context is kept")
    assert waiting(kerberos) == 0
    logged = [message for message in caplog.messages if "malformed" not in message]
    assert [message for message in logged if "timed out" not in message] == []
    assert len(logged) == (1 if end == "deadline" else 0)
    # With its request there, the same is stored or logged.
    again = auth_request((fresh(target_of(service), flags=flags, ccache=users[0].ccache),), peer)
    decide(kerberos, again, backend)
    assert waiting(kerberos) == (1 if flags == TWO_LEGS else 0)
    assert ("accepted" in caplog.messages[-1]) == (flags == MUTUAL)


def test_loop_that_ends_before_the_delivery(
    service: Service,
    users: tuple[User, User],
    make_kerberos: Callable[..., Kerberos],
    ledger: Ledger,
    replay_cache: Path,
) -> None:
    """A loop that is woken for a result, and ends before it is delivered, goes, and the context with it."""
    kerberos = make_kerberos(
        hostname=host_of(service), keytab=keytab_option(service.keytab), workers=WorkerLimits(threads=1, seconds=30.0)
    )
    two_legs = fresh(target_of(service), flags=TWO_LEGS, ccache=users[0].ccache)
    assert ask(kerberos, fresh(target_of(service), ccache=users[0].ccache), "asyncio") is None
    loop = asyncio.new_event_loop()
    with HeldFile(replay_cache) as held:
        asking = loop.create_task(kerberos.authenticate(auth_request((two_legs,), ("192.0.2.14", 40_000))))
        loop.run_until_complete(asyncio.sleep(0))
        held.wait_for_accepts()
        asking.cancel()
        loop.run_until_complete(asyncio.wait([asking]))
    # By the one worker, so after the step and its wake-up call.
    assert ask(kerberos, fresh(target_of(service), ccache=users[0].ccache), "asyncio") is None
    loop.close()
    reference = weakref.ref(loop)
    del loop, asking
    settles(0, lambda: ledger.contexts, "the context is kept")
    assert reference() is None


Options = dict[str, Any]


def _asgi(options: Options) -> tuple[Any, Kerberos]:
    kerberos = Kerberos(**options)
    return KerberosMiddleware(asgi_app.application, kerberos), kerberos


def _quart(options: Options, factory: type[Quart] = Quart) -> tuple[Any, Kerberos]:
    app = factory(__name__)

    @app.get("/hello")
    @quart_requires
    async def hello(user: str) -> str:  # pyright: ignore[reportUnusedFunction] (quart calls it)
        return user

    return app, init_quart(app, **options)


def _flask(options: Options) -> tuple[Any, Kerberos]:
    app = Flask(__name__)

    @app.get("/hello")
    @flask_requires
    def hello(user: str) -> str:  # pyright: ignore[reportUnusedFunction] (flask calls it)
        return user

    return app, init_flask(app, **options)


# Servers keep what was asked on a connection until the time for another request on it is over.
SERVED: dict[str, Callable[[Options], tuple[Server, Kerberos]]] = {
    "asgi-on-uvicorn-h11": lambda options: _on(Uvicorn, _asgi(options), timeout_keep_alive=1),
    "asgi-on-uvicorn-httptools": lambda options: _on(Uvicorn, _asgi(options), http="httptools", timeout_keep_alive=1),
    "asgi-on-hypercorn-trio": lambda options: _on(Hypercorn, _asgi(options), loop="trio"),
    "quart-on-uvicorn-h11": lambda options: _on(Uvicorn, _quart(options), timeout_keep_alive=1),
    "quart-on-hypercorn-asyncio": lambda options: _on(Hypercorn, _quart(options)),
    "quart-on-hypercorn-trio": lambda options: _on(Hypercorn, _quart(options, QuartTrio), loop="trio"),
    "flask-on-werkzeug": lambda options: _on(Werkzeug, _flask(options)),
}


def _on(kind: Callable[..., Server], built: tuple[Any, Kerberos], **options: Any) -> tuple[Server, Kerberos]:
    app, kerberos = built
    server = kind(app, **options)
    if isinstance(server, Hypercorn):
        getattr(server, "_config").keep_alive_timeout = 1  # noqa: B009 - no type checker minds
    return server, kerberos


@contextlib.contextmanager
def leaving(server: Server, abruptly: bool) -> Generator[Connection, None, None]:
    """A connection that its client closes at the end, in order or by a reset."""
    with Connection(server.address) as connection:
        yield connection
        if abruptly:
            connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@pytest.mark.parametrize("name", SERVED)
def test_clients_that_leave(
    name: str, service: Service, users: tuple[User, User], ledger: Ledger, replay_cache: Path
) -> None:
    """Clients that go at each stage of the exchange leave nothing in the server, and others are served on."""
    server, kerberos = SERVED[name](
        {
            "hostname": host_of(service),
            "keytab": str(keytab_option(service.keytab)),
            "half_open": BRIEFLY,
            "workers": WorkerLimits(threads=THREADS),
        }
    )

    def initiator(flags: int = MUTUAL) -> Initiator:
        return Initiator(target_of(service), flags=flags, ccache=users[0].ccache)

    def served_on() -> None:
        with Connection(server.address) as connection:
            response = connection.request("/hello", initiator().header)
            assert (response.status, response.text) == (200, users[0].principal)

    def leave(abruptly: bool) -> None:
        with leaving(server, abruptly):
            pass
        for head in (b"GET /hello HT", b"GET /hello HTTP/1.1\r\nHost: a\r\nAuthorization: Negotiate YII"):
            with leaving(server, abruptly) as connection:
                connection.socket.sendall(head)
        for flags in (MUTUAL, TWO_LEGS):
            with leaving(server, abruptly) as connection:
                connection.send_head("/hello", initiator(flags).header)
            # Hypercorn on trio itself falls over (BusyResourceError) where a client goes as it is being answered.
            if "hypercorn-trio" not in name:
                with leaving(server, abruptly) as connection:
                    connection.send_head("/hello", initiator(flags).header, method="POST", length=1000)
                    connection.socket.sendall(bytes(10))
        with leaving(server, abruptly) as connection:
            assert connection.request("/hello", initiator(TWO_LEGS).header).status == 401
        with leaving(server, abruptly) as connection:
            client = initiator(TWO_LEGS)
            first = connection.request("/hello", client.header)
            if server_keeps_alive:
                second = negotiate(client.step(reply_token(first.challenges)))
                connection.socket.sendall(f"GET /hello HTTP/1.1\r\nHost: a\r\nAuthorization: {second}\r\n\r\n".encode())

    def leave_while_the_worker_is_at_it(abruptly: bool) -> None:
        with HeldFile(replay_cache) as held, contextlib.ExitStack() as stack:
            for flags in (MUTUAL, TWO_LEGS):
                connection = stack.enter_context(leaving(server, abruptly))
                connection.send_head("/hello", initiator(flags).header)
            held.wait_for_accepts(THREADS)
            stack.close()

    server_keeps_alive = not isinstance(server, Werkzeug)
    try:
        with server:
            for _ in range(5):
                served_on()
            before, threads, files = census(), threading.active_count(), descriptors()
            for number in range(10):
                leave(abruptly=bool(number % 2))
                leave_while_the_worker_is_at_it(abruptly=bool(number % 2))
                served_on()
            # The steps that were waited for: five at first, and five in each round. Whether the server came to those
            # whose clients had gone at once is its own affair.
            assert ledger.made >= 55
            wait_until(lambda: waiting(kerberos) == 0, "half-open contexts expire")
            settles(0, lambda: ledger.contexts, "a context is left")
            settles(Counter[str](), lambda: census() - before, "something of the library's is left")
            wait_until(lambda: threading.active_count() <= threads + THREADS, "no thread is left")
            wait_until(lambda: descriptors() <= files, "no connection is left")
            assert ledger.credentials <= THREADS + 1
    finally:
        kerberos.close()
