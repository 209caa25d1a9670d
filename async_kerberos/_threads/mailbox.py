"""Brings the results of worker threads to the coroutines that wait for them on event loops, with few wake-ups.

To wake a loop takes up to half as long as a job. So a thread that has another job does not wake the loop. A thread that
has no more jobs wakes it once, for all results that have gathered. The loop also looks by itself every few
milliseconds, since the thread's next job may hang.

A signal's handler or a tracer may raise an exception anywhere in a callback of the loop, even before its first line.
The next result and the next deadline must come all the same, so nothing here relies on a single callback.
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

# How often the loop looks. A busy worker finishes some twenty jobs meanwhile; each has waited longer in the queue.
_TICK_SECONDS = 0.005
# The interval grows up to this while no result and no new coroutine comes: the calls take long, or hang.
_LONGEST_TICK_SECONDS = 0.04
# A second timer: it sets the next tick if an exception has prevented that.
_SPARE_SECONDS = 0.1
_NEVER = float("-inf")


class Awaited:
    """Something that one coroutine waits for.

    Attributes:
        waiter: set by the mailbox while a coroutine waits; otherwise None.
    """

    __slots__ = ("waiter",)

    waiter: Any


class Mailbox:
    """The mailbox of one event loop: of any loop that anyio knows. For asyncio there is a faster subclass."""

    def __init__(self, loop: Any) -> None:
        # Weak: a variable of the loop may refer to this mailbox, and a reference back would keep the loop alive.
        self._loop: Any = weakref.ref(loop)
        self._finished: deque[Awaited] = deque()
        # Until this time, no thread sends another wake-up. After it, the last wake-up counts as lost.
        self._woken_until = _NEVER

    def belongs_to(self, loop: Any) -> bool:
        """Whether this is the mailbox of the loop."""
        return self._loop() is loop

    async def wait(self, awaited: Awaited, seconds: float) -> bool:
        """Wait until a thread has posted the result.

        Args:
            awaited: what the coroutine waits for; a thread may have posted it already.
            seconds: the longest time to wait.

        Returns:
            Whether it was posted in time.
        """
        finished = awaited.waiter = anyio.Event()
        with anyio.move_on_after(seconds):
            await finished.wait()
            return True
        return False

    def post(self, awaited: Awaited, *, more_follow: bool) -> None:
        """Deliver a result. Called on any thread.

        Args:
            awaited: what is finished.
            more_follow: whether the thread has another job, and will post again.
        """
        self._finished.append(awaited)
        self._wake_loop()

    def _wake_loop(self) -> None:
        # If we return here, our result is in the box already. The loop resets the time before it empties the box.
        now = time.monotonic()
        if now < self._woken_until:
            return
        self._woken_until = now + _LONGEST_TICK_SECONDS
        try:
            self._call_soon(self._loop())
        except (AttributeError, RuntimeError):
            # The loop has ended, and all coroutines with it. (trio.RunFinishedError is a RuntimeError.) Take a new box:
            # trio may be emptying the old one for the last time.
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
            finished.popleft()  # only now, so that an exception before this line loses no result

    def _release(self, waiter: Any) -> None:
        waiter.set()


class AsyncioMailbox(Mailbox):
    """The mailbox of an asyncio loop: without anyio's scopes and events, and with one timer for all who wait."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        # In the order of the deadlines: all coroutines wait equally long.
        self._deadlines: dict[asyncio.Future[bool], float] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._interval = _TICK_SECONDS
        # When the next tick and the spare timer count as lost; _NEVER while no coroutine waits.
        self._tick_lost = self._spare_lost = _NEVER

    async def wait(self, awaited: Awaited, seconds: float) -> bool:
        """As in :meth:`Mailbox.wait`."""
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
        """As in :meth:`Mailbox.post`, but with fewer wake-ups."""
        self._finished.append(awaited)
        if not more_follow or self._interval > _TICK_SECONDS:
            self._wake_loop()

    def _call_soon(self, loop: Any) -> None:
        loop.call_soon_threadsafe(self._deliver)

    def _release(self, waiter: Any) -> None:
        if not waiter.done():
            waiter.set_result(True)

    def _set_timer(self, loop: asyncio.AbstractEventLoop, now: float, interval: float) -> None:
        # In an empty context: each tick sets the next, so a request's context would live as long as requests come.
        before, self._timer = self._timer, loop.call_later(interval, self._tick, loop, context=contextvars.Context())
        self._interval = interval
        self._tick_lost = now + interval + _LONGEST_TICK_SECONDS
        # A timer that is due may only be late. On a slow loop, new requests would cancel each tick before it runs.
        if before is not None and before.when() > now:
            before.cancel()
        if self._spare_lost <= now:
            loop.call_later(_SPARE_SECONDS, self._tick, loop, context=contextvars.Context())
            self._spare_lost = now + _SPARE_SECONDS

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        if self._deadlines:  # first: an exception may end what follows
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
            # The waiting coroutine removes it too, unless an exception interrupts that.
            del self._deadlines[waiter]


class Mailboxes:
    """Finds the mailbox of the event loop that runs on this thread."""

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
    from anyio.lowlevel import RunVar  # here: it takes long, and asyncio does not need it

    return RunVar("async_kerberos_mailbox")
