"""Fixtures for all tests. What needs no Kerberos starts no realm."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncGenerator, Generator

import pytest
import pytest_asyncio

from async_kerberos.testing import Realm, Service, User

from .support import HOSTNAME, LOCAL_NAMES
from .support.guards import GssSpy, ProcessGuard, ThreadGuard, blocking_guard, fail_for
from .support.keytabs import SwitchedRealm
from .support.secrets import SecretsGuard
from .support.signals import heard_by_children

# Less than a test may take in all; a process takes seconds.
_PROCESS_SECONDS = 100.0

_GUARD = pytest.StashKey[SecretsGuard]()


@pytest.fixture(scope="session", autouse=True)
def _signals() -> Generator[None, None, None]:  # pyright: ignore[reportUnusedFunction] (a fixture)
    with heard_by_children():
        yield


@pytest.fixture(scope="session", autouse=True)
def _bounded_waits() -> Generator[None, None, None]:  # pyright: ignore[reportUnusedFunction] (a fixture)
    """Fail the test that waits for a process which does not end."""
    guard = ProcessGuard(_PROCESS_SECONDS)
    guard.install()
    yield
    guard.remove()


@pytest.fixture(scope="session")
def _blockbuster() -> Generator[None, None, None]:  # pyright: ignore[reportUnusedFunction] (a fixture)
    guard = blocking_guard()
    guard.activate()
    try:
        yield
    finally:
        guard.deactivate()


@pytest.fixture(scope="session")
def thread_guard() -> Generator[ThreadGuard, None, None]:
    """Who started which thread; at the end of the session, none but workers may be left."""
    guard = ThreadGuard()
    guard.install()
    before = set(threading.enumerate())
    try:
        yield guard
        left = guard.left_behind(before)
    finally:
        guard.remove()
    fail_for(left, "threads left behind by the session:")


@pytest.fixture(scope="session")
def _session_spy() -> Generator[GssSpy, None, None]:  # pyright: ignore[reportUnusedFunction] (a fixture)
    spy = GssSpy()
    spy.install()
    try:
        yield spy
    finally:
        spy.remove()


@pytest.fixture(autouse=True)
def gss_spy(_session_spy: GssSpy) -> Generator[GssSpy, None, None]:
    """Fail the test if GSSAPI was called on a thread with a running event loop."""
    _session_spy.take_blocked()
    _session_spy.calls.clear()
    yield _session_spy
    fail_for(_session_spy.take_blocked(), "GSSAPI blocked an event loop:")


@pytest.fixture(autouse=True)
def no_threads_left(_blockbuster: None, thread_guard: ThreadGuard) -> Generator[None, None, None]:
    """Fail the test if it leaves a thread behind that is no worker, and no thread of a server that goes on."""
    before = set(threading.enumerate())
    yield
    fail_for(thread_guard.left_behind(before), "threads left behind:")


@pytest.fixture(scope="session")
def secrets_guard(pytestconfig: pytest.Config) -> Generator[SecretsGuard, None, None]:
    """Which secrets there are; at the end of the session, none may have been shown since the last test."""
    guard = pytestconfig.stash[_GUARD] = SecretsGuard()
    guard.install()
    try:
        yield guard
        shown = guard.search()
    finally:
        guard.remove()
    fail_for(shown, "secrets shown after the last test:")


@pytest.fixture(autouse=True)
def no_secrets_shown(secrets_guard: SecretsGuard) -> Generator[None, None, None]:
    """Fail the test if a token, a key, a password or a cookie was logged, or printed by a subprocess."""
    yield
    shown = secrets_guard.search()
    secrets_guard.forget()
    fail_for(shown, "secrets shown:")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail the test if it, or a subprocess of its, printed a secret: what is captured is known when it is over."""
    report = yield
    guard = item.config.stash.get(_GUARD, None)
    if guard is not None and report.when == "teardown" and (report.capstdout or report.capstderr):
        shown = guard.printed(report.capstdout, report.capstderr)
        if shown:
            report.outcome = "failed"
            report.longrepr = "\n".join(["secrets printed:", *shown])
    return report


@pytest_asyncio.fixture
async def _tasks_left() -> AsyncGenerator[None, None]:  # pyright: ignore[reportUnusedFunction] (a fixture)
    before = asyncio.all_tasks()
    yield
    left = asyncio.all_tasks() - before - {asyncio.current_task()}
    fail_for([repr(task) for task in left if not task.done()], "asyncio tasks left behind:")


@pytest.fixture(autouse=True)
def no_tasks_left(request: pytest.FixtureRequest) -> None:
    """Fail the asyncio test if it leaves a task behind. (trio lets none be left.)"""
    # pytest 9.1 does not say of what type a request's node is.
    if request.node.get_closest_marker("asyncio") is not None:  # pyright: ignore[reportUnknownMemberType]
        request.getfixturevalue("_tasks_left")


@pytest.fixture(scope="session")
def realm() -> Generator[Realm, None, None]:
    """A realm with a KDC, in this process's environment; the replay cache is in its folder."""
    settings = {"realms": {"KRBTEST.COM": {"auth_to_local": LOCAL_NAMES}}}
    with SwitchedRealm(krb5_conf=settings) as realm, pytest.MonkeyPatch.context() as patch:
        replay = realm.folder / "replay"
        replay.mkdir()
        patch.setenv("KRB5RCACHEDIR", str(replay))
        with realm.environ():
            yield realm


@pytest.fixture(scope="session")
def www(realm: Realm) -> Service:
    """The service ``HTTP/www.example.test``, its keys in the realm's keytab."""
    return realm.service(f"HTTP/{HOSTNAME}")


@pytest.fixture(scope="session")
def this_host(realm: Realm) -> str:
    """This host's name; its service's keys are in the realm's keytab."""
    hostname = socket.gethostname()
    realm.service(f"HTTP/{hostname}")
    return hostname


@pytest.fixture(scope="session")
def alice(realm: Realm) -> User:
    """The user ``alice`` with a ticket, in a cache that is not yet the environment's."""
    return realm.user("alice")


@pytest.fixture
def signed_in(realm: Realm, alice: User, www: Service) -> Generator[User, None, None]:
    """Alice's ticket cache is this process's: a client that names no other cache signs in as her."""
    with realm.environ(alice):
        yield alice


@pytest.fixture
def user(signed_in: User) -> str:
    """The principal of the user whose tickets there are."""
    return signed_in.principal
