"""Measures several things in turn, each in every round with the same tokens."""

from __future__ import annotations

import contextlib
import json
import random
import subprocess
import sys
from collections.abc import Callable, Generator, Mapping, Sequence
from pathlib import Path
from typing import IO, cast

from . import load
from .apps.hello import PROBE_PATH
from .figures import Round
from .loops import encode
from .scene import Scene, request, requests
from .servers import ROOT, Command, Server, serving

CONNECTIONS = 16
WARM_UP = 200
_PATIENCE_SECONDS = 30

Contender = Callable[[Sequence[bytes]], Round]
"""Takes tokens, each of which it has not had before, and tells what that took."""


def in_turn(
    contenders: Mapping[str, Contender], tokens: Sequence[bytes], rounds: int, *, warm_up: int = WARM_UP
) -> dict[str, list[Round]]:
    """Let all take the same tokens, a part of them in each round; in each round in another order.

    Args:
        contenders: who, by name.
        tokens: the tokens: some to warm up, which do not count, and then the same number for each round.
        rounds: how many.
        warm_up: how many tokens do not count.
    """
    size = (len(tokens) - warm_up) // rounds
    taken: dict[str, list[Round]] = {name: [] for name in contenders}
    shuffled = list(contenders)
    if warm_up:
        for contender in contenders.values():
            contender(tokens[:warm_up])
    for number in range(rounds):
        begin = warm_up + number * size
        random.shuffle(shuffled)  # a fixed order would have one always come after the same other
        for name in shuffled:
            taken[name].append(contenders[name](tokens[begin : begin + size]))
    return taken


@contextlib.contextmanager
def requests_to(
    server: Server,
    *,
    expected: load.Answer = load.SIGNED_IN,
    with_token: bool = True,
    connections: int = CONNECTIONS,
) -> Generator[Contender, None, None]:
    """A server that is sent requests.

    Args:
        server: which.
        expected: what every answer has to be.
        with_token: whether the tokens are sent; otherwise as many requests without any.
        connections: how many requests are under way at a time.
    """

    with contextlib.closing(load.Clients(server.port, connections)) as clients:

        def take(tokens: Sequence[bytes]) -> Round:
            batch = requests(tokens) if with_token else [request()] * len(tokens)
            before = server.cpu_seconds()
            seconds = clients.send(batch, expected)
            return Round((server.cpu_seconds() - before) / len(batch) * 1e6, len(batch) / seconds)

        yield take


@contextlib.contextmanager
def loops(
    scene: Scene, names: Sequence[str], *, keytab: Path | None = None
) -> Generator[dict[str, Contender], None, None]:
    """Loops without a server, by the names of ``benchmarks.loops``, in a process that they share.

    Args:
        scene: the scene.
        names: which.
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
            process.wait(_PATIENCE_SECONDS)
        finally:
            process.kill()


def lateness(
    scene: Scene, sites: Mapping[str, Command], tokens: Sequence[bytes], rounds: int
) -> dict[str, list[list[float]]]:
    """How late the event loop of each site is while it is busy: seconds, of each probe in each round.

    Args:
        scene: the scene.
        sites: servers of applications with a probe, by name.
        tokens: the tokens of all rounds.
        rounds: how many.
    """
    late: dict[str, list[list[float]]] = {name: [] for name in sites}
    with contextlib.ExitStack() as stack:

        def prober(name: str, command: Command) -> Contender:
            server = stack.enter_context(serving(command, scene))
            send = stack.enter_context(requests_to(server))

            def take(part: Sequence[bytes]) -> Round:
                load.fetch(server.port, request(path=PROBE_PATH))
                taken = send(part)
                late[name].append(json.loads(load.fetch(server.port, request(path=PROBE_PATH))))
                return taken

            return take

        in_turn({name: prober(name, command) for name, command in sites.items()}, tokens, rounds)
    return {name: rounds_of[1:] for name, rounds_of in late.items()}  # the first was to warm up
