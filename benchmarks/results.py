"""What is measured, and how much of it: names and figures alone."""

from __future__ import annotations

from dataclasses import dataclass, field

from .figures import Round

Takings = dict[str, list[Round]]

APACHE = "Apache mod_auth_gssapi"
ASGI_GSSAPI = "ASGI-GSSAPI"
BARE = "bare accept"
INLINE = "async-kerberos, on the loop"
OURS = "async-kerberos"
FLASK_GSSAPI = "Flask-GSSAPI"
SPNEGO = "fastapi-spnego"
UNPROTECTED = "unprotected"
OURS_FASTAPI = "async-kerberos, FastAPI"
SPNEGO_FASTAPI = "fastapi-spnego, FastAPI"


@dataclass(frozen=True)
class Plan:
    """How much is measured.

    Attributes:
        rounds: of each comparison. Many short ones: a machine's speed may change from one second to the next.
        size: tokens in each round.
        connections: the numbers of connections to draw the throughput over.
        keys: the sizes of keytabs.
        groups: the groups of the users whose tokens are measured.
        growth: sign-ins before the memory is looked at the first time.
        imports: how often the import is timed.
    """

    rounds: int = 61
    size: int = 200
    connections: tuple[int, ...] = (1, 2, 4, 8, 16, 32, 64)
    keys: tuple[int, ...] = (2, 10, 100, 1000)
    groups: tuple[int, ...] = (0, 50, 150, 300)
    growth: int = 20_000
    imports: int = 15


QUICK = Plan(
    rounds=11, size=100, connections=(1, 16, 64), keys=(2, 100, 1000), groups=(0, 300), growth=2_000, imports=5
)


@dataclass
class Results:
    """What came of it; names are those above, and those of ``benchmarks.loops``."""

    plan: Plan
    accepts: Takings = field(default_factory=dict)
    threads: Takings = field(default_factory=dict)
    sites: Takings = field(default_factory=dict)
    challenges: Takings = field(default_factory=dict)
    flask: Takings = field(default_factory=dict)
    late: dict[str, list[list[float]]] = field(default_factory=dict)
    throughput: dict[int, Takings] = field(default_factory=dict)
    keytabs: dict[int, Takings] = field(default_factory=dict)
    tokens: dict[int, Takings] = field(default_factory=dict)
    memory: list[int] = field(default_factory=list)
    imports: list[float] = field(default_factory=list)
