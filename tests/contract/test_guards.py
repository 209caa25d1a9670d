"""The guards that watch over every test do notice what they are there for."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import anyio
import pytest
from blockbuster import BlockingError

import async_kerberos
from async_kerberos import Kerberos

from ..support.asking import auth_request
from ..support.guards import GssSpy, ProcessGuard, ThreadGuard
from ..support.initiator import fresh

_ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_gssapi_on_a_loop(user: str, gss_spy: GssSpy, backend: str) -> None:
    """A step on a thread with a running loop is noticed, and one on a worker is not."""
    kerberos = Kerberos(hostname="www.example.test")
    request = auth_request((fresh(),))

    async def blocking() -> None:
        kerberos.authenticate_blocking(auth_request((fresh(),)))

    async def not_blocking() -> None:
        await kerberos.authenticate(request)

    anyio.run(not_blocking, backend=backend)
    kerberos.close()
    assert gss_spy.calls["accept_sec_context"] == 1
    assert gss_spy.take_blocked() == []
    anyio.run(blocking, backend=backend)
    blocked = "\n".join(gss_spy.take_blocked())
    assert f"gssapi.raw.accept_sec_context on a thread with a running {backend} loop" in blocked


def test_python_on_a_loop() -> None:
    """A blocking call by the package's own code is an error on a loop."""
    call = compile("import time; time.sleep(0)", async_kerberos.__file__, "exec")

    async def main() -> None:
        exec(call)

    exec(call)
    with pytest.raises(BlockingError):
        asyncio.run(main())


def test_tracer_on_a_loop() -> None:
    """That coverage.py waits for its own lock on a loop, where a file is entered for the first time, is no error."""
    program = """
import asyncio, threading
import coverage
from async_kerberos._protocol import header
from tests.support.guards import blocking_guard

measuring = coverage.Coverage(data_file=None, config_file=False, source=["async_kerberos"])
measuring.start()
guard = blocking_guard()
guard.activate()
said = []

async def main():
    asyncio.get_running_loop().call_soon(threading.Timer(0.2, lock.release).start)
    await asyncio.sleep(0)
    said.append(header.challenge())

lock = measuring._collector.data_lock
lock.acquire()
thread = threading.Thread(target=asyncio.run, args=[main()])
thread.start()
thread.join(30)
guard.deactivate()
print(said, lock.locked())
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=_ROOT, capture_output=True, text=True, timeout=60)
    assert done.stdout == "['Negotiate'] False\n", done.stderr


def test_child_hears_signals() -> None:
    """A child process of a test is ended by the signals that a terminal sends, wherever the tests run."""
    assert signal.SIG_IGN not in (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGHUP))
    for number in (signal.SIGINT, signal.SIGHUP):
        with subprocess.Popen(["sleep", "60"]) as process:
            process.send_signal(number)
            assert process.wait() == -number


def test_child_hears_signals_in_the_background() -> None:
    """Under nohup, or in the background of a script, they are ignored, and still end a child."""
    program = """
import signal, subprocess
from tests.support.signals import heard_by_children

ignored = [number for number in (signal.SIGINT, signal.SIGHUP) if signal.getsignal(number) is signal.SIG_IGN]
with heard_by_children():
    for number in ignored:
        signal.raise_signal(number)
        child = subprocess.Popen(["sleep", "60"])
        child.send_signal(number)
        print(child.wait(30) == -number)
print([signal.getsignal(number) is signal.SIG_IGN for number in ignored])
"""
    command = ["sh", "-c", "trap '' INT HUP; exec \"$@\"", "sh", sys.executable, "-c", program]
    done = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, timeout=60)
    assert done.stdout == "True\nTrue\n[True, True]\n", done.stderr


def test_process_that_does_not_end() -> None:
    """A wait without a bound for a process that does not end fails the test, and ends the process."""
    guard = ProcessGuard(0.1)
    guard.install()
    try:
        process = subprocess.Popen(["sleep", "60"])
        with pytest.raises(pytest.fail.Exception, match="a process does not end"):
            process.wait()
        assert process.returncode == -signal.SIGKILL
        with pytest.raises(pytest.fail.Exception, match="a process does not end"):
            subprocess.run(["sleep", "60"], capture_output=True)
        with subprocess.Popen(["sleep", "60"]) as process:
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(0.1)  # a bound is the test's own business
            process.kill()
            process.wait(30)  # leaving waits without a bound, and so for as long as the guard lets it
    finally:
        guard.remove()


def test_thread_left_behind(thread_guard: ThreadGuard) -> None:
    """A thread that goes on is noticed, unless it is a worker, or was started by a server that goes on."""
    before = set(threading.enumerate())
    end = threading.Event()
    started: list[threading.Thread] = []

    def start(name: str, target: Any) -> threading.Thread:
        thread = threading.Thread(target=target, name=name)
        started.append(thread)
        thread.start()
        return thread

    start("async-kerberos-7", end.wait)
    assert thread_guard.left_behind(before, 0) == []
    adopted: list[threading.Thread] = []

    def serve() -> None:
        adopted.append(start("helper", end.wait))
        end.wait()

    server = threading.Thread(target=serve, name="server")
    thread_guard.adopt(server)
    started.append(server)
    server.start()
    assert thread_guard.left_behind(before, 0) == []
    start("stray", end.wait)
    assert thread_guard.left_behind(before, 0) == ["stray"]
    end.set()
    for thread in started:
        thread.join(30)
