"""Measures everything."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from . import load
from .apache import Apache, find_apache
from .contest import CONNECTIONS, WARM_UP, Contender, in_turn, lateness, loops, requests_to
from .keytabs import make_keytab
from .large_tickets import BYTES_PER_GROUP, get_ticket
from .loops import LOOPS
from .results import (
    APACHE,
    ASGI_GSSAPI,
    BARE,
    FLASK_GSSAPI,
    INLINE,
    OURS,
    OURS_FASTAPI,
    SPNEGO,
    SPNEGO_FASTAPI,
    UNPROTECTED,
    Plan,
    Results,
    Takings,
)
from .scene import Scene, requests
from .servers import Command, gunicorn, serving, uvicorn


def run(scene: Scene, plan: Plan) -> Results:
    """Measure all of it."""
    results = Results(plan)
    count = WARM_UP + plan.rounds * plan.size
    _say(f"making {count:,} tokens")
    tokens = scene.tokens(count)

    _say("accepts in a loop")
    on_threads = [name for name in LOOPS if "thread" in name]
    with loops(scene, [name for name in LOOPS if name not in on_threads]) as contenders:
        results.accepts = in_turn(contenders, tokens, plan.rounds)
    with loops(scene, on_threads) as contenders:
        # In longer rounds: it takes the system a while to give each thread a core of its own.
        results.threads = in_turn(contenders, tokens, plan.rounds // 5)

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
        results.flask = in_turn(_contenders(scene, stack, flask), tokens, plan.rounds // 2)

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
    for keys in plan.keys:
        with loops(scene, [BARE, "one host", "any host"], keytab=make_keytab(scene, keys)) as contenders:
            results.keytabs[keys] = in_turn(contenders, tokens, plan.rounds)
    for groups in plan.groups:
        large = scene.tokens(count, get_ticket(scene, groups * BYTES_PER_GROUP))
        with loops(scene, [BARE, "one host"]) as contenders:
            results.tokens[len(large[0])] = in_turn(contenders, large, plan.rounds)

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
                taken[connections] = in_turn(contenders, part, 5, warm_up=0)
    return taken


def _memory(scene: Scene, site: Command, tokens: list[bytes], times: int) -> list[int]:
    """The memory of a site, in bytes, each time that it has taken all tokens; its replay cache forgets them."""
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
    """How long the import takes in a new process that has imported gssapi, anyio and asyncio.

    anyio imports asyncio by itself only when something is asked of it; whatever serves requests has done so.
    """
    program = (
        "import asyncio, gssapi, anyio, time; begun = time.perf_counter(); import async_kerberos; "
        "print(time.perf_counter() - begun)"
    )
    # As it is installed: compiled.
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(
        [sys.executable, "-c", program], env=env, check=True, capture_output=True, text=True, timeout=60
    )
    return float(done.stdout)
