"""Measures several things in turn, each in every round with the same tokens."""

from __future__ import annotations

import contextlib
import json
import random
import subprocess
import sys
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import IO, TypeVar, cast

from . import load
from .apps import PROBE_PATH
from .figures import Round
from .loops import encode
from .results import Loop, Name
from .scene import Scene, request, requests
from .servers import PATIENCE_SECONDS, ROOT, Command, Server, serving

CONNECTIONS = 16
WARM_UP = 200

Contender = Callable[[Sequence[bytes]], Round]
"""Takes tokens, each of which it has not had before, and tells what that took."""

Key = TypeVar("Key", bound=str)
Opened = TypeVar("Opened")


def in_turn(
    contenders: Mapping[Key, Contender], tokens: Sequence[bytes], rounds: int, *, warm_up: int = WARM_UP
) -> dict[Key, list[Round]]:
    """Let all take the same tokens, a part of them in each round; in each round in another order.

    Args:
        contenders: what is measured, by name.
        tokens: those to warm up with, and then the same number for each round.
        rounds: how many.
        warm_up: how many tokens do not count.
    """
    size = (len(tokens) - warm_up) // rounds
    taken: dict[Key, list[Round]] = {name: [] for name in contenders}
    shuffled = list(contenders)
    if warm_up:
        for contender in contenders.values():
            contender(tokens[:warm_up])
    for number in range(rounds):
        begin = warm_up + number * size
        random.shuffle(shuffled)  # in a fixed order, one would always come after the same other
        for name in shuffled:
            taken[name].append(contenders[name](tokens[begin : begin + size]))
    return taken


@contextmanager
def opened(managers: Mapping[Key, AbstractContextManager[Opened]]) -> Generator[dict[Key, Opened], None, None]:
    """Enter all these context managers, and give what they give, by the same names."""
    with contextlib.ExitStack() as stack:
        yield {name: stack.enter_context(manager) for name, manager in managers.items()}


@contextmanager
def requests_to(
    server: Server, expected: load.Answer = load.SIGNED_IN, connections: int = CONNECTIONS
) -> Generator[Contender, None, None]:
    """A server that is sent requests.

    Args:
        server: the server.
        expected: what every answer has to be.
        connections: how many requests are under way at a time.
    """
    with contextlib.closing(load.Clients(server.port, connections)) as clients:

        def take(tokens: Sequence[bytes]) -> Round:
            batch = requests(tokens)
            before = server.cpu_seconds()
            seconds = clients.send(batch, expected)
            return Round((server.cpu_seconds() - before) / len(batch) * 1e6, len(batch) / seconds)

        yield take


@contextmanager
def sites(
    scene: Scene, commands: Mapping[Name, Command], expected: load.Answer = load.SIGNED_IN
) -> Generator[dict[Name, Contender], None, None]:
    """Sites that are sent requests.

    Args:
        scene: the scene.
        commands: their servers, by name.
        expected: what every answer has to be; those named "unprotected" answer with a 200 to everything.
    """
    with opened({name: serving(command, scene) for name, command in commands.items()}) as servers:
        answers = {name: load.OPEN if name.startswith("unprotected") else expected for name in servers}
        with opened({name: requests_to(servers[name], answers[name]) for name in servers}) as contenders:
            yield contenders


@contextmanager
def loops(
    scene: Scene, names: Sequence[Loop], *, keytab: Path | None = None
) -> Generator[dict[Name, Contender], None, None]:
    """Loops without a server, all in one process of their own.

    Args:
        scene: the scene.
        names: which loops.
        keytab: another keytab than the realm's.
    """
    env = scene.server_env(keytab)
    program = [sys.executable, "-m", "benchmarks.loops"]
    pipe = subprocess.PIPE
    with subprocess.Popen(program, cwd=ROOT, env=env, stdin=pipe, stdout=pipe, text=True) as process:
        asked, answered = cast("IO[str]", process.stdin), cast("IO[str]", process.stdout)

        def contender(name: str) -> Contender:
            def take(tokens: Sequence[bytes]) -> Round:
                print(encode(name, tokens), file=asked, flush=True)
                answer = answered.readline()
                if not answer:
                    raise RuntimeError(f"the loop {name!r} has failed; its own message stands above")
                return Round(**json.loads(answer))

            return take

        try:
            yield {name: contender(name) for name in names}
            asked.close()
            process.wait(PATIENCE_SECONDS)
        finally:
            process.kill()


def lateness(
    scene: Scene, commands: Mapping[Name, Command], tokens: Sequence[bytes], rounds: int
) -> dict[Name, list[list[float]]]:
    """How late the event loop of each site is while it is busy: seconds, of each probe in each round.

    Args:
        scene: the scene.
        commands: servers of applications with a probe, by name.
        tokens: the tokens of all rounds.
        rounds: how many.
    """
    late: dict[Name, list[list[float]]] = {name: [] for name in commands}

    def prober(name: Name, server: Server, send: Contender) -> Contender:
        def take(part: Sequence[bytes]) -> Round:
            load.fetch(server.port, request(path=PROBE_PATH))
            taken = send(part)
            late[name].append(json.loads(load.fetch(server.port, request(path=PROBE_PATH))))
            return taken

        return take

    with (
        opened({name: serving(command, scene) for name, command in commands.items()}) as servers,
        opened({name: requests_to(server) for name, server in servers.items()}) as senders,
    ):
        in_turn({name: prober(name, servers[name], senders[name]) for name in servers}, tokens, rounds)
    return {name: measured for name, (_warm_up, *measured) in late.items()}
