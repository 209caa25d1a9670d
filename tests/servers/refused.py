"""Requests with a body and without a ticket, of which none may break a connection; by hand, with a table.

``python -m tests.servers.refused 20`` sends each of them 20 times to every server, directly and through nginx, and
prints how many came to something else than 401 and the challenge.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Generator
from pathlib import Path

from async_kerberos.testing import Realm

from ..support import HOSTNAME
from ..support.debs import unpacked
from ..support.http import Address, Connection
from ..support.servers import Nginx
from .sites import SITES

# How often in the suite; `ROUNDS=20 pytest tests/servers` sends more, over HTTP/2 and 3 as well.
ROUNDS = int(os.environ.get("ROUNDS", "2"))

SIZES = {"64 kB": 64_000, "300 kB": 300_000, "1 MB": 1_000_000, "8 MB": 8_000_000}

# As operators write it; and with the body passed on as it comes, over connections that are kept.
PROXIES = {
    "nginx": "location / {{ proxy_pass http://{site}; }}",
    "nginx, unbuffered": (
        'location / {{ proxy_pass http://{site}; proxy_http_version 1.1; proxy_set_header Connection "";'
        " proxy_request_buffering off; }}"
    ),
}


def refused(address: Address, size: int, *, chunked: bool) -> str:
    """What a client that sends all of its body before it reads gets: nothing to say, or what is wrong."""
    try:
        with Connection(address) as connection:
            response = connection.request("/echo", method="POST", body=bytes(size), chunked=chunked)
    except Exception as error:  # a connection that breaks, or h11's errors for an answer that ends in the middle
        return f"{type(error).__name__}: {error}"
    if (response.status, response.challenges) == (401, ["Negotiate"]):
        return ""
    return f"{response.status} {response.challenges}"


@contextlib.contextmanager
def behind_nginx(program: Path, directives: str, site: Address) -> Generator[Address, None, None]:
    """nginx in front of a site: where it answers."""
    assert not isinstance(site, str)
    host, port = site
    with (
        tempfile.TemporaryDirectory() as folder,
        Nginx(program, Path(folder), directives.format(site=f"{host}:{port}")) as server,
    ):
        yield server.address


def main(rounds: int) -> None:
    """Send every request so often, and print the table."""
    nginx = unpacked("nginx") / "usr" / "sbin" / "nginx"
    columns = [f"{label}{suffix}" for label in SIZES for suffix in ("", " chunked")]
    print("|".join(["", "server", "way", *columns, ""]))
    with Realm() as realm, realm.environ(), tempfile.TemporaryDirectory() as folder:
        realm.service(f"HTTP/{HOSTNAME}")
        for site in SITES.values():
            with site.run(Path(folder)) as server, contextlib.ExitStack() as stack:
                ways = {"direct": server.address}
                for name, directives in PROXIES.items():
                    ways[name] = stack.enter_context(behind_nginx(nginx, directives, server.address))
                for way, address in ways.items():
                    broken = [
                        sum(bool(refused(address, size, chunked=chunked)) for _ in range(rounds))
                        for size in SIZES.values()
                        for chunked in (False, True)
                    ]
                    print("|".join(["", site.name, way, *map(str, broken), ""]), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]))
