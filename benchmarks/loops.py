"""Accepts in a loop, in a process of their own: by GSSAPI alone, and through this project's layers.

Run as a program, it reads lines of JSON, each a loop's name and the tokens to accept, and prints for each what that
took.
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
from async_kerberos._gss.steps import Established, Refused

from .apps import HOSTNAME
from .figures import Round
from .results import Loop

Accept = Callable[[bytes], None]
AcceptAll = Callable[[Sequence[bytes]], None]

CONCURRENT = 16
_PEER = ("127.0.0.1", 50000)


class NotAcceptedError(Exception):
    """A token was not accepted, so the measurement would be of something else."""


class NotRefusedError(Exception):
    """A forged token was accepted."""


def bare() -> Accept:
    """What GSSAPI itself costs: the accept and the client's name, with one credential."""
    name = gss.import_name(f"HTTP@{HOSTNAME}".encode(), gss.NameType.hostbased_service)
    acquired: Any = gss.acquire_cred(name, usage="accept")
    creds = acquired.creds

    def accept(token: bytes) -> None:
        accepted: Any = gss.accept_sec_context(token, creds)
        gss.display_name(accepted.initiator_name, name_type=False)

    return accept


def acceptor(*hostnames: str) -> Accept:
    """The acceptor alone: one step of GSSAPI, and who the client is."""
    step = Acceptor("HTTP", hostnames, None).step

    def accept(token: bytes) -> None:
        if not isinstance(step(token), Established):
            raise NotAcceptedError

    return accept


def refusing(*hostnames: str) -> Accept:
    """The acceptor alone, with tokens that it has to refuse."""
    step = Acceptor("HTTP", hostnames, None).step

    def refuse(token: bytes) -> None:
        if not isinstance(step(token), Refused):
            raise NotRefusedError

    return refuse


def blocking() -> Accept:
    """The whole decision on a request, on the calling thread."""
    kerberos = Kerberos(hostname=HOSTNAME)
    return lambda token: _check(kerberos.authenticate_blocking(_request(token)))


def one_after_another(accept: Accept) -> AcceptAll:
    """Accept all tokens on this thread."""

    def run(tokens: Sequence[bytes]) -> None:
        for token in tokens:
            accept(token)

    return run


def on_threads(*accepts: Accept) -> AcceptAll:
    """Accept all tokens, on one thread for each of the accepts."""
    pool = ThreadPoolExecutor(len(accepts))
    runs = [one_after_another(accept) for accept in accepts]

    def run(tokens: Sequence[bytes]) -> None:
        shares = [tokens[number :: len(runs)] for number in range(len(runs))]
        for _ in pool.map(lambda run, share: run(share), runs, shares):
            pass  # what a thread has raised is raised here

    return run


def on_loop(*, inline: bool) -> AcceptAll:
    """The whole decision on a request, on an event loop that has a number of requests under way.

    Args:
        inline: whether the loop itself makes the accept; otherwise it waits for a worker.
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

    return lambda tokens: asyncio.run(run_all(tokens))


def _request(token: bytes) -> AuthRequest:
    return AuthRequest({"authorization": [f"Negotiate {base64.b64encode(token).decode()}"]}, peer=_PEER)


def _check(outcome: Outcome) -> None:
    if not isinstance(outcome, Accepted):
        raise NotAcceptedError(outcome)


LOOPS: dict[Loop, Callable[[], AcceptAll]] = {
    "bare accept": lambda: one_after_another(bare()),
    "one host": lambda: one_after_another(acceptor(HOSTNAME)),
    "any host": lambda: one_after_another(acceptor("*")),
    "several hosts": lambda: one_after_another(acceptor(HOSTNAME, "other.example.test")),
    "forged, one host": lambda: one_after_another(refusing(HOSTNAME)),
    "forged, any host": lambda: one_after_another(refusing("*")),
    "one thread": lambda: on_threads(acceptor(HOSTNAME)),
    "two threads": lambda: on_threads(*[acceptor(HOSTNAME)] * 2),
    "bare accept, one thread": lambda: on_threads(bare()),
    "bare accept, two threads": lambda: on_threads(bare(), bare()),
    "blocking": lambda: one_after_another(blocking()),
    "async": lambda: on_loop(inline=False),
    "async, inline": lambda: on_loop(inline=True),
}


def encode(name: str, tokens: Sequence[bytes]) -> str:
    """A line of input for the program."""
    return json.dumps([name, [base64.b64encode(token).decode() for token in tokens]])


def main() -> None:
    """Run the loops that are asked for. Each run has an empty replay cache, so all loops take the same tokens."""
    folder = os.environ["KRB5RCACHEDIR"]
    loops: dict[Loop, AcceptAll] = {}
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
