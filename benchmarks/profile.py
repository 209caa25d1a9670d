"""Keeps a site busy while you profile it: ``python -m benchmarks.profile``; see CONTRIBUTING.md."""

from __future__ import annotations

import argparse
import contextlib
import signal
import sys
import time

from . import load
from .contest import CONNECTIONS
from .scene import open_scene, requests
from .servers import serving, uvicorn


def main() -> None:
    """Send sign-ins for so many seconds."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.profile", description=__doc__)
    parser.add_argument("--site", default="middleware", help="a function of benchmarks/apps/asgi.py: its site signs in")
    parser.add_argument("--seconds", type=float, default=30)
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the server, and the KDC, end with it
    with open_scene() as scene, serving(uvicorn(arguments.site), scene) as server:
        batch = requests(scene.tokens(5000))
        print(f"{arguments.site}: process {server.process.pid}, for {arguments.seconds:g} seconds", flush=True)
        deadline = time.monotonic() + arguments.seconds
        with contextlib.closing(load.Clients(server.port, CONNECTIONS)) as clients:
            while time.monotonic() < deadline:
                seconds = clients.send(batch, load.SIGNED_IN)
                print(f"{len(batch) / seconds:,.0f} sign-ins a second", flush=True)
                server.empty_replay_cache()


if __name__ == "__main__":
    main()
