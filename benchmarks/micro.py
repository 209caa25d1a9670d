"""Micro-benchmarks of the core, by pyperf: ``python -m benchmarks.micro``, with pyperf's own options.

They time what Python does around an accept, piece by piece. None of them calls GSSAPI.
"""

from __future__ import annotations

import asyncio
import base64
import functools
import time
from typing import Any

import pyperf

from async_kerberos import AuthRequest, Kerberos
from async_kerberos._protocol.header import challenge, parse_authorization
from async_kerberos._protocol.tokens import classify
from async_kerberos._threads.workers import WorkerLimits, Workers
from async_kerberos._web.asgi import authenticate_scope
from async_kerberos._web.nearest import Protection

from .der import der

_LIMIT = 65536
_CONCURRENT = 16


def _first_token() -> bytes:
    """A NegTokenInit (RFC 4178, section 4.2.1) as a Kerberos client sends it, with zeros in place of the ticket."""
    mechanisms = b"\xa0\x0d\x30\x0b\x06\x09\x2a\x86\x48\x86\xf7\x12\x01\x02\x02"
    init = der(0xA0, der(0x30, mechanisms + der(0xA2, der(0x04, bytes(700)))))
    return der(0x60, b"\x06\x06\x2b\x06\x01\x05\x05\x02" + init)


def _run_workers(loops: int) -> float:
    """Calls that do nothing, made on workers from an event loop that waits for several at a time."""
    workers = Workers(WorkerLimits())

    async def call() -> None:
        for _ in range(loops):
            await workers.run(bool)

    async def call_all() -> float:
        begun = time.perf_counter()
        await asyncio.gather(*(call() for _ in range(_CONCURRENT)))
        return time.perf_counter() - begun

    try:
        return asyncio.run(call_all())
    finally:
        workers.close()


def main() -> None:
    """Run them all."""
    runner = pyperf.Runner(program_args=("-m", "benchmarks.micro"))  # by its path, it could not import from here
    token = _first_token()
    authorization = (f"Negotiate {base64.b64encode(token).decode()}",)
    kerberos = Kerberos(hostname="www.example.test")
    request = AuthRequest({"host": ["www.example.test"]}, peer=("192.0.2.1", 50000))
    scope: dict[str, Any] = {
        "type": "http",
        "http_version": "1.1",
        "scheme": "http",
        "client": ("192.0.2.1", 50000),
        "headers": [(b"host", b"www.example.test"), (b"user-agent", b"x" * 100), (b"accept", b"*/*")],
    }
    runner.bench_func("parse_authorization", parse_authorization, authorization, _LIMIT)
    runner.bench_func("classify", classify, token)
    runner.bench_func("challenge", challenge, bytes(180))
    fields = {"authorization": authorization}
    runner.bench_func("AuthRequest", functools.partial(AuthRequest, fields, peer=("192.0.2.1", 50000)))
    runner.bench_func("authenticate_blocking, no token", kerberos.authenticate_blocking, request)
    runner.bench_async_func("authenticate_scope, no token", authenticate_scope, scope, Protection(kerberos))
    runner.bench_time_func("Workers.run, 16 at a time", _run_workers, inner_loops=_CONCURRENT)


if __name__ == "__main__":
    main()
