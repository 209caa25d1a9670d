"""A server without HTTP, in a separate process: each line of its input is a request, answered by a line.

It is for faults that cannot be brought upon the tests' own process: another user's rights, a limit, another clock.
"""

from __future__ import annotations

import importlib
import json
import logging
import os
import sys
from typing import Any

import anyio

from async_kerberos import Accepted, AuthRequest, Kerberos, Outcome, WorkerLimits

from ..support.asking import PLAIN, auth_request


def decide(kerberos: Kerberos, request: AuthRequest, door: str) -> Outcome:
    """Decide by one of the doors: ``blocking``, or the name of the event loop that the other one is used on."""
    if door == "blocking":
        return kerberos.authenticate_blocking(request)
    return anyio.run(kerberos.authenticate, request, backend=door)


def become(uid: int) -> None:
    """Give up root's rights for good."""
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)


class _Log(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


def main(hostname: str | list[str] | None, keytab: str, uid: int | None, seconds: float) -> None:
    """Answer requests until the input ends.

    Args:
        hostname: as for ``Kerberos``.
        keytab: as for ``Kerberos``.
        uid: whose rights to go down to; None for none's.
        seconds: how long a request may wait for a worker.
    """
    log = _Log()
    logging.getLogger("async_kerberos").addHandler(log)
    kerberos = Kerberos(hostname=hostname, keytab=keytab, workers=WorkerLimits(threads=1, seconds=seconds))
    # What is imported late may be out of the other user's reach.
    importlib.import_module("ctypes")
    for door in ("blocking", "asyncio", "trio"):
        decide(kerberos, auth_request(), door)
    if uid is not None:
        become(uid)
    print("ready", flush=True)
    for line in sys.stdin:
        asked: dict[str, Any] = json.loads(line)
        peer = asked["peer"]
        request = auth_request((asked["authorization"],), None if peer is None else (peer[0], peer[1]))
        log.messages.clear()
        outcome = decide(kerberos, request, asked["door"])
        answer = {
            "reason": None if isinstance(outcome, Accepted) else outcome.reason.name,
            "status": 200 if isinstance(outcome, Accepted) else outcome.status,
            "headers": [field for field in outcome.headers if field not in PLAIN],
            "log": "\n".join(log.messages),
        }
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
