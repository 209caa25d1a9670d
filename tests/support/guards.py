"""Guards that fail a test for what it, or the code under test, must not do: block a loop, or leave things behind."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gc
import subprocess
import sys
import threading
import traceback
import weakref
from collections.abc import Callable, Generator
from typing import Any

import gssapi.raw as gss
import pytest
import trio
from asgiref.sync import SyncToAsync
from blockbuster import BlockBuster

# Looked up as attributes of gssapi.raw by the acceptor, at each call.
_WATCHED = (
    "acquire_cred",
    "acquire_cred_from",
    "add_cred",
    "accept_sec_context",
    "canonicalize_name",
    "inquire_context",
    "inquire_cred",
    "inquire_cred_by_mech",
    "set_neg_mechs",
)

# A hang guard: a thread that is about to end takes milliseconds, and a process that was killed.
_SECONDS = 10.0


def running_loop() -> str | None:
    """Which event loop runs on this thread, if one does."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        pass
    else:
        return "asyncio"
    try:
        trio.lowlevel.current_task()
    except RuntimeError:
        return None
    return "trio"


class GssSpy:
    """Calls through to GSSAPI, and notes each call made on a thread whose event loop waits for it.

    Attributes:
        calls: how often each function was called in this test, on whichever thread.
        begun: how many calls were begun in all.
    """

    def __init__(self) -> None:
        self.calls: dict[str, int] = {}
        self.begun = 0
        self._blocked: list[str] = []
        self._originals: dict[str, Callable[..., Any]] = {}

    def install(self) -> None:
        """Put the spy in the place of the functions."""
        for name in _WATCHED:
            original: Callable[..., Any] = getattr(gss, name)
            self._originals[name] = original
            setattr(gss, name, self._watch(name, original))

    def remove(self) -> None:
        """Put the functions back."""
        for name, original in self._originals.items():
            setattr(gss, name, original)

    def take_blocked(self) -> list[str]:
        """What was noted since the last time."""
        blocked, self._blocked = self._blocked, []
        return blocked

    def _watch(self, name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def watched(*args: Any, **kwargs: Any) -> Any:
            self.calls[name] = self.calls.get(name, 0) + 1
            self.begun += 1
            loop = running_loop()
            if loop is not None:
                stack = "".join(traceback.format_stack(limit=8)[:-1])
                self._blocked.append(f"gssapi.raw.{name} on a thread with a running {loop} loop:\n{stack}")
            return original(*args, **kwargs)

        return watched


def blocking_guard() -> BlockBuster:
    """What fails every blocking Python call that async_kerberos, or what it calls, makes on an asyncio loop."""
    guard = BlockBuster(["async_kerberos"], excluded_modules=["async_kerberos.testing"])
    for name, function in guard.functions.items():
        if name.startswith("io."):
            # asgiref's bridge writes a large body to a file, on the loop.
            function.can_block_in("asgiref/wsgi.py", "__call__")
        elif name.startswith("threading.Lock."):
            function.can_block_predicate = _or_coverages(function.can_block_predicate)
            function.can_block_in("unit/rights/test_access.py", "as_flasks_async_views_do")
    return guard


def _or_coverages(may_block: Callable[..., bool]) -> Callable[..., bool]:
    """Let a caller block for coverage.py's own lock, too: its tracer takes it wherever a file of ours is first entered.

    It calls the lock from C, so that no frame on the stack would tell.
    """

    def predicate(lock: object, *args: Any, **kwargs: Any) -> bool:
        return may_block(lock, *args, **kwargs) or lock is _coverages_lock()

    return predicate


def _coverages_lock() -> object:
    library: Any = sys.modules.get("coverage")
    measuring = None if library is None else library.Coverage.current()
    return getattr(getattr(measuring, "_collector", None), "data_lock", None)


class ProcessGuard:
    """Gives every wait for a process a bound where it has none: then the process is killed, and the test fails."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        popen: Any = subprocess.Popen
        self._wait: Callable[..., Any] = popen.wait
        self._communicate: Callable[..., Any] = popen.communicate

    def install(self) -> None:
        """Put it in the place of what waits. (``run``, ``check_output`` and ``with Popen(…)`` call these.)"""

        def wait(process: subprocess.Popen[Any], timeout: float | None = None) -> Any:
            with self._bound(process, timeout):
                return self._wait(process, timeout or self._seconds)

        def communicate(process: subprocess.Popen[Any], input: Any = None, timeout: float | None = None) -> Any:
            with self._bound(process, timeout):
                return self._communicate(process, input, timeout or self._seconds)

        setattr(subprocess.Popen, "wait", wait)  # noqa: B010 - of a type that declares methods
        setattr(subprocess.Popen, "communicate", communicate)  # noqa: B010

    def remove(self) -> None:
        """Put it back."""
        setattr(subprocess.Popen, "wait", self._wait)  # noqa: B010
        setattr(subprocess.Popen, "communicate", self._communicate)  # noqa: B010

    @contextlib.contextmanager
    def _bound(self, process: subprocess.Popen[Any], timeout: float | None) -> Generator[None, None, None]:
        try:
            yield
        except subprocess.TimeoutExpired:
            if timeout is not None:
                raise
            process.kill()
            self._wait(process, _SECONDS)
            pytest.fail(f"a process does not end: {process.args!r}")


class ThreadGuard:
    """Knows which thread was started by which, and so which of them a test has left behind.

    A server that lives longer than the test is declared by :meth:`adopt`: its threads, and those started by them, are
    its own business until it stops.
    """

    def __init__(self) -> None:
        self._starters: weakref.WeakKeyDictionary[threading.Thread, threading.Thread] = weakref.WeakKeyDictionary()
        self._adopted: weakref.WeakSet[threading.Thread] = weakref.WeakSet()
        self._start = threading.Thread.start

    def install(self) -> None:
        """Begin to note who starts whom."""
        start = self._start
        starters = self._starters

        def noting_start(thread: threading.Thread) -> None:
            starters[thread] = threading.current_thread()
            start(thread)

        threading.Thread.start = noting_start  # type: ignore[method-assign, assignment]

    def remove(self) -> None:
        """Stop noting."""
        threading.Thread.start = self._start  # type: ignore[method-assign]

    def adopt(self, thread: threading.Thread) -> None:
        """Declare the thread of a server that outlives the test which starts it."""
        self._adopted.add(thread)

    def left_behind(self, before: set[threading.Thread], seconds: float = _SECONDS) -> list[str]:
        """The threads that were not there before, are nobody's, and do not end within so many seconds."""
        left: list[str] = []
        for thread in threading.enumerate():
            if thread in before or _is_worker(thread) or self._is_servers(thread):
                continue
            if thread.name.startswith("ThreadPoolExecutor-"):
                gc.collect()  # a pool that nobody has any more ends its threads
            thread.join(seconds)
            if thread.is_alive():
                left.append(thread.name)
        return left

    def _is_servers(self, thread: threading.Thread) -> bool:
        seen: threading.Thread | None = thread
        while seen is not None:
            if seen in self._adopted and seen.is_alive():
                return True
            seen = self._starters.get(seen)
        return False


def _is_worker(thread: threading.Thread) -> bool:
    prefix, _, number = thread.name.rpartition("-")
    if prefix == "async-kerberos" and number.isdigit():
        return True
    if thread.name == "async-kerberos-half-open":
        return True  # it ends when the last half-open context has expired
    # trio keeps threads that have nothing to do for ten seconds more, for the whole process; a busy one is named for
    # what it does. asgiref has one thread for the whole process, for ever. execnet's threads are those of pytest-xdist.
    asgirefs: Any = getattr(SyncToAsync, "single_thread_executor", None)
    return (
        thread.name.startswith("Trio thread ")
        or thread in getattr(asgirefs, "_threads", ())
        or "execnet" in type(thread).__module__
    )


def fail_for(problems: list[str], what: str) -> None:
    """Fail the test if there are any."""
    if problems:
        pytest.fail(what + "\n" + "\n".join(problems), pytrace=False)
