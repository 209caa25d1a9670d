"""A process that forks while one of its workers is in the middle of a step."""

from __future__ import annotations

import json
import os
import sys
import threading

from async_kerberos import Denied, Kerberos

from ..support.asking import auth_request
from ..support.initiator import fresh
from .acceptor_main import decide


def _ask(kerberos: Kerberos, door: str) -> str | None:
    outcome = decide(kerberos, auth_request((fresh(f"HTTP@{kerberos.hostname}"),)), door)
    return outcome.reason.name if isinstance(outcome, Denied) else None


def _ask_all(*objects: Kerberos) -> list[str | None]:
    return [_ask(kerberos, door) for kerberos in objects for door in ("blocking", "asyncio", "trio")]


def main(hostname: str, free: str, held: str) -> None:
    """Fork, and print what came of every request: before the fork, in the child, in the parent and in flight.

    Args:
        hostname: the service's host.
        free: its keytab.
        held: a copy of it; who reads the copy hangs, from the first line of the input to the third.
    """
    first = Kerberos(hostname=hostname, keytab=free)
    second = Kerberos(hostname=hostname, keytab=held)
    report: dict[str, object] = {"before": _ask_all(first, second)}
    in_flight: list[str | None] = []
    asking = threading.Thread(target=lambda: in_flight.append(_ask(second, "asyncio")))
    print("ready", flush=True)
    sys.stdin.readline()
    asking.start()
    sys.stdin.readline()
    from_child, to_parent = os.pipe()
    from_parent, to_child = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(to_parent, json.dumps(_ask_all(first)).encode())
        os.read(from_parent, 1)
        os.write(to_parent, json.dumps(_ask_all(first, second)).encode())
        return
    report["child while held"] = json.loads(os.read(from_child, 65_536))
    report["parent while held"] = _ask_all(first)
    print("forked", flush=True)
    sys.stdin.readline()
    os.write(to_child, b"1")
    report["child"] = json.loads(os.read(from_child, 65_536))
    asking.join()
    report["in flight"] = in_flight
    report["parent"] = _ask_all(first, second)
    report["child's exit"] = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    print(json.dumps(report), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
