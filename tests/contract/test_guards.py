"""The guards that watch over every test do notice what they are there for."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import anyio
import pytest
from blockbuster import BlockingError

import async_kerberos
from async_kerberos import AuthRequest, Kerberos

from ..support.guards import GssSpy, ThreadGuard
from ..support.initiator import fresh


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_gssapi_on_a_loop(user: str, gss_spy: GssSpy, backend: str) -> None:
    """A step on a thread with a running loop is noticed, and one on a worker is not."""
    kerberos = Kerberos(hostname="www.example.test")
    request = AuthRequest((fresh(),))

    async def blocking() -> None:
        kerberos.authenticate_blocking(AuthRequest((fresh(),)))

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
        thread.join()
