"""How results come back to a loop: gathered, but never late, and whatever happens to whoever waits."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import sys
import threading
import weakref
from collections.abc import Callable
from types import ModuleType
from typing import Any

import anyio
import pytest
import trio

from async_kerberos import WorkerLimits
from async_kerberos._loops import loop_is_running, running_asyncio_loop
from async_kerberos._mailbox import AsyncioMailbox, Awaited, Mailbox, Mailboxes
from async_kerberos._workers import Workers

HANG = 30.0
BACKENDS = pytest.mark.parametrize("backend", ["asyncio", "trio"])


def awaited_by_nobody() -> Awaited:
    awaited = Awaited()
    awaited.waiter = None
    return awaited


@BACKENDS
def test_left_to_the_loop(backend: str) -> None:
    """A result whose thread promised another, and then hung, arrives all the same."""

    async def wait() -> bool:
        mailbox = Mailboxes().current()
        awaited = awaited_by_nobody()
        thread = threading.Thread(target=mailbox.post, args=[awaited], kwargs={"more_follow": True})
        thread.start()
        try:
            return await mailbox.wait(awaited, HANG)
        finally:
            thread.join(HANG)

    assert anyio.run(wait, backend=backend) is True


@BACKENDS
def test_worker_that_hangs_in_its_next_call(backend: str) -> None:
    """What a worker has finished is there while it hangs in the next call."""
    workers = Workers(WorkerLimits(threads=1))
    begin, gate = threading.Event(), threading.Event()

    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(workers.run, lambda: begin.wait(HANG))
            tasks.start_soon(finish)
            await anyio.wait_all_tasks_blocked()
            tasks.start_soon(workers.run, lambda: gate.wait(HANG))
            await anyio.wait_all_tasks_blocked()
            begin.set()

    async def finish() -> None:
        assert await workers.run(lambda: 1) == 1  # were it not there, the gate would stay shut
        gate.set()

    anyio.run(main, backend=backend)
    assert gate.is_set()
    workers.close()


def test_one_wake_up() -> None:
    """Of a loop of asyncio, results that gather wake it once, when their thread has nothing more to do."""

    async def main() -> list[str]:
        loop = asyncio.get_running_loop()
        mailbox = AsyncioMailbox(loop)
        woken: list[str] = []
        wake = loop.call_soon_threadsafe

        def counting(callback: Callable[..., object], *args: Any, **kwargs: Any) -> asyncio.Handle:
            woken.append(getattr(callback, "__name__", ""))
            return wake(callback, *args, **kwargs)

        setattr(loop, "call_soon_threadsafe", counting)  # noqa: B010 - of a type that declares a method
        every = [awaited_by_nobody() for _ in range(5)]
        waits = [asyncio.create_task(mailbox.wait(awaited, HANG)) for awaited in every]
        await asyncio.sleep(0)
        for number, awaited in enumerate(every):
            mailbox.post(awaited, more_follow=number < 4)
        assert await asyncio.gather(*waits) == [True] * 5
        return woken

    assert asyncio.run(main()) == ["_deliver"]


@BACKENDS
def test_deadline(backend: str) -> None:
    """Whoever waits longer than they want is told; others go on to wait, and what comes too late is nobody's."""

    async def main() -> None:
        mailbox = Mailboxes().current()
        first, second, third = (awaited_by_nobody() for _ in range(3))
        results: dict[str, bool] = {}

        async def wait(name: str, awaited: Awaited, seconds: float) -> None:
            results[name] = await mailbox.wait(awaited, seconds)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(wait, "first", first, 0.01)
            tasks.start_soon(wait, "second", second, 0.02)
            await anyio.wait_all_tasks_blocked()
            tasks.start_soon(wait, "third", third, HANG)
            while len(results) < 2:  # noqa: ASYNC110 - two deadlines, and nothing tells of both
                await anyio.sleep(0.001)
            for awaited in (first, second, third):
                mailbox.post(awaited, more_follow=False)
        assert results == {"first": False, "second": False, "third": True}

    anyio.run(main, backend=backend)


@BACKENDS
def test_cancelled_as_the_result_comes(backend: str) -> None:
    """A result for somebody who is cancelled at the same moment is dropped, and those beside them get theirs."""

    async def main() -> bool:
        mailbox = Mailboxes().current()
        cancelled, other = awaited_by_nobody(), awaited_by_nobody()
        results: list[bool] = []

        async def wait() -> None:
            results.append(await mailbox.wait(other, HANG))

        async def give_up(scope: anyio.CancelScope) -> None:
            with scope:
                await mailbox.wait(cancelled, HANG)

        async with anyio.create_task_group() as tasks:
            scope = anyio.CancelScope()
            tasks.start_soon(give_up, scope)
            tasks.start_soon(wait)
            await anyio.wait_all_tasks_blocked()
            mailbox.post(cancelled, more_follow=True)
            scope.cancel()
            mailbox.post(other, more_follow=False)
        return results == [True]

    assert anyio.run(main, backend=backend)


def test_released_twice() -> None:
    """What is posted once more, before whoever waited has gone on, changes nothing."""

    async def main() -> bool:
        mailbox = Mailboxes().current()
        awaited = awaited_by_nobody()

        waiting = asyncio.create_task(mailbox.wait(awaited, HANG))
        await asyncio.sleep(0)
        mailbox.post(awaited, more_follow=True)
        mailbox.post(awaited, more_follow=False)
        return await waiting

    assert asyncio.run(main()) is True


def test_loop_that_has_ended() -> None:
    """What is posted to a loop that is closed is dropped."""

    async def make() -> AsyncioMailbox:
        return AsyncioMailbox(asyncio.get_running_loop())

    loop = asyncio.new_event_loop()
    mailbox = loop.run_until_complete(make())
    loop.close()
    awaited = awaited_by_nobody()
    reference = weakref.ref(mailbox)
    mailbox.post(awaited, more_follow=True)
    mailbox.post(awaited, more_follow=False)
    assert sys.getrefcount(awaited) == 2  # this name's, and the argument's
    del mailbox
    assert reference() is None


def test_one_of_each_loop() -> None:
    """Every loop that runs has a mailbox of its own; the same loop, run again, may keep it."""
    mailboxes = Mailboxes()

    async def current() -> Mailbox:
        return mailboxes.current()

    loops = [asyncio.new_event_loop() for _ in range(2)]
    try:
        first, again, second = (loop.run_until_complete(current()) for loop in (loops[0], loops[0], loops[1]))
    finally:
        for loop in loops:
            loop.close()
    assert first is again
    assert first is not second
    assert not isinstance(trio.run(current), AsyncioMailbox)


@pytest.mark.parametrize("through_a_task", [False, True])
def test_trio_as_a_guest(through_a_task: bool) -> None:
    """Trio that runs as the guest of a loop of asyncio is served in its own way, whoever calls it there."""
    workers = Workers(WorkerLimits(threads=1))

    async def call() -> tuple[int, bool]:
        return await workers.run(lambda: 1), running_asyncio_loop() is None

    async def host() -> tuple[int, bool]:
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Any] = loop.create_future()
        steps: asyncio.Queue[Callable[[], object]] = asyncio.Queue()

        def soon(step: Callable[[], object]) -> None:
            if through_a_task:
                loop.call_soon_threadsafe(steps.put_nowait, step)
            else:
                loop.call_soon_threadsafe(step)

        async def take_steps() -> None:
            while True:
                (await steps.get())()

        taking = asyncio.create_task(take_steps())
        trio.lowlevel.start_guest_run(call, run_sync_soon_threadsafe=soon, done_callback=done.set_result)
        outcome = await done
        taking.cancel()
        assert await workers.run(lambda: running_asyncio_loop() is None)  # of the host, on the worker
        result: tuple[int, bool] = outcome.unwrap()
        return result

    assert asyncio.run(host()) == (1, True)
    workers.close()


def test_interrupted_timer() -> None:
    """What a signal raises while the timer's step runs does not end the timer: deadlines hold when the loop goes on."""
    loop = asyncio.new_event_loop()

    class Interrupted(AsyncioMailbox):
        def _deliver(self) -> None:
            if not interrupts:
                interrupts.append("once")
                raise KeyboardInterrupt
            super()._deliver()

    interrupts: list[str] = []
    mailbox = Interrupted(loop)

    async def wait(seconds: float) -> bool:
        return await mailbox.wait(awaited_by_nobody(), seconds)

    waiting = loop.create_task(wait(0.02))
    with pytest.raises(KeyboardInterrupt):
        loop.run_until_complete(waiting)
    assert loop.run_until_complete(waiting) is False
    assert loop.run_until_complete(wait(0.01)) is False
    loop.close()


def test_whose_context() -> None:
    """The context of a request is not kept while others wait."""

    class Span:
        pass

    variable: contextvars.ContextVar[Span] = contextvars.ContextVar("span")

    async def main() -> bool:
        mailbox = Mailboxes().current()
        first, second = awaited_by_nobody(), awaited_by_nobody()

        async def wait_with_a_span() -> weakref.ref[Span]:
            span = Span()
            variable.set(span)
            await mailbox.wait(first, HANG)
            return weakref.ref(span)

        waiting = asyncio.create_task(wait_with_a_span())
        await asyncio.sleep(0)
        others = asyncio.create_task(mailbox.wait(second, HANG))
        await asyncio.sleep(0.02)  # the timer has gone on from one step to the next
        mailbox.post(first, more_follow=False)
        reference = await waiting
        del waiting
        await asyncio.sleep(0)  # the loop itself has forgotten the last step
        gc.collect()
        kept = reference() is not None
        mailbox.post(second, more_follow=False)
        await others
        return kept

    assert asyncio.run(main()) is False


def test_slow_timer() -> None:
    """While calls take long the timer looks less often, and no result waits for it; then it is quick again."""

    async def main() -> tuple[float, float]:
        loop = asyncio.get_running_loop()
        mailbox = AsyncioMailbox(loop)
        intervals: list[float] = []
        call_later = loop.call_later

        def noting(delay: float, *args: Any, **kwargs: Any) -> asyncio.TimerHandle:
            intervals.append(delay)
            return call_later(delay, *args, **kwargs)

        setattr(loop, "call_later", noting)  # noqa: B010 - of a type that declares a method
        slow, quick = awaited_by_nobody(), awaited_by_nobody()
        waiting = asyncio.create_task(mailbox.wait(slow, HANG))
        while len(intervals) < 6:  # noqa: ASYNC110 - noted where nothing can wait
            await asyncio.sleep(0.001)
        woken = len(intervals)
        mailbox.post(slow, more_follow=True)
        assert await waiting is True
        assert len(intervals) == woken  # it was the result that woke the loop
        waiting = asyncio.create_task(mailbox.wait(quick, HANG))
        await asyncio.sleep(0)
        mailbox.post(quick, more_follow=False)
        assert await waiting is True
        return max(intervals[:woken]), intervals[woken]

    longest, again = asyncio.run(main())
    assert longest > again


def test_without_asyncio(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nobody has imported asyncio, none of its loops is looked for."""
    monkeypatch.delitem(sys.modules, "asyncio")
    assert running_asyncio_loop() is None
    assert loop_is_running() is False


def test_while_asyncio_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor where another thread is about to: the module is there before what is in it."""
    monkeypatch.setitem(sys.modules, "asyncio", ModuleType("asyncio"))
    assert running_asyncio_loop() is None
    assert loop_is_running() is False


def test_while_trio_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    """Likewise of trio: until it is there, none of its tasks runs."""

    async def main() -> bool:
        monkeypatch.setitem(sys.modules, "trio", ModuleType("trio"))
        return running_asyncio_loop() is asyncio.get_running_loop()

    assert asyncio.run(main()) is True
