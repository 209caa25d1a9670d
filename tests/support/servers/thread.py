"""What a server of the tests is, and one that runs on a thread of this process."""

from __future__ import annotations

import asyncio
import socket
import sys
import threading
import time
import traceback
from abc import ABC, abstractmethod
from pathlib import Path
from types import TracebackType

from ..guards import ThreadGuard
from ..http import Address

# Hang guards: a server starts and stops within a second.
SECONDS = 60.0

Head = list[tuple[str, str]]
"""The header fields of a request, in order."""


class Server(ABC):
    """A server that answers from entering until leaving.

    Attributes:
        address: where it answers.
        log: the file with what it logs, where it does not log in this process.
    """

    address: Address
    log: Path | None = None

    @abstractmethod
    def start(self) -> None:
        """Start, and return when requests are answered."""

    @abstractmethod
    def stop(self) -> None:
        """Stop, and return when nothing of it is left."""

    def __enter__(self) -> Server:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()


class ThreadServer(Server):
    """A server on a separate thread. It fails at the stop if it failed in between, or left asyncio tasks behind."""

    def __init__(self, threads: ThreadGuard | None = None) -> None:
        self._threads = threads
        self._ready = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name=type(self).__name__)
        self.tasks_left: list[str] = []

    def start(self) -> None:
        """Start."""
        if self._threads is not None:
            self._threads.adopt(self._thread)
        self._thread.start()
        if not self._ready.wait(SECONDS) or self._failure is not None:
            raise RuntimeError("the server does not start") from self._failure

    def stop(self) -> None:
        """Stop."""
        self._ask_to_stop()
        self._thread.join(SECONDS)
        if self._thread.is_alive():
            frames = sys._current_frames()  # pyright: ignore[reportPrivateUsage] (what it is documented for)
            frame = frames.get(self._thread.ident or 0)
            stack = "".join(traceback.format_stack(frame))
            raise RuntimeError(f"the server does not stop; it is here:\n{stack}")
        if self._failure is not None:
            raise RuntimeError("the server failed") from self._failure
        if self.tasks_left:
            raise RuntimeError(f"the server's loop has tasks left: {self.tasks_left}")

    def cpu_seconds(self) -> float:
        """The processor time that the server's thread has taken so far."""
        assert self._thread.ident is not None
        return time.clock_gettime(time.pthread_getcpuclockid(self._thread.ident))

    def _run(self) -> None:
        try:
            self._serve()
        except BaseException as error:
            self._failure = error
        finally:
            self._ready.set()

    def _note_tasks(self) -> None:
        self.tasks_left = [
            repr(task)
            for task in asyncio.all_tasks() - {asyncio.current_task()}
            if "async_kerberos" in repr(task) and not task.done()
        ]

    @abstractmethod
    def _serve(self) -> None: ...

    @abstractmethod
    def _ask_to_stop(self) -> None: ...


def listening_socket() -> socket.socket:
    """A socket on a free port of 127.0.0.1."""
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind(("127.0.0.1", 0))
    return listening


def free_port() -> int:
    """A port of 127.0.0.1 for a server that cannot be given a socket.

    Until this process ends, the system gives it to nobody who asks for any port: it stays bound, and nobody listens. A
    server that asks for this one gets it, since all of them set ``SO_REUSEADDR``.
    """
    held = listening_socket()
    port: int = held.getsockname()[1]
    held.detach()
    return port
