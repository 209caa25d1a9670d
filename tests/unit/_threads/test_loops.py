"""Which loop runs here: of asyncio, of trio, or none."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
import trio

from async_kerberos import WorkerLimits
from async_kerberos._threads.loops import loop_is_running, running_asyncio_loop
from async_kerberos._threads.workers import Workers


@pytest.mark.parametrize("through_a_task", [False, True])
def test_trio_as_a_guest(through_a_task: bool) -> None:
    """Trio as the guest of a loop of asyncio is served as trio, whether a task or a callback runs its steps."""
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


def test_without_asyncio(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nobody has imported asyncio, none of its loops is looked for."""
    monkeypatch.delitem(sys.modules, "asyncio")
    assert running_asyncio_loop() is None
    assert loop_is_running() is False


def test_while_asyncio_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    """While another thread imports asyncio, no loop is looked for: the module is there before its contents are."""
    monkeypatch.setitem(sys.modules, "asyncio", ModuleType("asyncio"))
    assert running_asyncio_loop() is None
    assert loop_is_running() is False


def test_while_trio_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    """While another thread imports trio, a loop of asyncio is found: no task of trio can run yet."""

    async def main() -> bool:
        monkeypatch.setitem(sys.modules, "trio", ModuleType("trio"))
        return running_asyncio_loop() is asyncio.get_running_loop()

    assert asyncio.run(main()) is True
