"""Brings what threads have finished back to the event loops where coroutines wait for it, with few wake-ups.

To wake a loop costs as much as a good part of what was waited for. So a thread that goes on with the next job leaves
the loop asleep, and whoever finds nothing more to do wakes it for all that has gathered. The loop also looks by itself,
every few milliseconds: nothing waits long, should the thread's next job be one that hangs.
"""

from __future__ import annotations

import contextvars
import functools
import threading
import weakref
from collections import deque
from typing import TYPE_CHECKING, Any

import anyio

from ._loops import native_token, running_asyncio_loop

if TYPE_CHECKING:
    import asyncio

    from anyio.lowlevel import RunVar

# A busy worker finishes some twenty jobs meanwhile. They have waited longer in the queue that made it busy.
_TICK_SECONDS = 0.005
# While nothing comes, and nobody new: for calls that take long, or hang.
_LONGEST_TICK_SECONDS = 0.04


class Awaited:
    """Something that one coroutine waits for.

    Attributes:
        waiter: the mailbox's own; None before, and for what nobody waits for any more.
    """

    __slots__ = ("waiter",)

    waiter: Any


class Mailbox:
    """Of one event loop: asyncio's has ways of its own, and this one is for any that anyio knows."""

    def __init__(self, loop: Any) -> None:
        # Weak, since a variable of the loop's own may hold this for as long as the loop lives, and would hold the loop.
        self._loop: Any = weakref.ref(loop)
        self._finished: deque[Awaited] = deque()
        self._woken = False

    def belongs_to(self, loop: Any) -> bool:
        """Whether it is this loop's."""
        return self._loop() is loop

    async def wait(self, awaited: Awaited, seconds: float) -> bool:
        """Wait until it is finished.

        Args:
            awaited: what for; another thread may have posted it already.
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
        # Whoever reads True here has appended before the loop clears the mark, and so before it empties the box.
        if self._woken:
            return
        self._woken = True
        try:
            self._call_soon(self._loop())
        except (AttributeError, RuntimeError):
            # The loop has ended, and whoever waited with it. (trio.RunFinishedError is a RuntimeError too.)
            self._finished.clear()

    def _call_soon(self, loop: Any) -> None:
        loop.run_sync_soon(self._deliver)

    def _deliver(self) -> None:
        self._woken = False
        while self._finished:
            waiter = self._finished.popleft().waiter
            if waiter is not None:
                self._release(waiter)

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

    async def wait(self, awaited: Awaited, seconds: float) -> bool:
        """As of any mailbox."""
        loop: asyncio.AbstractEventLoop = self._loop()
        waiter: asyncio.Future[bool] = loop.create_future()
        awaited.waiter = waiter
        self._deadlines[waiter] = loop.time() + seconds
        if self._timer is None or self._interval > _TICK_SECONDS:
            self._set_timer(loop, _TICK_SECONDS)
        try:
            return await waiter
        finally:
            del self._deadlines[waiter]

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

    def _set_timer(self, loop: asyncio.AbstractEventLoop, interval: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._interval = interval
        # In a context of its own, or that of some request would live as long as there is always another one.
        self._timer = loop.call_later(interval, self._tick, loop, context=contextvars.Context())

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        idle = not self._finished
        try:
            self._deliver()
            self._end_overdue(loop.time())
        finally:  # even where a signal has raised something
            if self._deadlines:
                self._set_timer(loop, min(self._interval * 2, _LONGEST_TICK_SECONDS) if idle else _TICK_SECONDS)

    def _end_overdue(self, now: float) -> None:
        for waiter, deadline in self._deadlines.items():
            if deadline > now:
                break
            if not waiter.done():
                waiter.set_result(False)


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
