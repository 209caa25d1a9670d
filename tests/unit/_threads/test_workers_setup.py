"""What is done at set-up does not block an event loop."""

from __future__ import annotations

import asyncio
import threading

import anyio
import pytest

from async_kerberos._threads.workers import without_blocking_a_loop

from ...support.held import HANG

pytestmark = pytest.mark.anyio


def test_setup_outside_a_loop() -> None:
    """Outside a loop, what is done at set-up is done at once, on no other thread."""
    threads: list[threading.Thread] = []
    without_blocking_a_loop(lambda: threads.append(threading.current_thread()))
    assert threads == [threading.current_thread()]


async def test_setup_inside_a_loop() -> None:
    """Inside a loop, what is done at set-up does not hold the loop up."""
    done, gate = threading.Event(), threading.Event()
    threads: list[threading.Thread] = []

    def setup() -> None:
        gate.wait(HANG)
        threads.append(threading.current_thread())
        done.set()

    without_blocking_a_loop(setup)
    gate.set()
    await anyio.to_thread.run_sync(lambda: done.wait(HANG))
    assert threads != [threading.current_thread()]
    await anyio.to_thread.run_sync(lambda: threads[0].join(HANG))


def test_setup_in_a_callback_of_a_loop() -> None:
    """In a callback of a loop, where no task runs, set-up does not hold the loop up either."""
    threads: list[threading.Thread] = []
    done = threading.Event()
    loop = asyncio.new_event_loop()

    def setup() -> None:
        threads.append(threading.current_thread())
        done.set()

    loop.call_soon(without_blocking_a_loop, setup)
    loop.call_soon(loop.stop)
    loop.run_forever()
    loop.close()
    assert done.wait(HANG)
    assert threads != [threading.current_thread()]
    threads[0].join(HANG)
