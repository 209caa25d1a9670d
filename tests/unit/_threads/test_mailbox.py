"""How results come back to a loop: gathered, but never late."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import gc
import sys
import threading
import weakref
from collections.abc import Callable
from typing import Any

import anyio
import pytest
import trio

from async_kerberos import WorkerLimits
from async_kerberos._threads.mailbox import AsyncioMailbox, Awaited, Mailbox, Mailboxes
from async_kerberos._threads.workers import Workers

from ...support.clocked import Clocked
from ...support.held import HANG, HeldCall
from ...support.mailboxes import BACKENDS, awaited_by_nobody


@BACKENDS
def test_left_to_the_loop(backend: str) -> None:
    """A result arrives, though its thread promised that another would follow, and then hung."""

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
    first, second = HeldCall(), HeldCall()

    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(workers.run, first)
            tasks.start_soon(finish)
            await anyio.wait_all_tasks_blocked()
            tasks.start_soon(workers.run, second)
            await anyio.wait_all_tasks_blocked()
            first.release()

    async def finish() -> None:
        assert await workers.run(lambda: 1) == 1  # without it, the second call would never be let go
        second.release()

    anyio.run(main, backend=backend)
    assert second.released.is_set()
    workers.close()


def test_one_wake_up() -> None:
    """Results that gather wake a loop of asyncio once, when their thread has nothing more to do."""

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
    """A call whose deadline has passed is told so; others go on waiting; a result that is too late is dropped."""

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
    """A result that is posted once more, before the call that waits for it has gone on, changes nothing."""

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
    """Every loop that runs has its own mailbox; the same loop, run again, may keep it."""
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


@pytest.mark.parametrize("seconds_a_round", [0.001, 0.06])
def test_busy_loop(seconds_a_round: float) -> None:
    """On a loop that is always late, and where there is always somebody new, results do not wait for a quiet moment."""
    loop = Clocked()
    mailbox = AsyncioMailbox(loop)

    async def main() -> int:
        first = awaited_by_nobody()
        waiting = asyncio.create_task(mailbox.wait(first, HANG))
        others: list[asyncio.Task[bool]] = []
        await asyncio.sleep(0)
        mailbox.post(first, more_follow=True)
        rounds = 0
        while not waiting.done():
            rounds += 1
            others.append(asyncio.create_task(mailbox.wait(awaited_by_nobody(), HANG)))
            loop.now += seconds_a_round
            await asyncio.sleep(0)
        for other in others:
            other.cancel()
        await asyncio.wait(others)
        return rounds

    with contextlib.closing(loop):
        assert loop.run_until_complete(main()) <= 0.005 / seconds_a_round + 3


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
    ticks: list[float] = []

    class Counted(AsyncioMailbox):
        def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
            ticks.append(loop.time())
            super()._tick(loop)

    loop = Clocked()
    mailbox = Counted(loop)

    async def main() -> None:
        slow, quick = awaited_by_nobody(), awaited_by_nobody()
        waiting = asyncio.create_task(mailbox.wait(slow, HANG))
        await asyncio.sleep(1)
        assert ticks[0] == pytest.approx(0.005)
        assert 20 < len(ticks) < 40  # without slowing down, 200
        begun = loop.time()
        mailbox.post(slow, more_follow=True)
        assert await waiting is True
        assert loop.time() == begun
        ticks.clear()
        waiting = asyncio.create_task(mailbox.wait(quick, HANG))
        await asyncio.sleep(0.02)
        assert ticks[0] == pytest.approx(begun + 0.005)
        mailbox.post(quick, more_follow=False)
        assert await waiting is True
        ticks.clear()
        await asyncio.sleep(1)
        assert len(ticks) <= 2  # nobody waits: the timers end

    with contextlib.closing(loop):
        loop.run_until_complete(main())
