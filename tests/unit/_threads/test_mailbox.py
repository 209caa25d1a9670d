"""How results come back to a loop: gathered, but never late, and whatever happens to whoever waits."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import gc
import sys
import threading
import traceback
import weakref
from collections import Counter
from collections.abc import Callable, Collection, Generator
from types import FrameType, ModuleType
from typing import Any

import anyio
import pytest
import trio

from async_kerberos import WorkerLimits
from async_kerberos._threads import mailbox as mailbox_module
from async_kerberos._threads.loops import loop_is_running, running_asyncio_loop
from async_kerberos._threads.mailbox import AsyncioMailbox, Awaited, Mailbox, Mailboxes
from async_kerberos._threads.workers import Workers

from ...support.clocked import Clocked
from ...support.held import HANG, HeldCall

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

    So does whoever comes later. A LookupError goes to the loop's handler, and a KeyboardInterrupt ends the run.
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
    """Where every timer is lost for a time, whoever comes next sets them again, for all."""

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
