"""Mailboxes whose loop is interrupted, or loses a timer or a wake-up: the others that wait are served."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import traceback
from collections import Counter
from collections.abc import Collection, Generator
from types import FrameType
from typing import Any

import anyio
import pytest

from async_kerberos._threads import mailbox as mailbox_module
from async_kerberos._threads.mailbox import AsyncioMailbox, Awaited, Mailboxes

from ...support.clocked import Clocked
from ...support.held import HANG
from ...support.mailboxes import BACKENDS, awaited_by_nobody


class Interruption:
    """Raises an error at one place of the mailbox's code.

    Args:
        error: what.
        places: what counts as a place: "call", where a tracer may raise, and "opcode", where a signal's handler may;
            each the first two times that the loop comes by.
        place: the number of the place.
    """

    def __init__(self, error: type[BaseException], places: tuple[str, ...], place: int) -> None:
        self.raised: BaseException | None = None
        self._error = error
        self._places = places
        self._left = place
        self._passed: Counter[tuple[object, ...]] = Counter()

    @contextlib.contextmanager
    def coming(self) -> Generator[None, None, None]:
        """Raise while this lasts."""
        before = sys.gettrace()
        sys.settrace(self._trace)
        try:
            yield
        except self._error as error:
            if error is not self.raised:
                raise
        finally:
            sys.settrace(before)

    def _trace(self, frame: FrameType, event: str, arg: object) -> Any:
        if frame.f_code.co_filename != mailbox_module.__file__ or self.raised is not None:
            return None
        frame.f_trace_lines = False
        frame.f_trace_opcodes = "opcode" in self._places
        if event in self._places:
            place = (frame.f_code, event, frame.f_lasti)
            self._passed[place] += 1
            self._left -= self._passed[place] <= 2
            if self._left == 0:
                self.raised = self._error()
                raise self.raised
        return self._trace


@pytest.mark.parametrize(
    ("error", "places"), [(KeyboardInterrupt, ("call", "opcode")), (LookupError, ("call",))], ids=["signal", "tracer"]
)
def test_interrupted_anywhere(error: type[BaseException], places: tuple[str, ...]) -> None:
    """Wherever the loop is interrupted in the mailbox, the others that wait get their results or their deadlines.

    Calls that wait later get theirs, too. A LookupError goes to the loop's handler; a KeyboardInterrupt ends the run.
    """
    for place in range(1, 10_000):
        with contextlib.closing(Clocked()) as loop:
            interruption = Interruption(error, places, place)
            problems = _interrupt(loop, interruption)
        if interruption.raised is None:
            assert place > 10
            break
        assert problems == [], (place, "".join(traceback.format_exception(interruption.raised)))


def _do_nothing(*_: object) -> None:
    pass


def _interrupt(loop: Clocked, interruption: Interruption) -> list[str]:
    mailbox = AsyncioMailbox(loop)
    problems: list[str] = []
    tasks: list[asyncio.Task[bool]] = []
    loop.set_exception_handler(_do_nothing)

    def begin(awaited: Awaited, seconds: float) -> asyncio.Task[bool]:
        tasks.append(loop.create_task(mailbox.wait(awaited, seconds)))
        return tasks[-1]

    def post(awaited: Awaited, *, more_follow: bool = False) -> None:
        trace = sys.gettrace()
        sys.settrace(None)  # as on a worker, which no signal interrupts
        mailbox.post(awaited, more_follow=more_follow)
        sys.settrace(trace)

    async def check(what: str, waiting: asyncio.Task[bool], expected: bool, seconds: float) -> None:
        done, _ = await asyncio.wait([waiting], timeout=seconds)
        if not done:
            problems.append(f"{what} does not come")
        elif waiting.exception() is None:
            if waiting.result() is not expected:
                problems.append(f"{what}: {waiting.result()}")
        elif waiting.exception() is not interruption.raised:
            problems.append(f"{what}: {waiting.exception()!r}")

    async def main() -> None:
        overdue = begin(awaited_by_nobody(), 0.02)
        results = [awaited_by_nobody() for _ in range(3)]
        waiting = [begin(awaited, 0.25) for awaited in results]
        await check("a deadline", overdue, False, 1)
        # One that waits for the tick, one that wakes the loop, and one whose worker has got stuck.
        post(results[0], more_follow=True)
        await asyncio.sleep(0.03)
        post(results[1])
        await check("a result that more were to follow", waiting[0], True, 1)
        await check("a result", waiting[1], True, 1)
        await check("the last deadline", waiting[2], False, 1)

    async def after() -> None:
        await ending
        result, missing = awaited_by_nobody(), awaited_by_nobody()
        waiting, overdue = begin(result, 0.3), begin(missing, 0.3)
        await asyncio.sleep(0.05)
        post(result)
        await check("a later result", waiting, True, 1)
        await check("a later deadline", overdue, False, 1)
        await asyncio.sleep(1)
        if getattr(mailbox, "_deadlines"):  # noqa: B009 - a private look that no type checker minds
            problems.append("something is kept of those who waited")

    ending = loop.create_task(main())
    with interruption.coming():
        loop.run_until_complete(ending)
    loop.run_until_complete(after())
    return problems


class Losing(AsyncioMailbox):
    """Loses ticks as where something is raised before their first line."""

    lost: Collection[int] = ()
    count = 0

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        self.count += 1
        if self.count in self.lost:
            raise LookupError
        super()._tick(loop)


def test_lost_tick() -> None:
    """Whichever tick is lost, the next deadline comes, though nobody comes by to set another timer."""
    for number in range(1, 40):
        with contextlib.closing(Clocked()) as loop:
            loop.set_exception_handler(_do_nothing)
            mailbox = Losing(loop)
            mailbox.lost = {number}
            assert loop.run_until_complete(mailbox.wait(awaited_by_nobody(), 1)) is False
            assert loop.time() == pytest.approx(1, abs=0.15)


def test_all_ticks_lost() -> None:
    """Where every timer is lost for a time, the next call that waits sets them again, for all."""

    async def main() -> list[bool]:
        first = asyncio.ensure_future(mailbox.wait(awaited_by_nobody(), 5))
        await asyncio.sleep(1)
        mailbox.lost = ()
        return [*await asyncio.gather(first, mailbox.wait(awaited_by_nobody(), 5))]

    with contextlib.closing(Clocked()) as loop:
        loop.set_exception_handler(_do_nothing)
        mailbox = Losing(loop)
        mailbox.lost = range(1000)
        assert loop.run_until_complete(main()) == [False, False]
        assert loop.time() == pytest.approx(6, abs=0.1)


@BACKENDS
def test_lost_wake_up(backend: str) -> None:
    """Where a call that was to wake the loop never comes, the next result but a little later brings all."""

    async def main() -> list[bool]:
        mailbox = Mailboxes().current()
        first, second = awaited_by_nobody(), awaited_by_nobody()
        results: list[bool] = []

        async def wait(awaited: Awaited) -> None:
            results.append(await mailbox.wait(awaited, HANG))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(wait, first)
            tasks.start_soon(wait, second)
            await anyio.wait_all_tasks_blocked()
            call_soon = getattr(mailbox, "_call_soon")  # noqa: B009 - a private look that no type checker minds
            setattr(mailbox, "_call_soon", _do_nothing)  # noqa: B010
            mailbox.post(first, more_follow=False)
            setattr(mailbox, "_call_soon", call_soon)  # noqa: B010
            await anyio.sleep(0.1)
            mailbox.post(second, more_follow=False)
        return results

    assert anyio.run(main, backend=backend) == [True, True]
