"""What is told where the server is at fault: that it failed, and where the time went."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

from async_kerberos import Event, Kerberos, Reason, WorkerLimits
from async_kerberos.testing import Service, User

from ..support.asking import auth_request
from ..support.held import HeldFile
from ..support.initiator import fresh
from ..support.keytabs import keytab_option
from ..support.waiting import wait_until
from .conftest import host_of, target_of

# In seconds. Meanwhile a busy machine takes the good token, and begins with the first of the others.
PATIENCE = 4.0


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_workers_hang(
    backend: str,
    service: Service,
    users: tuple[User, User],
    make_kerberos: Callable[..., Kerberos],
    replay_cache: Path,
) -> None:
    """Of one token the time went into GSSAPI, and of another into the queue behind it; both have failed."""
    heard: list[Event] = []
    sizes: dict[str, int] = {}
    kerberos = make_kerberos(
        hostname=host_of(service),
        keytab=keytab_option(service.keytab),
        workers=WorkerLimits(threads=1, seconds=PATIENCE, replacements=0),
        on_event=heard.append,
    )

    async def ask(path: str) -> None:
        header = fresh(target_of(service), ccache=users[0].ccache)
        # Two tokens of one ticket differ in length now and then: DER writes a number with as few bytes as it needs.
        sizes[path] = len(base64.b64decode(header.removeprefix("Negotiate ")))
        await kerberos.authenticate(auth_request((header,), path=path))

    async def ask_both() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask, "/first")
            await anyio.to_thread.run_sync(held.wait_for_accepts)
            tasks.start_soon(ask, "/second")

    anyio.run(ask, "/", backend=backend)
    with HeldFile(replay_cache) as held:
        anyio.run(ask_both, backend=backend)
    good, first, second = sorted(heard, key=lambda event: event.path)
    assert (good.outcome, good.reason, good.status) == ("accepted", None, None)
    for event in (first, second):
        assert (event.outcome, event.reason, event.status) == ("failed", Reason.TIMED_OUT, 503)
        assert event.principal is None
        assert event.token_size == sizes[event.path]
        assert event.waited + event.stepped >= PATIENCE
    assert first.stepped > first.waited
    assert second.stepped == 0
    wait_until(lambda: not kerberos_waits(kerberos), "the worker has ended its call")


def kerberos_waits(kerberos: Kerberos) -> bool:
    """Whether a worker still makes a call."""
    workers: Any = vars(kerberos)["_workers"]
    return bool(workers._pool._begun)
