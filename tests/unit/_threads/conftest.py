"""Pools of workers that end with the test."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from async_kerberos import WorkerLimits
from async_kerberos._threads.workers import Workers

from ...support.held import HANG


@pytest.fixture
def make_workers() -> Iterator[Callable[..., Workers]]:
    """Make pools that are closed, and their threads gone, when the test is over."""
    before = set(threading.enumerate())
    pools: list[Workers] = []

    def make(**limits: Any) -> Workers:
        pools.append(Workers(WorkerLimits(**limits)))
        return pools[-1]

    yield make
    for pool in pools:
        pool.close()
    for thread in set(threading.enumerate()) - before:
        # trio keeps its own threads for a while.
        if thread.name.startswith("async-kerberos-"):
            thread.join(HANG)
            assert not thread.is_alive()
