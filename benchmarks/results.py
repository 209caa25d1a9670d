"""How much is measured, and the figures that come of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .figures import Round

Loop = Literal[
    "bare accept",
    "one host",
    "any host",
    "several hosts",
    "forged, one host",
    "forged, any host",
    "one thread",
    "two threads",
    "bare accept, one thread",
    "bare accept, two threads",
    "blocking",
    "async",
    "async, inline",
]
"""The loops of ``benchmarks.loops``."""

Name = Literal[
    Loop,
    "unprotected",
    "unprotected, two processes",
    "async-kerberos",
    "async-kerberos, two processes",
    "async-kerberos, on the loop",
    "async-kerberos, files read",
    "async-kerberos, rules",
    "async-kerberos, FastAPI",
    "ASGI-GSSAPI",
    "fastapi-spnego",
    "fastapi-spnego, FastAPI",
    "Apache mod_auth_gssapi",
    "Flask-GSSAPI",
    "middleware",
    "decorator",
]
"""Everything that is measured, as the table and the charts call it. mypy finds a name that is misspelt."""

Takings = dict[Name, list[Round]]

FORGED_KEYS = (2, 602)
"""Forged tokens are measured with so many keys of the service in the keytab."""


@dataclass(frozen=True)
class Plan:
    """How much is measured.

    Attributes:
        rounds: of each comparison. Many short ones, because a machine's speed may change from one second to the next.
        size: how many tokens each round uses.
        connections: throughput is measured with each of these numbers of connections.
        keys: keytabs are measured with each of these numbers of keys.
        groups: tokens are measured of users in each of these numbers of groups.
        growth: memory is read each time after so many sign-ins.
        imports: how often the import is timed.
    """

    rounds: int = 61
    size: int = 200
    connections: tuple[int, ...] = (1, 2, 4, 8, 16, 32, 64)
    keys: tuple[int, ...] = (2, 100, 1000, 10_000)
    groups: tuple[int, ...] = (0, 50, 150, 300)
    growth: int = 20_000
    imports: int = 15


QUICK = Plan(
    rounds=11, size=100, connections=(1, 16, 64), keys=(2, 1000, 10_000), groups=(0, 300), growth=2_000, imports=5
)


@dataclass(frozen=True)
class Results:
    """What was measured, in the order in which it is.

    Attributes:
        plan: how much was measured.
        accepts: loops on one thread.
        threads: loops on threads.
        sites: sign-ins at ASGI sites and Apache, and the two that no site can cost less than.
        challenges: requests without a token.
        processes: sign-ins at sites of one process and of two.
        flask: sign-ins at Flask sites.
        late: by how many seconds the event loop was late, for each probe of each round.
        throughput: sign-ins, by the number of connections.
        keytabs: accepts, by the number of keys in the keytab.
        forged: refused tokens, by the number of the service's keys in the keytab.
        tokens: accepts, by the size of the token in bytes.
        memory: bytes that a site holds, after each ``plan.growth`` sign-ins.
        imports: seconds that each import took.
    """

    plan: Plan
    accepts: Takings
    threads: Takings
    sites: Takings
    challenges: Takings
    processes: Takings
    flask: Takings
    late: dict[Name, list[list[float]]]
    throughput: dict[int, Takings]
    keytabs: dict[int, Takings]
    forged: dict[int, Takings]
    tokens: dict[int, Takings]
    memory: list[int]
    imports: list[float]
