"""Brings what threads have finished back to the event loops where coroutines wait for it, with few wake-ups.

To wake a loop costs as much as a good part of what was waited for. So a thread that goes on with the next job leaves
the loop asleep, and a thread that finds nothing more to do wakes it for all that has gathered. The loop also looks by
itself, every few milliseconds: nothing waits long, should the thread's next job be one that hangs.

What a loop calls back may be interrupted anywhere, by what a signal's handler or a tracer raises: also before its first
line, and then nothing of it has run. The next result and the next deadline have to come all the same, so nothing here
relies on one callback alone.
"""

from __future__ import annotations

import contextvars
import functools
import threading
import time
import weakref
from collections import deque
from typing import TYPE_CHECKING, Any

import anyio

from .loops import native_token, running_asyncio_loop

if TYPE_CHECKING:
    import asyncio

    from anyio.lowlevel import RunVar

# A busy worker finishes some twenty jobs meanwhile. They have waited longer in the queue that made it busy.
_TICK_SECONDS = 0.005
# While nothing comes, and nobody new: for calls that take long, or hang.
_LONGEST_TICK_SECONDS = 0.04
# A timer beside the ticks, which sets the next tick where one was lost.
_SPARE_SECONDS = 0.1
_NEVER = float("-inf")


class Awaited:
    """Something that one coroutine waits for.

    Attributes:
        waiter: the mailbox's own; None before, and for what nobody waits for any more.
    """

    __slots__ = ("waiter",)

    waiter: Any


class Mailbox:
    """The mailbox of one event loop: this one is for any loop that anyio knows; asyncio has another, faster one."""

    def __init__(self, loop: Any) -> None:
        # Weak, since a variable of the loop's own may hold this for as long as the loop lives, and would hold the loop.
        self._loop: Any = weakref.ref(loop)
        self._finished: deque[Awaited] = deque()
        # A wake-up was sent, and counts as lost after this time. Until then, no thread sends another.
        self._woken_until = _NEVER

    def belongs_to(self, loop: Any) -> bool:
        """Whether it is this loop's."""
        return self._loop() is loop

    async def wait(self, awaited: Awaited, seconds: float) -> bool:
        """Wait until it is finished.

        Args:
            awaited: what the coroutine waits for; another thread may have posted it already.
            seconds: for how long at most.

        Returns:
            Whether it is.
        """
        finished = awaited.waiter = anyio.Event()
        with anyio.move_on_after(seconds):
            await finished.wait()
            return True
        return False

    def post(self, awaited: Awaited, *, more_follow: bool) -> None:
        """Deliver what is finished. Called on any thread.

        Args:
            awaited: what.
            more_follow: whether the thread has something else to do, and will post again.
        """
        self._finished.append(awaited)
        self._wake_loop()

    def _wake_loop(self) -> None:
        # A thread that returns here has appended before the loop clears the mark, and so before it empties the box.
        now = time.monotonic()
        if now < self._woken_until:
            return
        self._woken_until = now + _LONGEST_TICK_SECONDS
        try:
            self._call_soon(self._loop())
        except (AttributeError, RuntimeError):
            # The loop has ended, and all that waited on it. (trio.RunFinishedError is a RuntimeError too.) A new box,
            # since trio may be emptying this one for the last time.
            self._finished = deque()

    def _call_soon(self, loop: Any) -> None:
        loop.run_sync_soon(self._deliver)

    def _deliver(self) -> None:
        self._woken_until = _NEVER
        finished = self._finished
        while finished:
            waiter = finished[0].waiter
            if waiter is not None:
                self._release(waiter)
            finished.popleft()  # only now: an interruption in between loses no result

    def _release(self, waiter: Any) -> None:
        waiter.set()


class AsyncioMailbox(Mailbox):
    """Of one event loop of asyncio: without anyio's scopes and events, and with one timer for all who wait."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        # In the order of their deadlines, as long as all wait equally long.
        self._deadlines: dict[asyncio.Future[bool], float] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._interval = _TICK_SECONDS
        # When the tick, and the spare timer, count as lost; _NEVER while nobody waits.
        self._tick_lost = self._spare_lost = _NEVER

    async def wait(self, awaited: Awaited, seconds: float) -> bool:
        """As of any mailbox."""
        loop: asyncio.AbstractEventLoop = self._loop()
        waiter: asyncio.Future[bool] = loop.create_future()
        awaited.waiter = waiter
        now = loop.time()
        self._deadlines[waiter] = now + seconds
        try:
            if self._interval > _TICK_SECONDS or self._tick_lost < now:
                self._set_timer(loop, now, _TICK_SECONDS)
            return await waiter
        finally:
            self._deadlines.pop(waiter, None)

    def post(self, awaited: Awaited, *, more_follow: bool) -> None:
        """As to any mailbox."""
        self._finished.append(awaited)
        if not more_follow or self._interval > _TICK_SECONDS:
            self._wake_loop()

    def _call_soon(self, loop: Any) -> None:
        loop.call_soon_threadsafe(self._deliver)

    def _release(self, waiter: Any) -> None:
        if not waiter.done():
            waiter.set_result(True)

    def _set_timer(self, loop: asyncio.AbstractEventLoop, now: float, interval: float) -> None:
        # In contexts of their own, or that of some request would live as long as there is always another one.
        before, self._timer = self._timer, loop.call_later(interval, self._tick, loop, context=contextvars.Context())
        self._interval = interval
        self._tick_lost = now + interval + _LONGEST_TICK_SECONDS
        # One that is due already is late, and not always lost: to cancel it, on a loop that is slow, would put every
        # tick off.
        if before is not None and before.when() > now:
            before.cancel()
        if self._spare_lost <= now:
            loop.call_later(_SPARE_SECONDS, self._tick, loop, context=contextvars.Context())
            self._spare_lost = now + _SPARE_SECONDS

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        if self._deadlines:  # first, since what follows may be interrupted
            idle = not self._finished
            self._set_timer(loop, now, min(self._interval * 2, _LONGEST_TICK_SECONDS) if idle else _TICK_SECONDS)
        else:
            self._timer = None
            self._tick_lost = _NEVER
        self._deliver()
        self._end_overdue(now)

    def _end_overdue(self, now: float) -> None:
        ended: list[asyncio.Future[bool]] = []
        for waiter, deadline in self._deadlines.items():
            if deadline > now:
                break
            if not waiter.done():
                waiter.set_result(False)
            ended.append(waiter)
        for waiter in ended:
            # The coroutine that waits removes it too, unless it is interrupted in the middle of that.
            del self._deadlines[waiter]


class Mailboxes:
    """Finds the mailbox of the event loop that runs here."""

    def __init__(self) -> None:
        self._here = threading.local()

    def current(self) -> Mailbox:
        """The mailbox of the running loop, made at first use."""
        loop = running_asyncio_loop()
        if loop is None:
            return _anyio_mailbox()
        mailbox: AsyncioMailbox | None = getattr(self._here, "mailbox", None)
        if mailbox is None or not mailbox.belongs_to(loop):
            mailbox = self._here.mailbox = AsyncioMailbox(loop)
        return mailbox


def _anyio_mailbox() -> Mailbox:
    variable = _variable()
    try:
        return variable.get()
    except LookupError:
        mailbox = Mailbox(native_token())
        variable.set(mailbox)
        return mailbox


@functools.cache
def _variable() -> RunVar[Mailbox]:
    from anyio.lowlevel import RunVar  # for those who have no asyncio; and it takes long

    return RunVar("async_kerberos_mailbox")
