"""Many sign-ins, a third of them hostile: every answer is the right one, nothing grows, and others are served as well.

By itself it is short. ``make soak`` is the long run, which also compares how long an unprotected route takes: that
needs a machine that does nothing else.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from async_kerberos.testing import Realm

from ..support import ROOT

HOST = "load.example.test"
USERS = 8

LONG = os.environ.get("LOAD") == "long"
# Rounds of sign-ins, each after a pause in which nothing is done: what is noise on the machine falls on both.
ROUNDS, REQUESTS = (8, 2500) if LONG else (3, 500)
PAUSE_SECONDS = 4.0 if LONG else 0.2
# About a third of what one process can take on two cores that the clients share: where all 64 connections are always
# busy, every request waits for the answers to the other 64, whether it has a ticket or not.
RATE = 500.0
PROBES_A_SECOND = 100.0
# Of the server's memory, from a quarter of the requests on. A short run is still filling its pools.
GROWTH = 2 * 1024 * 1024
# The unprotected route's 99th percentile under load, against that in the pauses.
SLOWDOWN = 3.0


class Route:
    """A kept connection to one of the routes that need no sign-in."""

    def __init__(self, port: int, path: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        self._path = path

    def get(self) -> bytes:
        """The body."""
        self._connection.request("GET", self._path)
        response = self._connection.getresponse()
        assert response.status == 200
        return response.read()

    def close(self) -> None:
        """End it."""
        self._connection.close()


def probe(route: Route, until: threading.Event, seconds: float | None, taken: list[float]) -> None:
    """Ask so many times a second, and note how long each answer takes."""
    begin = time.perf_counter()
    number = 0
    while not until.is_set() and (seconds is None or time.perf_counter() - begin < seconds):
        number += 1
        until.wait(max(0.0, begin + number / PROBES_A_SECOND - time.perf_counter()))
        asked = time.perf_counter()
        assert route.get() == b"hello"
        taken.append(time.perf_counter() - asked)


@pytest.fixture
def environment(tmp_path: Path) -> Generator[tuple[dict[str, str], list[str]], None, None]:
    """The environment of a realm whose tokens stay good for the whole run, and the users' ticket caches."""
    with Realm(krb5_conf={"libdefaults": {"clockskew": "3600"}}) as realm:
        realm.service(f"HTTP/{HOST}")
        realm.service(f"cifs/{HOST}")
        caches: list[str] = []
        for number in range(USERS):
            user = realm.user(f"user{number}")
            # The clients know whom they are to be taken for by the name of the cache.
            cache = tmp_path / user.principal
            cache.write_bytes(user.ccache.read_bytes())
            caches.append(str(cache))
        replay = tmp_path / "replay"
        replay.mkdir()
        with realm.environ():
            yield {**os.environ, "KRB5RCACHEDIR": str(replay)}, caches


@contextlib.contextmanager
def program(*arguments: str, env: dict[str, str]) -> Generator[subprocess.Popen[str], None, None]:
    process = subprocess.Popen(
        [sys.executable, "-m", *arguments], env=env, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        try:
            yield process
        finally:
            process.terminate()


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    said = process.stdout.readline()
    assert said, "a process ended"
    return said


@pytest.mark.timeout(600)
def test_load(environment: tuple[dict[str, str], list[str]], capsys: pytest.CaptureFixture[str]) -> None:
    """Each user gets in as themselves and nobody else does; memory stays flat, and an open route goes on."""
    env, caches = environment
    counts: Counter[str] = Counter()
    memory: list[int] = []
    state: dict[str, int] = {}
    idle: list[float] = []
    loaded: list[float] = []
    with program("tests.load.app_main", HOST, env=env) as server:
        port = int(line(server))
        with program("tests.load.clients_main", str(port), str(ROUNDS * REQUESTS), HOST, *caches, env=env) as clients:
            assert line(clients) == "ready\n"
            assert clients.stdin is not None
            public, figures = Route(port, "/public"), Route(port, "/figures")
            for _ in range(ROUNDS):
                probe(public, threading.Event(), PAUSE_SECONDS, idle)
                over = threading.Event()
                probing = threading.Thread(target=probe, args=[public, over, None, loaded])
                probing.start()
                print(REQUESTS, RATE, file=clients.stdin, flush=True)
                result: dict[str, Any] = json.loads(line(clients))
                over.set()
                probing.join()
                assert result["wrong"] == []
                counts.update(result["counts"])
                state = json.loads(figures.get())
                memory.append(state["rss"])
            public.close()
            figures.close()
    assert counts.total() == ROUNDS * REQUESTS
    assert counts["good: 200"] > counts.total() * 0.66
    assert len(counts) == 10, counts
    # What is left: the workers, the timer of half-open contexts, and the main thread; the connections' tasks.
    assert state["threads"] <= (os.cpu_count() or 1) + 2
    # uvicorn has one task of its own, and this very request another.
    assert state["tasks"] <= 4
    growth = memory[-1] - memory[ROUNDS // 4 - 1 if LONG else 0]
    slowdown = percentile(loaded) / percentile(idle)
    with capsys.disabled():
        print(
            f"\nload: {counts.total()} requests on 64 connections, {dict(sorted(counts.items()))}; "
            f"memory {growth / 1024:+.0f} KiB; /public p99 {percentile(loaded) * 1000:.2f} ms of {len(loaded)}, "
            f"idle {percentile(idle) * 1000:.2f} ms of {len(idle)}: {slowdown:.2f} times",
        )
    assert growth < GROWTH
    if LONG:
        assert slowdown <= SLOWDOWN


def percentile(taken: list[float]) -> float:
    """The 99th."""
    return statistics.quantiles(taken, n=100)[98]
