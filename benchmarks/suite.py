"""Measures everything."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from . import load
from .apache import Apache, find_apache
from .apps import HOSTNAME
from .contest import CONNECTIONS, WARM_UP, Contender, in_turn, lateness, loops, opened, requests_to, sites
from .keytabs import make_keytab
from .large_tickets import BYTES_PER_GROUP, get_ticket
from .loops import LOOPS
from .results import FORGED_KEYS, Loop, Name, Plan, Results, Takings
from .scene import Scene, requests
from .servers import Command, gunicorn, serving, uvicorn

# With more keys, GSSAPI alone takes milliseconds for each accept.
_MOST_FOR_GSSAPI = 1000

FORGED: list[Loop] = ["forged, one host", "forged, any host"]
_FORGED_BYTES = 32_000  # of authorization data; as a header's value, the token has 47 kB


def run(scene: Scene, plan: Plan) -> Results:
    """Measure everything."""
    count = WARM_UP + plan.rounds * plan.size
    _say(f"making {count:,} tokens")
    suite = _Suite(scene, plan, scene.tokens(count))
    on_threads = [name for name in LOOPS if "thread" in name]
    commands = _commands()
    return Results(
        plan,
        accepts=suite.accepts([name for name in LOOPS if name not in {*on_threads, *FORGED}], plan.rounds),
        # In longer rounds: it takes the system a while to give each thread a core of its own.
        threads=suite.accepts(on_threads, plan.rounds // 5),
        sites=suite.sites(commands),
        challenges=suite.challenges(),
        processes=suite.processes(),
        flask=suite.flask(),
        late=suite.late(),
        throughput=suite.throughput(
            {name: commands[name] for name in commands if not name.endswith(("FastAPI", "files read", "rules"))}
        ),
        keytabs=suite.keytabs(),
        forged=suite.forged(),
        tokens=dict(suite.large_tokens(groups) for groups in plan.groups),
        memory=suite.memory(10),
        imports=suite.imports(),
    )


def _say(what: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {what}", file=sys.stderr, flush=True)


def _commands() -> dict[Name, Command]:
    """The servers of the sites that all sign in, and that are not Flask's."""
    commands: dict[Name, Command] = {
        "async-kerberos": uvicorn("middleware"),
        "async-kerberos, on the loop": uvicorn("inline"),
        "async-kerberos, files read": uvicorn("file"),
        "async-kerberos, rules": uvicorn("rules"),
        "ASGI-GSSAPI": uvicorn("asgi_gssapi"),
        "fastapi-spnego": uvicorn("fastapi_spnego"),
        "async-kerberos, FastAPI": uvicorn("dependency"),
        "fastapi-spnego, FastAPI": uvicorn("fastapi_spnego_dependency"),
    }
    apache = find_apache()
    if apache is None:
        _say("Apache with mod_auth_gssapi is not installed, and not measured")
    else:
        commands["Apache mod_auth_gssapi"] = Apache(apache)
    return commands


@dataclass(frozen=True)
class _Suite:
    """The measurements, one a method.

    Attributes:
        scene: the scene.
        plan: how much is measured.
        tokens: the tokens that every server and loop takes; those that were started anew take the same ones again.
    """

    scene: Scene
    plan: Plan
    tokens: list[bytes]

    def accepts(self, names: Sequence[Loop], rounds: int) -> Takings:
        _say(f"accepts, in {len(names)} loops")
        with loops(self.scene, names) as contenders:
            return in_turn(contenders, self.tokens, rounds)

    def sites(self, commands: Mapping[Name, Command]) -> Takings:
        _say("sites")
        with (
            sites(self.scene, {"unprotected": uvicorn("unprotected"), **commands}) as on_servers,
            loops(self.scene, ["bare accept"]) as bare,
        ):
            return in_turn({**on_servers, **bare}, self.tokens, self.plan.rounds)

    def challenges(self) -> Takings:
        _say("requests without a token")
        commands: dict[Name, Command] = {name: uvicorn(name) for name in ("unprotected", "middleware", "decorator")}
        no_tokens = [b""] * (WARM_UP + 2 * self.plan.rounds * self.plan.size)
        with sites(self.scene, commands, load.CHALLENGED) as contenders:
            return in_turn(contenders, no_tokens, self.plan.rounds)

    def processes(self) -> Takings:
        _say("one process and two")
        commands: dict[Name, Command] = {
            "unprotected": uvicorn("unprotected"),
            "unprotected, two processes": uvicorn("unprotected", 2),
            "async-kerberos": uvicorn("middleware"),
            "async-kerberos, two processes": uvicorn("middleware", 2),
        }
        with sites(self.scene, commands) as contenders:
            return in_turn(contenders, self.tokens, self.plan.rounds)

    def flask(self) -> Takings:
        _say("Flask on gunicorn")
        commands: dict[Name, Command] = {
            "unprotected": gunicorn("unprotected"),
            "async-kerberos": gunicorn("decorator"),
            "Flask-GSSAPI": gunicorn("flask_gssapi"),
        }
        with sites(self.scene, commands) as contenders:
            return in_turn(contenders, self.tokens, self.plan.rounds // 2)

    def late(self) -> dict[Name, list[list[float]]]:
        _say("the event loop's lag")
        probed: dict[Name, Command] = {
            "async-kerberos": uvicorn("probed_middleware"),
            "async-kerberos, on the loop": uvicorn("probed_inline"),
            "ASGI-GSSAPI": uvicorn("probed_asgi_gssapi"),
            "fastapi-spnego": uvicorn("probed_fastapi_spnego"),
        }
        return lateness(self.scene, probed, self.tokens, max(5, self.plan.rounds // 6))

    def throughput(self, commands: Mapping[Name, Command]) -> dict[int, Takings]:
        _say("throughput against concurrency")
        taken: dict[int, Takings] = {}
        share = len(self.tokens) // len(self.plan.connections)
        with opened({name: serving(command, self.scene) for name, command in commands.items()}) as servers:
            for number, connections in enumerate(self.plan.connections):
                part = self.tokens[number * share : (number + 1) * share]
                clients = {name: requests_to(server, connections=connections) for name, server in servers.items()}
                with opened(clients) as contenders:
                    taken[connections] = in_turn(contenders, part, 5, warm_up=0)
        return taken

    def keytabs(self) -> dict[int, Takings]:
        """Accepts with keytabs of all sizes; by GSSAPI alone not with the largest, which would take minutes."""
        names: list[Loop] = ["one host", "any host"]
        return self._with_keytabs(
            {keys: [*names, "bare accept"] if keys <= _MOST_FOR_GSSAPI else names for keys in self.plan.keys},
            self.tokens,
        )

    def forged(self) -> dict[int, Takings]:
        """Tokens as large as they may be, of a ticket that no key decrypts, for a name that the keytab has not."""
        ticket = get_ticket(self.scene, _FORGED_BYTES)
        token = bytearray(self.scene.tokens(1, ticket)[0].replace(HOSTNAME.encode(), b"none" + HOSTNAME[4:].encode()))
        token[len(token) // 2] ^= 1
        tokens = [bytes(token)] * (20 * (self.plan.rounds + 1))  # a refused one is not in the replay cache
        return self._with_keytabs(dict.fromkeys(FORGED_KEYS, FORGED), tokens, warm_up=20)

    def _with_keytabs(
        self, names: Mapping[int, Sequence[Loop]], tokens: Sequence[bytes], warm_up: int = WARM_UP
    ) -> dict[int, Takings]:
        _say(f"keytabs of {', '.join(f'{keys:,}' for keys in names)} keys")
        with contextlib.ExitStack() as stack:
            contenders: dict[str, Contender] = {}
            for keys, of_this in names.items():
                opened_loops = loops(self.scene, of_this, keytab=make_keytab(self.scene, keys))
                contenders |= {f"{keys} {name}": take for name, take in stack.enter_context(opened_loops).items()}
            taken = in_turn(contenders, tokens, self.plan.rounds, warm_up=warm_up)
        return {keys: {name: taken[f"{keys} {name}"] for name in of_this} for keys, of_this in names.items()}

    def large_tokens(self, groups: int) -> tuple[int, Takings]:
        _say(f"tokens of users in {groups} groups")
        tokens = self.scene.tokens(len(self.tokens), get_ticket(self.scene, groups * BYTES_PER_GROUP))
        with loops(self.scene, ["bare accept", "one host"]) as contenders:
            return len(tokens[0]), in_turn(contenders, tokens, self.plan.rounds)

    def memory(self, times: int) -> list[int]:
        """The memory of a site, in bytes, each time that it has taken all of ``plan.growth`` tokens."""
        _say(f"memory, over {times * self.plan.growth:,} sign-ins")
        sizes: list[int] = []
        batch = requests(self.scene.tokens(self.plan.growth))
        with (
            serving(uvicorn("middleware"), self.scene) as server,
            contextlib.closing(load.Clients(server.port, CONNECTIONS)) as clients,
        ):
            for _ in range(times):
                clients.send(batch, load.SIGNED_IN)
                time.sleep(0.2)
                sizes.append(server.resident_bytes())
                server.empty_replay_cache()
        return sizes

    def imports(self) -> list[float]:
        _say("import")
        return [_import_seconds() for _ in range(self.plan.imports + 1)][1:]  # the first may have to compile


def _import_seconds() -> float:
    """How long the import takes in a new process that has imported gssapi, anyio and asyncio.

    anyio imports asyncio only when it is first used. Every program that serves requests has used it.
    """
    program = (
        "import asyncio, gssapi, anyio, time; begun = time.perf_counter(); import async_kerberos; "
        "print(time.perf_counter() - begun)"
    )
    # An installed package is compiled, so this one may be too.
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(
        [sys.executable, "-c", program], env=env, check=True, capture_output=True, text=True, timeout=60
    )
    return float(done.stdout)
