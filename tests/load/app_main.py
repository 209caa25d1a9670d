"""The server under load, in a separate process: ``python -m tests.load.app_main HOSTNAME``; it prints its port."""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import sys
import threading
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route

from async_kerberos.adapters.starlette import init_kerberos, requires_authentication

# Less than httptools lets through, and more than any token here.
LARGEST_TOKEN = 8192


@requires_authentication
async def me(user: str, request: Request) -> PlainTextResponse:
    """Say who it is."""
    return PlainTextResponse(user)


async def public(request: Request) -> PlainTextResponse:
    """What needs no sign-in."""
    return PlainTextResponse("hello")


async def figures(request: Request) -> JSONResponse:
    """What the process holds."""
    gc.collect()
    return JSONResponse({"rss": _resident(), "threads": threading.active_count(), "tasks": len(asyncio.all_tasks())})


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def main() -> None:
    """Serve until the process is ended."""
    app = Starlette(routes=[Route("/me", me), Route("/public", public), Route("/figures", figures)])
    init_kerberos(app, hostname=sys.argv[1], max_token_size=LARGEST_TOKEN)
    # asyncio turns Nagle's algorithm off only where the protocol is named, as where uvicorn itself opens a socket.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen(256)
    print(listener.getsockname()[1], flush=True)
    # All connections outlast the pauses, and one is used once a round.
    config = uvicorn.Config(
        app, http="httptools", loop="asyncio", log_level="error", access_log=False, timeout_keep_alive=60
    )
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
