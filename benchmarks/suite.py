"""Everything that is measured, and how much of it."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from . import load
from .apache import Apache, find_apache
from .contest import CONNECTIONS, WARM_UP, Contender, in_turn, lateness, loops, requests_to
from .figures import Round
from .keytabs import make_keytab
from .large_tickets import BYTES_PER_GROUP, get_ticket
from .loops import LOOPS
from .scene import Scene, requests
from .servers import Command, gunicorn, serving, uvicorn

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
    sites: Takings = field(default_factory=dict)
    challenges: Takings = field(default_factory=dict)
    flask: Takings = field(default_factory=dict)
    late: dict[str, list[list[float]]] = field(default_factory=dict)
    throughput: dict[int, Takings] = field(default_factory=dict)
    keytabs: dict[int, Takings] = field(default_factory=dict)
    tokens: dict[int, Takings] = field(default_factory=dict)
    memory: list[int] = field(default_factory=list)
    imports: list[float] = field(default_factory=list)


def run(scene: Scene, plan: Plan) -> Results:
    """Measure all of it."""
    results = Results(plan)
    count = WARM_UP + plan.rounds * plan.size
    _say(f"making {count:,} tokens")
    tokens = scene.tokens(count)

    _say("accepts in a loop")
    with loops(scene, list(LOOPS)) as contenders:
        results.accepts = in_turn(contenders, tokens, plan.rounds)

    _say("sites")
    sites = {
        OURS: uvicorn("middleware"),
        INLINE: uvicorn("inline"),
        ASGI_GSSAPI: uvicorn("asgi_gssapi"),
        SPNEGO: uvicorn("fastapi_spnego"),
        OURS_FASTAPI: uvicorn("dependency"),
        SPNEGO_FASTAPI: uvicorn("fastapi_spnego_dependency"),
    }
    apache = find_apache()
    if apache is None:
        _say("Apache with mod_auth_gssapi is not installed, and not measured")
    else:
        sites[APACHE] = Apache(apache)
    with contextlib.ExitStack() as stack:
        contenders = _contenders(scene, stack, {UNPROTECTED: (uvicorn("unprotected"), load.OPEN)})
        contenders |= _contenders(scene, stack, {name: (site, load.SIGNED_IN) for name, site in sites.items()})
        contenders |= stack.enter_context(loops(scene, [BARE]))
        results.sites = in_turn(contenders, tokens, plan.rounds)

    _say("requests without a token")
    without = {
        UNPROTECTED: (uvicorn("unprotected"), load.OPEN),
        "middleware": (uvicorn("middleware"), load.CHALLENGED),
        "decorator": (uvicorn("decorator"), load.CHALLENGED),
    }
    with contextlib.ExitStack() as stack:
        contenders = _contenders(scene, stack, without, with_token=False)
        results.challenges = in_turn(contenders, [b""] * (WARM_UP + 2 * plan.rounds * plan.size), plan.rounds)

    _say("Flask on gunicorn")
    flask = {
        UNPROTECTED: (gunicorn("unprotected"), load.OPEN),
        OURS: (gunicorn("decorator"), load.SIGNED_IN),
        FLASK_GSSAPI: (gunicorn("flask_gssapi"), load.SIGNED_IN),
    }
    with contextlib.ExitStack() as stack:
        results.flask = in_turn(_contenders(scene, stack, flask), tokens, plan.rounds)

    _say("the event loop's lag")
    probed = {
        OURS: uvicorn("probed_middleware"),
        INLINE: uvicorn("probed_inline"),
        ASGI_GSSAPI: uvicorn("probed_asgi_gssapi"),
        SPNEGO: uvicorn("probed_fastapi_spnego"),
    }
    results.late = lateness(scene, probed, tokens, max(5, plan.rounds // 6))

    _say("throughput against concurrency")
    drawn = {name: site for name, site in sites.items() if name in (OURS, INLINE, ASGI_GSSAPI, SPNEGO, APACHE)}
    results.throughput = _throughput(scene, plan, drawn, tokens)

    _say("keytabs and tokens of many sizes")
    few = tokens[: WARM_UP + plan.rounds // 2 * plan.size]
    for keys in plan.keys:
        with loops(scene, [BARE, "one host", "any host"], keytab=make_keytab(scene, keys)) as contenders:
            results.keytabs[keys] = in_turn(contenders, few, plan.rounds // 2)
    for groups in plan.groups:
        large = scene.tokens(len(few), get_ticket(scene, groups * BYTES_PER_GROUP))
        with loops(scene, [BARE, "one host"]) as contenders:
            results.tokens[len(large[0])] = in_turn(contenders, large, plan.rounds // 2)

    _say(f"memory, over {10 * plan.growth:,} sign-ins")
    results.memory = _memory(scene, uvicorn("middleware"), scene.tokens(plan.growth), 10)
    _say("import")
    results.imports = [_import_seconds() for _ in range(plan.imports + 1)][1:]  # the first may have to compile
    return results


def _say(what: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {what}", file=sys.stderr, flush=True)


def _contenders(
    scene: Scene,
    stack: contextlib.ExitStack,
    sites: Mapping[str, tuple[Command, load.Answer]],
    *,
    with_token: bool = True,
) -> dict[str, Contender]:
    return {
        name: stack.enter_context(
            requests_to(stack.enter_context(serving(site, scene)), expected=answer, with_token=with_token)
        )
        for name, (site, answer) in sites.items()
    }


def _throughput(scene: Scene, plan: Plan, sites: Mapping[str, Command], tokens: list[bytes]) -> dict[int, Takings]:
    taken: dict[int, Takings] = {}
    share = len(tokens) // len(plan.connections)
    with contextlib.ExitStack() as stack:
        servers = {name: stack.enter_context(serving(site, scene)) for name, site in sites.items()}
        for number, connections in enumerate(plan.connections):
            part = tokens[number * share : (number + 1) * share]
            with contextlib.ExitStack() as opened:
                contenders = {
                    name: opened.enter_context(requests_to(server, connections=connections))
                    for name, server in servers.items()
                }
                taken[connections] = in_turn(contenders, part, 3, warm_up=0)
    return taken


def _memory(scene: Scene, site: Command, tokens: list[bytes], times: int) -> list[int]:
    """The memory of a site, in bytes, each time that it has taken all tokens; its replay cache is made to forget them."""
    sizes: list[int] = []
    batch = requests(tokens)
    with serving(site, scene) as server, contextlib.closing(load.Clients(server.port, CONNECTIONS)) as clients:
        replay_cache = Path(server.process.environ()["KRB5RCACHEDIR"])
        for _ in range(times):
            clients.send(batch, load.SIGNED_IN)
            time.sleep(0.2)
            sizes.append(server.resident_bytes())
            for path in replay_cache.iterdir():
                path.unlink()
    return sizes


def _import_seconds() -> float:
    """How long the import takes in a new process that has imported gssapi and anyio."""
    program = (
        "import gssapi, anyio, time; begun = time.perf_counter(); import async_kerberos; "
        "print(time.perf_counter() - begun)"
    )
    # As it is installed: compiled.
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run([sys.executable, "-c", program], env=env, check=True, capture_output=True, text=True)
    return float(done.stdout)
