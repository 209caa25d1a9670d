"""Four threads that sign in while the keytab is replaced again and again; see ``test_rotation``."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from async_kerberos import Accepted, Kerberos
from async_kerberos._gss import keyring
from async_kerberos._gss.keytab import Entry

from ..support.asking import auth_request
from ..support.initiator import fresh
from ..support.keytabs import entries_of, written

THREADS = 4
LOOKS = 20
# A hang guard.
SECONDS = 60.0


def resident() -> int:
    """This process's memory, in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def wait_for(condition: Callable[[], bool]) -> None:
    """Return as soon as it holds."""
    until = time.monotonic() + SECONDS
    while not condition():
        if time.monotonic() > until:
            raise TimeoutError("nobody is served")
        time.sleep(0.0005)


def main(host: str, source: str, rotations: int) -> None:
    """Print what became of it: how many were served by each thread, what others got, and the memory meanwhile.

    Args:
        host: the service's host name.
        source: the keytab with its keys; another stands beside it.
        rotations: how often that is replaced.
    """
    keyring._FRESH_SECONDS = 0.0  # pyright: ignore[reportPrivateUsage] (else once a second)
    ours = entries_of(Path(source))
    keytab, new = Path(f"{source}.used"), Path(f"{source}.new")
    keytab.write_bytes(written(ours))
    kerberos = Kerberos(hostname=host, keytab=keytab)
    over = threading.Event()
    served, others = [0] * THREADS, list[str]()

    def go_on(number: int) -> None:
        while not over.is_set():
            outcome = kerberos.authenticate_blocking(auth_request((fresh(f"HTTP@{host}"),)))
            if isinstance(outcome, Accepted):
                served[number] += 1
            else:
                others.append(repr(outcome))

    memory: list[int] = []
    threads = [threading.Thread(target=go_on, args=[number], daemon=True) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for number in range(rotations):
        more = [Entry(("HTTP", f"n{number}.load.test"), "KRBTEST.COM", 1, 18, os.urandom(32))]
        new.write_bytes(written([*more, *ours] if number % 2 else [*ours, *more]))
        new.replace(keytab)
        enough = sum(served) + 1
        wait_for(lambda: sum(served) >= enough or bool(others))  # noqa: B023 (called before the next round)
        if number % (rotations // LOOKS) == 0:
            memory.append(resident())
    over.set()
    for thread in threads:
        thread.join(SECONDS)
    kerberos.close()
    print(json.dumps({"served": served, "others": others[:5], "memory": memory}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
