"""Closing a pool of workers, while calls wait and while others come in."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import Any

import anyio
import pytest

import async_kerberos._threads.workers as workers_module
from async_kerberos._threads.mailbox import Mailboxes
from async_kerberos._threads.workers import Workers

from ...support.held import HANG, HeldCall

pytestmark = pytest.mark.anyio


async def test_close(make_workers: Callable[..., Workers]) -> None:
    """Closing lets waiting calls finish and the threads end; the next call starts new ones."""
    workers = make_workers(threads=1)
    held = HeldCall()
    results: list[int] = []
    first = await workers.run(threading.current_thread)

    async def block() -> None:
        await workers.run(held)

    async def add(number: int) -> None:
        results.append(await workers.run(lambda: number))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(block)
        tasks.start_soon(add, 1)
        await anyio.wait_all_tasks_blocked()
        workers.close()
        held.release()
    assert results == [1]
    await anyio.to_thread.run_sync(lambda: first.join(HANG))
    assert not first.is_alive()
    assert await workers.run(threading.current_thread) is not first


async def test_closed_while_a_call_comes_in(make_workers: Callable[..., Workers]) -> None:
    """Calls that race with closing are all made: none is left in a pool whose threads have gone."""
    workers = make_workers(threads=2)
    stop = threading.Event()

    def keep_closing() -> None:
        while not stop.is_set():
            workers.close()

    interval = sys.getswitchinterval()
    sys.setswitchinterval(0.0001)  # more turns in less time
    closer = threading.Thread(target=keep_closing)
    closer.start()
    try:
        with anyio.fail_after(HANG):
            for number in range(40):
                assert await workers.run(lambda number=number: number) == number  # type: ignore[misc]
    finally:
        stop.set()
        closer.join()
        sys.setswitchinterval(interval)


async def test_call_that_slips_in_as_the_pool_is_closed() -> None:
    """A call that comes in between the mark and the end of a pool is made; one that comes after goes to the next."""
    pool: Any = getattr(workers_module, "_Pool")(1)  # noqa: B009 - a private look that no type checker minds
    made: list[str] = []

    def make_job(what: str) -> Any:
        return getattr(workers_module, "_Job")(lambda: made.append(what), Mailboxes().current())  # noqa: B009 - a private look

    slipped_in, withdrawn = make_job("slipped in"), make_job("withdrawn")
    pool.waiting.add(slipped_in)
    pool.close()
    pool.queue.put(withdrawn)
    pool.queue.put(slipped_in)
    getattr(pool, "_serve")(1)  # noqa: B009 - a private look
    assert made == ["slipped in"]
    pool = getattr(workers_module, "_Pool")(1)  # noqa: B009 - a private look
    pool.closed = True
    getattr(pool, "_to_start").clear()  # noqa: B009 - a private look
    assert pool.put(make_job("too late")) is False
    assert not pool.waiting
