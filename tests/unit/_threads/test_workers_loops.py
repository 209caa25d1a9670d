"""One pool of workers for several loops, for loops that have ended, and in a forked child."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from collections.abc import Callable

import anyio
import pytest

from async_kerberos._threads.workers import Workers

from ...support.forks import fork_and_run
from ...support.held import HANG, HeldCall

pytestmark = pytest.mark.anyio


def test_many_loops(make_workers: Callable[..., Workers]) -> None:
    """One pool serves loops on several threads, of asyncio and trio, each result going back where it belongs."""
    workers = make_workers(threads=2)
    wrong: list[object] = []

    async def many(start: int) -> None:
        for number in range(start, start + 200):
            result = await workers.run(lambda number=number: number)  # type: ignore[misc]
            if result != number:
                wrong.append((number, result))

    threads = [
        threading.Thread(target=anyio.run, args=(many, 1_000 * number), kwargs={"backend": backend})
        for number, backend in enumerate(["asyncio", "trio"] * 4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(HANG)
    assert not any(thread.is_alive() for thread in threads)
    assert wrong == []


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_loop_that_has_ended(make_workers: Callable[..., Workers], backend: str) -> None:
    """A result for a loop that has ended is dropped, and the worker goes on."""
    workers = make_workers(threads=1)
    held = HeldCall()

    async def give_up() -> None:
        with anyio.move_on_after(0.01):
            await workers.run(held)

    async def again() -> int:
        return await workers.run(lambda: 1)

    anyio.run(give_up, backend=backend)
    held.release()
    assert anyio.run(again, backend=backend) == 1


def test_loop_that_was_closed_in_the_middle(make_workers: Callable[..., Workers]) -> None:
    """A result for a loop that was closed while somebody waited is dropped, and the worker goes on."""
    workers = make_workers(threads=1)
    held = HeldCall()
    loop = asyncio.new_event_loop()
    waiting = loop.create_task(workers.run(held))
    loop.run_until_complete(asyncio.sleep(0))
    assert held.begun.wait(HANG)
    loop.close()
    held.release()
    other = asyncio.new_event_loop()
    assert other.run_until_complete(workers.run(lambda: 1)) == 1
    other.close()
    setattr(waiting, "_log_destroy_pending", False)  # noqa: B010 - asyncio would complain of what is done here


def test_loops_are_not_kept(make_workers: Callable[..., Workers]) -> None:
    """A pool that outlives a loop does not keep it."""
    workers = make_workers(threads=1)
    loop = asyncio.new_event_loop()
    assert loop.run_until_complete(workers.run(lambda: 1)) == 1
    loop.close()
    reference = weakref.ref(loop)
    del loop
    # The worker may be in the very act of waking the loop, holding it for that moment.
    other = asyncio.new_event_loop()
    assert other.run_until_complete(workers.run(lambda: 2)) == 2
    other.close()
    gc.collect()
    assert reference() is None


def test_fork(make_workers: Callable[..., Workers]) -> None:
    """A forked child has no threads of the pool, and starts its own."""
    workers = make_workers(threads=1)

    async def result() -> int:
        return await workers.run(lambda: 7)

    assert asyncio.run(result()) == 7
    assert fork_and_run(lambda: asyncio.run(result())) == 7
    assert asyncio.run(result()) == 7
