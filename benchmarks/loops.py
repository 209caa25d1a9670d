"""Accepts in a loop, within one process of its own: GSSAPI alone, and through this project's layers.

Run as a program: each line of its input is a loop's name and the tokens to accept, as JSON; for each it prints what
that took.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Any

import gssapi.raw as gss

from async_kerberos import Accepted, AuthRequest, Kerberos, Outcome
from async_kerberos._gss.acceptor import Acceptor
from async_kerberos._gss.steps import Established

from .apps.hello import HOSTNAME
from .figures import Round
from .results import Loop

CONCURRENT = 16
_PEER = ("127.0.0.1", 50000)


class NotAcceptedError(Exception):
    """A token was not accepted: what was measured is not what was meant."""


def bare() -> Callable[[bytes], None]:
    """What GSSAPI itself costs: the accept and the client's name, by one credential."""
    name = gss.import_name(f"HTTP@{HOSTNAME}".encode(), gss.NameType.hostbased_service)
    acquired: Any = gss.acquire_cred(name, usage="accept")
    creds = acquired.creds

    def accept(token: bytes) -> None:
        accepted: Any = gss.accept_sec_context(token, creds)
        gss.display_name(accepted.initiator_name, name_type=False)

    return accept


def acceptor(*hostnames: str) -> Callable[[bytes], None]:
    """The acceptor alone: one step of GSSAPI, and whom it says the client is."""
    step = Acceptor("HTTP", hostnames, None).step

    def accept(token: bytes) -> None:
        if not isinstance(step(token), Established):
            raise NotAcceptedError

    return accept


def one_after_another(accept: Callable[[bytes], None]) -> Callable[[Sequence[bytes]], None]:
    """Accept all tokens on this thread."""

    def run(tokens: Sequence[bytes]) -> None:
        for token in tokens:
            accept(token)

    return run


def on_threads(accepts: Sequence[Callable[[bytes], None]]) -> Callable[[Sequence[bytes]], None]:
    """Accept all tokens on as many threads."""
    pool = ThreadPoolExecutor(len(accepts))
    runs = [one_after_another(accept) for accept in accepts]

    def run(tokens: Sequence[bytes]) -> None:
        shares = [tokens[number :: len(runs)] for number in range(len(runs))]
        for _ in pool.map(lambda run, share: run(share), runs, shares):
            pass  # what a thread has raised is raised here

    return run


def blocking_door() -> Callable[[Sequence[bytes]], None]:
    """The whole decision on a request, on the calling thread."""
    kerberos = Kerberos(hostname=HOSTNAME)

    def run(tokens: Sequence[bytes]) -> None:
        for token in tokens:
            _check(kerberos.authenticate_blocking(_request(token)))

    return run


def async_door(*, inline: bool) -> Callable[[Sequence[bytes]], None]:
    """The whole decision on a request, from an event loop that has a number of requests under way.

    Args:
        inline: whether it is made on the loop, by the blocking door.
    """
    kerberos = Kerberos(hostname=HOSTNAME)

    async def take_requests(tokens: Sequence[bytes]) -> None:
        for token in tokens:
            if inline:
                _check(kerberos.authenticate_blocking(_request(token)))
            else:
                _check(await kerberos.authenticate(_request(token)))

    async def run_all(tokens: Sequence[bytes]) -> None:
        await asyncio.gather(*(take_requests(tokens[number::CONCURRENT]) for number in range(CONCURRENT)))

    def run(tokens: Sequence[bytes]) -> None:
        asyncio.run(run_all(tokens))

    return run


def _request(token: bytes) -> AuthRequest:
    return AuthRequest({"authorization": [f"Negotiate {base64.b64encode(token).decode()}"]}, peer=_PEER)


def _check(outcome: Outcome) -> None:
    if not isinstance(outcome, Accepted):
        raise NotAcceptedError(outcome)


LOOPS: dict[Loop, Callable[[], Callable[[Sequence[bytes]], None]]] = {
    "bare accept": lambda: one_after_another(bare()),
    "one host": lambda: one_after_another(acceptor(HOSTNAME)),
    "any host": lambda: one_after_another(acceptor("*")),
    "several hosts": lambda: one_after_another(acceptor(HOSTNAME, "other.example.test")),
    "one thread": lambda: on_threads([acceptor(HOSTNAME)]),
    "two threads": lambda: on_threads([acceptor(HOSTNAME)] * 2),
    "bare accept, one thread": lambda: on_threads([bare()]),
    "bare accept, two threads": lambda: on_threads([bare(), bare()]),
    "blocking": blocking_door,
    "async": lambda: async_door(inline=False),
    "async, inline": lambda: async_door(inline=True),
}


def encode(name: str, tokens: Sequence[bytes]) -> str:
    """A line of input for the program."""
    return json.dumps([name, [base64.b64encode(token).decode() for token in tokens]])


def main() -> None:
    """Run the loops that are asked for, each time with an empty replay cache."""
    folder = os.environ["KRB5RCACHEDIR"]
    loops: dict[str, Callable[[Sequence[bytes]], None]] = {}
    for line in sys.stdin:
        name, encoded = json.loads(line)
        tokens = [base64.b64decode(token) for token in encoded]
        run = loops.get(name) or loops.setdefault(name, LOOPS[name]())
        with tempfile.TemporaryDirectory(dir=folder) as replay_cache:
            os.environ["KRB5RCACHEDIR"] = replay_cache
            begun, cpu = time.perf_counter(), time.process_time()
            run(tokens)
            cpu, seconds = time.process_time() - cpu, time.perf_counter() - begun
        print(json.dumps(asdict(Round(cpu / len(tokens) * 1e6, len(tokens) / seconds))), flush=True)


if __name__ == "__main__":
    main()
