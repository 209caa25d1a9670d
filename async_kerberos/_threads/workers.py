"""The thread boundary: a few worker threads make blocking calls, and coroutines on any event loop await the results.

Nothing here blocks an event loop. Jobs go to the workers through one queue, which a busy worker drains without being
woken again. ``mailbox.py`` brings the results back.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any, Generic, TypeVar, cast

from .._checks import check_count, check_seconds
from .._never_sent import NeverSent
from ..errors import Overloaded, TimedOut
from .fork import renew_after_fork
from .loops import loop_is_running
from .mailbox import Awaited, Mailbox, Mailboxes

T = TypeVar("T")


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1  # pragma: no cover - macOS and others without affinities


@dataclass(frozen=True, kw_only=True)
class WorkerLimits(NeverSent):
    """How many threads make the blocking calls, and how long a request may wait for them.

    Attributes:
        threads: worker threads; None for one per core. To accept a token is computation, so more would not be faster.
        queue: calls that may wait for a worker. A worker makes several thousand calls a second, so 1,024 normally wait
            a fraction of a second. A client that comes when the queue is full is told to come again.
        seconds: how long a request waits, in the queue and for the call, before it is answered without a result.
        replacements: how many threads may be started to replace stuck ones. When a request is given up, each thread
            whose call has taken more than half of ``seconds`` counts as stuck: a call that hangs in the operating
            system cannot be ended. If sixteen calls hang, one more thread would not help.

    Raises:
        ConfigurationError: a number is too small, or not a number.
    """

    threads: int | None = None
    queue: int = 1024
    seconds: float = 10.0
    replacements: int = 16

    def __post_init__(self) -> None:
        if self.threads is not None:
            check_count("workers.threads", self.threads)
        check_count("workers.queue", self.queue)
        check_seconds("workers.seconds", self.seconds)
        check_count("workers.replacements", self.replacements, least=0)


class _Job(Awaited, Generic[T]):
    """One call and, while a coroutine waits for it, its result."""

    __slots__ = ("abandoned", "call", "error", "mailbox", "result")

    def __init__(self, call: Callable[[], T], mailbox: Mailbox) -> None:
        self.waiter = None
        self.call = call
        self.mailbox = mailbox
        self.abandoned = False
        self.result: T | None = None
        self.error: BaseException | None = None

    def make_call(self) -> None:
        """Make the call, and keep its result or its exception."""
        try:
            self.result = self.call()
        except BaseException as error:
            self.error = error

    def post(self, *, more_follow: bool) -> None:
        """Deliver the result to the coroutine that waits."""
        if self.abandoned:
            self.result = self.error = None
        else:
            self.mailbox.post(self, more_follow=more_follow)

    def abandon(self) -> None:
        """Drop the result, now or when it comes: a thread, or the mailbox of an ended loop, may keep the job."""
        self.abandoned = True
        self.waiter = self.result = self.error = None


class _Pool:
    """The threads of one process, from the first call to a close or a fork."""

    def __init__(self, size: int, replacements: int = 0) -> None:
        self.size = size
        # SimpleQueue.put never blocks, and sets change atomically. So there is no lock for which a loop could wait.
        self.queue: SimpleQueue[_Job[Any] | None] = SimpleQueue()
        # Jobs that no worker has taken yet. A worker makes the call only if it was the one that removed the job here.
        self.waiting: set[_Job[Any]] = set()
        # When each current call began. If a worker finishes a call and its job is no longer here, the worker has been
        # replaced meanwhile.
        self._begun: dict[_Job[Any], float] = {}
        self.closed = False
        # Numbers of the workers that are not started yet. The thread that pops a number starts that worker.
        self._to_start = list(range(size, 0, -1))
        self._replacements = list(range(size + replacements, size, -1))

    def put(self, job: _Job[Any]) -> bool:
        """Add a job to the queue, unless the pool is closed; return whether it was added."""
        if self._to_start:
            self._start_worker()
        try:
            self.waiting.add(job)
            if not self.closed:
                self.queue.put(job)
                return True
        except BaseException:  # a signal's handler may raise here, before the job is in the queue
            self.waiting.discard(job)
            raise
        self.waiting.discard(job)
        return False

    def _start_worker(self) -> None:
        try:
            self._start_thread(self._to_start)
        except RuntimeError as error:  # the system cannot start a thread
            if len(self._to_start) == self.size:
                raise Overloaded(str(error)) from error

    def _start_thread(self, numbers: list[int], instead_of: _Job[Any] | None = None) -> bool:
        """Start a thread with one of the numbers; return False if none is left."""
        try:
            number = numbers.pop()
        except IndexError:
            return False
        name = f"async-kerberos-{number}"
        try:
            threading.Thread(target=self._serve, args=[number, instead_of], name=name, daemon=True).start()
        except BaseException:  # a signal's handler may raise here: rather one thread too many than one too few
            numbers.append(number)
            raise
        return True

    def replace_stuck(self, seconds: float) -> int:
        """Start a worker for each one whose call has taken this long, as long as replacements are left.

        Returns:
            How many workers were started.
        """
        started = 0
        limit = time.monotonic() - seconds
        for job, begun in self._begun.copy().items():
            if begun > limit:
                continue
            try:
                if not self._start_thread(self._replacements, job):
                    break
            except RuntimeError:  # the system cannot start a thread
                break
            started += 1
        return started

    def close(self) -> None:
        self.closed = True
        for _ in range(self.size):
            self.queue.put(None)

    def _serve(self, number: int, instead_of: _Job[Any] | None = None) -> None:
        if instead_of is not None and self._begun.pop(instead_of, None) is None:
            # The stuck call has ended meanwhile, or its worker has been replaced already.
            self._replacements.append(number)
            return
        del instead_of
        while True:
            job = self.queue.get()
            if job is None:
                if not self.waiting:
                    return
                # A job that was added while the pool closed is still in the queue, behind this None.
                self.queue.put(None)
            else:
                try:
                    self.waiting.remove(job)
                except KeyError:
                    pass  # the coroutine has given the job up
                else:
                    self._begun[job] = time.monotonic()
                    job.make_call()
                    job.post(more_follow=bool(self.waiting))
                    if self._begun.pop(job, None) is None:
                        self._replacements.append(number)
                        return
            del job  # frees what the call returned before this thread waits for the next job


class Workers:
    """A bounded pool of daemon threads for blocking calls.

    Each of the first calls starts one thread, until there are enough. One pool serves any number of event loops, of
    asyncio and of trio.
    """

    def __init__(self, limits: WorkerLimits) -> None:
        self._limits = limits
        self._size = limits.threads or _cores()
        self._forget_threads()
        renew_after_fork(self, Workers._forget_threads)

    def _new_pool(self) -> _Pool:
        return _Pool(self._size, self._limits.replacements)

    def _forget_threads(self) -> None:
        self._pool = self._new_pool()
        self._mailboxes = Mailboxes()

    async def run(self, call: Callable[[], T]) -> T:
        """Make a blocking call on a worker, and wait for it without blocking the loop.

        If the caller is cancelled or the deadline passes, a call that has not begun is never made. If it has begun, its
        result is dropped.

        Args:
            call: what to call, without arguments.

        Returns:
            What the call returned; what it raised is raised here.

        Raises:
            Overloaded: the queue is full.
            TimedOut: the deadline passed.
        """
        job = _Job(call, self._mailboxes.current())
        pool = self._submit(job)
        try:
            if await job.mailbox.wait(job, self._limits.seconds):
                if job.error is not None:
                    raise job.error
                return cast("T", job.result)
        finally:
            pool.waiting.discard(job)
            job.abandon()
        raise TimedOut(f"no result after {self._limits.seconds:g} seconds{self._replace_stuck(pool)}")

    def _submit(self, job: _Job[Any]) -> _Pool:
        while True:
            pool = self._pool
            # A job that was given up stays in the queue until a worker takes it out. So we bound the whole queue too.
            if len(pool.waiting) >= self._limits.queue or pool.queue.qsize() >= 2 * self._limits.queue:
                waiting = f"{len(pool.waiting)} calls wait for {self._size} workers"
                raise Overloaded(waiting + self._replace_stuck(pool))
            if pool.put(job):
                return pool

    def _replace_stuck(self, pool: _Pool) -> str:
        """Replace stuck workers; return a note about it for the log, empty if there were none."""
        # Half, since the call of a request that is given up may have waited in the queue for some of the time.
        started = pool.replace_stuck(self._limits.seconds / 2)
        return f"; stuck workers replaced: {started}" if started else ""

    def close(self) -> None:
        """Let the threads finish the calls in the queue, and then end. The next call starts new threads."""
        pool, self._pool = self._pool, self._new_pool()
        pool.close()


def without_blocking_a_loop(call: Callable[[], None]) -> None:
    """Make a blocking call: on this thread or, if an event loop runs on it, on a new thread.

    For the setup of an application. Outside a loop no thread is started, since the process may be about to fork.
    """
    if loop_is_running():
        threading.Thread(target=call, name="async-kerberos-setup", daemon=True).start()
    else:
        call()
