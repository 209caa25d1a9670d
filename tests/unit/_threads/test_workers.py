"""The thread boundary, without Kerberos: results, errors, bounds, deadlines and cancellation."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import threading
import weakref
from collections.abc import Callable, Generator
from dataclasses import replace
from typing import Any

import anyio
import pytest
import trio
import trio.testing

import async_kerberos._threads.workers as workers_module
from async_kerberos import ConfigurationError, Overloaded, TimedOut, WorkerLimits
from async_kerberos._threads.workers import Workers

from ...support.clocked import Clocked
from ...support.held import HANG, HeldCall

pytestmark = pytest.mark.anyio


def in_turn(*calls: Callable[[], object]) -> Callable[[], Any]:
    """One call that makes several, and returns what the last one does."""

    def make_calls() -> Any:
        return [call() for call in calls][-1]

    return make_calls


@contextlib.contextmanager
def patience(workers: Workers) -> Generator[None, None, None]:
    """For calls that are made meanwhile, the deadline is far away: on a busy machine, a short one may pass.

    Calls with the short one may not wait beside them: a mailbox expects that all wait equally long.
    """
    limits: WorkerLimits = getattr(workers, "_limits")  # noqa: B009 - private looks that no type checker minds
    setattr(workers, "_limits", replace(limits, seconds=HANG))  # noqa: B010
    yield
    setattr(workers, "_limits", limits)  # noqa: B010


async def test_result(make_workers: Callable[..., Workers]) -> None:
    """A call is made on a worker thread, and its result comes back."""
    workers = make_workers(threads=1)
    name = await workers.run(lambda: threading.current_thread().name)
    assert name == "async-kerberos-1"


async def test_error(make_workers: Callable[..., Workers]) -> None:
    """What a call raises is raised where it is awaited, and the worker goes on."""
    workers = make_workers(threads=1)

    def fail() -> None:
        raise LookupError("lost")

    with pytest.raises(LookupError, match="lost"):
        await workers.run(fail)
    assert await workers.run(lambda: 1) == 1


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, asyncio.CancelledError])
def test_error_that_ends_programs(make_workers: Callable[..., Workers], error: type[BaseException]) -> None:
    """Every error that a call raises goes to the task that waits for it. The worker goes on."""
    workers = make_workers(threads=1)
    raised = error("of the call")

    def fail() -> None:
        raise raised

    async def main() -> tuple[BaseException | None, threading.Thread, threading.Thread]:
        caught: BaseException | None = None
        before = await workers.run(threading.current_thread)
        try:
            await workers.run(fail)
        except BaseException as error:
            caught = error
        return caught, before, await workers.run(threading.current_thread)

    caught, before, after = asyncio.run(main())
    assert caught is raised
    assert after is before


async def test_interrupted_as_a_call_comes_in(
    make_workers: Callable[..., Workers], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a signal's handler raises while a call is taken in costs the pool no thread, and no place in the queue."""
    workers = make_workers(threads=1, queue=1)

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    pool: Any = getattr(workers, "_pool")  # noqa: B009 - a private look that no type checker minds
    for owner, name, instead in ((threading.Thread, "start", interrupt), (pool, "queue", _PutInterrupted(pool.queue))):
        with monkeypatch.context() as patch:
            patch.setattr(owner, name, instead)
            for _ in range(3):
                with pytest.raises(KeyboardInterrupt):
                    await workers.run(lambda: 1)
        assert await workers.run(lambda: 2) == 2
    assert not pool.waiting


class _PutInterrupted:
    """A queue whose ``put`` is interrupted."""

    def __init__(self, queue: Any) -> None:
        self.qsize = queue.qsize

    def put(self, job: object) -> None:
        raise KeyboardInterrupt


async def test_threads_are_bounded(make_workers: Callable[..., Workers]) -> None:
    """There are as many threads as allowed, started as they are needed, and all of them work at once."""
    workers = make_workers(threads=3)
    barrier = threading.Barrier(3)
    names: set[str] = set()

    async def meet() -> None:
        names.add(await workers.run(in_turn(lambda: barrier.wait(HANG), lambda: threading.current_thread().name)))

    assert await workers.run(lambda: 0) == 0
    async with anyio.create_task_group() as tasks:
        for _ in range(9):
            tasks.start_soon(meet)
    assert names == {"async-kerberos-1", "async-kerberos-2", "async-kerberos-3"}


async def test_default_threads(make_workers: Callable[..., Workers]) -> None:
    """By default there is a thread for each core."""
    workers = make_workers()
    before = set(threading.enumerate())
    for _ in range(len(os.sched_getaffinity(0)) + 1):
        await workers.run(lambda: None)
    started = {
        thread.name for thread in set(threading.enumerate()) - before if thread.name.startswith("async-kerberos-")
    }
    assert len(started) == len(os.sched_getaffinity(0))


async def test_loop_goes_on(make_workers: Callable[..., Workers]) -> None:
    """While a call blocks, the loop does other things: here, it lets the call go on."""
    workers = make_workers(threads=1)
    held = HeldCall()

    async def let_go() -> None:
        await anyio.lowlevel.checkpoint()
        held.release()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(let_go)
        assert await workers.run(held) is True


async def test_overload(make_workers: Callable[..., Workers]) -> None:
    """With the queue full a call is refused at once; when there is room again, it is made."""
    workers = make_workers(threads=1, queue=2)
    held = HeldCall()
    results: list[int] = []

    async def block() -> None:
        await workers.run(held)

    async def add(number: int) -> None:
        results.append(await workers.run(lambda: number))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(block)
        await held.wait_until_begun()
        tasks.start_soon(add, 1)
        tasks.start_soon(add, 2)
        await anyio.wait_all_tasks_blocked()
        with pytest.raises(Overloaded):
            await workers.run(lambda: 3)
        held.release()
    assert sorted(results) == [1, 2]
    assert await workers.run(lambda: 4) == 4


async def test_deadline(make_workers: Callable[..., Workers]) -> None:
    """When the deadline passes the caller is told so; a call that had not begun is never made."""
    workers = make_workers(threads=1, seconds=0.05, replacements=0)
    held = HeldCall()
    made: list[str] = []

    async with anyio.create_task_group() as running:
        with patience(workers):
            running.start_soon(workers.run, in_turn(held, lambda: made.append("begun")))
            await anyio.to_thread.run_sync(held.begun.wait, HANG)
        running.cancel_scope.cancel()
    with pytest.raises(TimedOut):
        await workers.run(lambda: made.append("never"))
    held.release()
    with patience(workers):
        assert await workers.run(lambda: list(made)) == ["begun"]


def test_deadline_by_the_clock(make_workers: Callable[..., Workers]) -> None:
    """The deadline is the one that was asked for, on either loop."""
    workers = make_workers(threads=1, seconds=7.0, replacements=0)
    held = HeldCall()

    async def main(now: Callable[[], float]) -> float:
        begun = now()
        with pytest.raises(TimedOut):
            await workers.run(held)
        return now() - begun

    loop = Clocked()
    clock = trio.testing.MockClock(autojump_threshold=0)
    with contextlib.closing(loop):
        assert loop.run_until_complete(main(loop.time)) == pytest.approx(7, abs=0.1)
    assert trio.run(main, trio.current_time, clock=clock) == pytest.approx(7, abs=0.1)
    held.release()


async def test_stuck_workers_are_replaced(make_workers: Callable[..., Workers]) -> None:
    """A worker that hangs is replaced, up to the number given; when it comes back it ends, and leaves its place."""
    workers = make_workers(threads=1, seconds=0.05, replacements=2)

    for _ in range(2):
        gate = threading.Event()
        hung: list[threading.Thread] = []

        def hang(gate: threading.Event = gate, hung: list[threading.Thread] = hung) -> None:
            hung.append(threading.current_thread())
            gate.wait(HANG)

        for count in (1, 2):
            text = ""
            while not text.endswith("stuck workers replaced: 1"):  # a busy machine may begin the call too late for that
                with pytest.raises(TimedOut) as caught:
                    await workers.run(hang)
                text = str(caught.value)
            assert len(hung) == count
            with patience(workers):
                assert await workers.run(threading.current_thread) not in hung
        # The last one there may be hangs too: now there is none left.
        while len(hung) < 3:
            with pytest.raises(TimedOut, match=r"seconds$"):
                await workers.run(hang)
        with pytest.raises(TimedOut, match=r"seconds$"):
            await workers.run(lambda: 1)
        assert len(set(hung)) == 3
        gate.set()
        for thread in hung[:2]:
            await anyio.to_thread.run_sync(thread.join, HANG)
            assert not thread.is_alive()
        with patience(workers):
            assert await workers.run(threading.current_thread) is hung[2]


async def test_stuck_for_somebody_who_has_gone(make_workers: Callable[..., Workers]) -> None:
    """A worker that hangs in a cancelled request's call is replaced for the sake of the next one."""
    workers = make_workers(threads=1, queue=1, seconds=0.05)
    held = HeldCall()
    async with anyio.create_task_group() as running:
        running.start_soon(workers.run, held)
        await held.wait_until_begun()
        running.cancel_scope.cancel()
    with pytest.raises(TimedOut):
        await workers.run(lambda: 1)
    with patience(workers):
        assert await workers.run(lambda: 2) == 2
    held.release()


async def test_replacing_races_with_coming_back(make_workers: Callable[..., Workers]) -> None:
    """However often calls end just as they are given up, all replacements are left in the end."""
    workers = make_workers(threads=1, seconds=0.002, replacements=2)
    for _ in range(200):
        with contextlib.suppress(TimedOut):
            await workers.run(lambda: threading.Event().wait(0.002))
    pool: Any = getattr(workers, "_pool")  # noqa: B009 - a private look that no type checker minds
    spare: list[int] = getattr(pool, "_replacements")  # noqa: B009 - a private look
    with anyio.fail_after(HANG):
        while len(spare) < 2:  # noqa: ASYNC110 - changed on other threads
            await anyio.sleep(0.001)
    assert len(set(spare)) == len(spare) == 2
    while True:
        with contextlib.suppress(TimedOut):
            assert await workers.run(lambda: 1) == 1
            break


def test_replacement_of_one_that_has_come_back() -> None:
    """A replacement that finds the other at work again ends at once, and can be used another time."""
    pool: Any = getattr(workers_module, "_Pool")(1, 1)  # noqa: B009 - a private look that no type checker minds
    spare: list[int] = getattr(pool, "_replacements")  # noqa: B009 - a private look
    getattr(pool, "_serve")(spare.pop(), object())  # noqa: B009 - a private look
    assert spare == [2]


def refuse_threads(patch: pytest.MonkeyPatch) -> None:
    """Have the system give workers no thread. It gives others theirs: without one, trio's loop would hang."""
    start = threading.Thread.start

    def refuse(thread: threading.Thread) -> None:
        if thread.name.startswith("async-kerberos-"):
            raise RuntimeError("can't start new thread")
        start(thread)

    patch.setattr(threading.Thread, "start", refuse)


async def test_no_thread_for_a_replacement(
    make_workers: Callable[..., Workers], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the system has no thread to give, a stuck worker stays, and comes back to its work."""
    workers = make_workers(threads=1, seconds=0.05)
    held = HeldCall()

    with patience(workers):
        first = await workers.run(threading.current_thread)
    refuse_threads(monkeypatch)
    with pytest.raises(TimedOut, match=r"seconds$"):
        await workers.run(held)
    held.release()
    while True:
        with contextlib.suppress(TimedOut):
            assert await workers.run(threading.current_thread) is first
            break


async def test_cancellation_frees_the_place(make_workers: Callable[..., Workers]) -> None:
    """A cancelled caller's call is withdrawn, its place in the queue is free, and a late result is dropped."""
    workers = make_workers(threads=1, queue=1)
    held = HeldCall()
    made: list[str] = []

    async def block() -> None:
        await workers.run(held)
        made.append("result delivered to a caller that has gone")

    async with anyio.create_task_group() as running:
        running.start_soon(block)
        await held.wait_until_begun()
        with anyio.move_on_after(0.001):
            await workers.run(lambda: made.append("withdrawn"))
        running.cancel_scope.cancel()
    held.release()
    assert await workers.run(lambda: list(made)) == []


async def test_shells_are_bounded(make_workers: Callable[..., Workers]) -> None:
    """Withdrawn calls that no worker has met yet are bounded too: a stuck worker cannot make them pile up."""
    workers = make_workers(threads=1, queue=2)
    held = HeldCall()

    async def block() -> None:
        await workers.run(held)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(block)
        await held.wait_until_begun()
        refused = 0
        for _ in range(10):
            with anyio.move_on_after(0.001):
                try:
                    await workers.run(lambda: None)
                except Overloaded:
                    refused += 1
        assert refused == 6
        held.release()


async def test_nothing_is_kept(make_workers: Callable[..., Workers]) -> None:
    """What a call returned lives no longer than its caller holds it, though the thread waits on."""

    class Result:
        pass

    workers = make_workers(threads=1)
    result = await workers.run(Result)
    reference = weakref.ref(result)
    del result
    await workers.run(lambda: None)
    gc.collect()
    assert reference() is None


def test_last_worker_is_started_once() -> None:
    """Where threads of several loops want to start the last worker at the same moment, one of them does."""
    pool = getattr(workers_module, "_Pool")(1)  # noqa: B009 - a private look
    getattr(pool, "_to_start").clear()  # noqa: B009 - a private look
    before = threading.active_count()
    getattr(pool, "_start_worker")()  # noqa: B009 - a private look
    assert threading.active_count() == before


async def test_no_thread_to_be_had(make_workers: Callable[..., Workers], monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system has no thread to give, calls are refused, and made again as soon as it has."""
    workers = make_workers(threads=2)

    with monkeypatch.context() as patch:
        refuse_threads(patch)
        for _ in range(3):
            with pytest.raises(Overloaded, match="can't start new thread"):
                await workers.run(lambda: 1)
    assert await workers.run(lambda: 2) == 2
    with monkeypatch.context() as patch:
        refuse_threads(patch)
        assert await workers.run(lambda: 3) == 3  # by the one that there is
    assert await workers.run(lambda: 4) == 4


@pytest.mark.parametrize("option", ["threads", "queue", "seconds"])
@pytest.mark.parametrize("value", [0, -1, True, "1", float("nan")])
def test_limits_are_checked(option: str, value: object) -> None:
    """A limit that is no positive number is refused, and the message names it."""
    with pytest.raises(ConfigurationError, match=f"workers.{option}"):
        WorkerLimits(**{option: value})  # type: ignore[arg-type] # that is the point
