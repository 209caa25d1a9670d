"""The servers that are measured: how each is started, and what CPU and memory it has used."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from .scene import Scene

ROOT = Path(__file__).resolve().parent.parent
PATIENCE_SECONDS = 30
# A server keeps idle connections for so long: the others are measured meanwhile.
_IDLE_SECONDS = "600"


class ServerError(Exception):
    """A server did not start. The text has what it printed."""


@dataclass
class Server:
    """A server process that answers on a port of this machine."""

    port: int
    process: psutil.Process

    def cpu_seconds(self) -> float:
        """The CPU, user and system, that the process and its children have used until now."""
        return sum(_cpu_seconds(process.pid) for process in self._processes())

    def resident_bytes(self) -> int:
        """The memory of the process and its children, without what they share with other processes."""
        return sum(process.memory_full_info().uss for process in self._processes())

    def empty_replay_cache(self) -> None:
        """Let the server take the same tokens once more: until then they would be replays."""
        for path in Path(self.process.environ()["KRB5RCACHEDIR"]).iterdir():
            path.unlink()

    def _processes(self) -> list[psutil.Process]:
        return [self.process, *self.process.children(recursive=True)]


def _cpu_seconds(pid: int) -> float:
    # The number of the process's CPU clock on Linux (clock_getcpuclockid(3)). It counts nanoseconds; /proc only 10 ms.
    return time.clock_gettime((~pid << 3) | 2)


@dataclass(frozen=True)
class Launch:
    """How to start a server: a command, its environment, and the user to run as (None: the same user)."""

    arguments: Sequence[str]
    env: Mapping[str, str]
    user: int | None = None


Command = Callable[[Scene, int], Launch]
"""Prepares a server that is to listen on a port of this machine."""


def uvicorn(app: str, processes: int = 1) -> Command:
    """Uvicorn, on uvloop and httptools, as `uvicorn[standard]` installs it."""
    options = ["--factory", f"benchmarks.apps.asgi:{app}", "--loop", "uvloop", "--http", "httptools"]
    options += ["--no-access-log", "--log-level", "warning", "--timeout-keep-alive", _IDLE_SECONDS]
    options += ["--workers", str(processes)]
    return lambda scene, port: _python(scene, "uvicorn", *options, "--port", str(port))


def gunicorn(app: str) -> Command:
    """One worker process of gunicorn, with eight threads."""
    options = [f"benchmarks.apps.wsgi:{app}()", "--worker-class", "gthread", "--threads", "8"]
    options += ["--log-level", "warning", "--keep-alive", _IDLE_SECONDS]
    return lambda scene, port: _python(scene, "gunicorn", *options, "--bind", f"127.0.0.1:{port}")


def _python(scene: Scene, module: str, *arguments: str) -> Launch:
    return Launch([sys.executable, "-m", module, *arguments], scene.server_env())


@contextlib.contextmanager
def serving(command: Command, scene: Scene) -> Generator[Server, None, None]:
    """Start a server, and end it afterwards.

    Args:
        command: which.
        scene: the scene.

    Raises:
        ServerError: it does not answer.
    """
    port = _free_port()
    launch = command(scene, port)
    log = scene.folder / f"server-{port}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            launch.arguments,
            cwd=ROOT,
            env=launch.env,
            user=launch.user,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        _wait_for(port, process, log)
        yield Server(port, psutil.Process(process.pid))
    finally:
        process.terminate()
        try:
            process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        if process.poll() is not None or time.monotonic() > deadline:
            raise ServerError(f"{process.args!r}\n{log.read_text(errors='replace')}")
        time.sleep(0.05)
