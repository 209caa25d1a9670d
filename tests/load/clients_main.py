"""The clients, in a separate process: ``python -m tests.load.clients_main PORT REQUESTS HOSTNAME CCACHE...``.

It makes all tokens, connects, and says ``ready``. For each line ``COUNT RATE`` on standard input it makes so many
requests, so many a second, spread over its connections, and answers with one line of JSON: what came of them.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections import Counter, deque
from dataclasses import dataclass, field
from pathlib import Path

from ..support.initiator import KRB5, NTLM, Initiator, negotiate
from ..support.tokens import neg_token_init, neg_token_resp
from .app_main import LARGEST_TOKEN

CONNECTIONS = 64
# Without a token of Kerberos in it, GSSAPI answers "go on": it costs the sender nothing.
_HALF_OPEN = neg_token_init([KRB5])
_STRAY = neg_token_resp(state=0)
_SECONDS = 30.0  # a hang guard


@dataclass(frozen=True)
class Attempt:
    """A request and what has to come of it."""

    kind: str
    status: int
    authorization: tuple[str, ...] = field(repr=False)
    text: str = ""


def _garbage() -> Attempt:
    return Attempt("garbage", 403, (negotiate(b"\x60\x82\x01\x00" + os.urandom(256)),))


class Attempts:
    """Two good sign-ins, then a hostile request, and so on."""

    def __init__(self, hostname: str, ccaches: list[Path], count: int) -> None:
        self._hostname = hostname
        self._ccaches = ccaches
        self._used: deque[str] = deque(maxlen=1000)
        self._made = [self._make(number) for number in range(count)]
        self._next = 0

    def take(self) -> Attempt:
        """The next one."""
        attempt = self._made[self._next]
        self._next += 1
        if attempt.kind == "replay":
            # At the very beginning, nobody has come through yet.
            return Attempt("replay", 403, (self._used[0],)) if self._used else _garbage()
        return attempt

    def done(self, attempt: Attempt) -> None:
        """Note that a good token has been used, and is there to be replayed."""
        if attempt.kind == "good":
            self._used.append(attempt.authorization[0])

    def _token(self, number: int, service: str = "HTTP") -> bytes:
        return Initiator(f"{service}@{self._hostname}", ccache=self._ccaches[number % len(self._ccaches)]).step()

    def _make(self, number: int) -> Attempt:
        if number % 3 < 2:
            user = self._ccaches[number % len(self._ccaches)].name
            return Attempt("good", 200, (negotiate(self._token(number)),), user)
        hostile = number // 3 % 9
        if hostile == 0:
            return Attempt("replay", 403, ())
        if hostile == 1:
            return _garbage()
        if hostile == 2:
            return Attempt("truncated", 403, (negotiate(self._token(number)[:-40]),))
        if hostile == 3:
            return Attempt("ntlm", 403, (negotiate(NTLM),))
        if hostile == 4:
            return Attempt("half-open", 401, (negotiate(_HALF_OPEN),))
        if hostile == 5:
            return Attempt("stray", 403, (negotiate(_STRAY),))
        if hostile == 6:
            return Attempt("too large", 431, (negotiate(b"\x60" + bytes(LARGEST_TOKEN)),))
        if hostile == 7:
            token = negotiate(self._token(number))
            return Attempt("two fields", 400, (token, token))
        return Attempt("other service", 403, (negotiate(self._token(number, "cifs")),))


class Connection:
    """One kept connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def get(self, path: str, authorization: tuple[str, ...]) -> tuple[int, str]:
        """Make a request, and return the status and the body."""
        fields = "".join(f"Authorization: {value}\r\n" for value in authorization)
        self._writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n".encode())
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.split("content-length: ", 1)[1].split("\r\n", 1)[0])
        return int(head.split(" ", 2)[1]), (await self._reader.readexactly(length)).decode()

    def close(self) -> None:
        """End it."""
        self._writer.close()


async def _run(connections: list[Connection], attempts: Attempts, count: int, rate: float) -> dict[str, object]:
    counts: Counter[str] = Counter()
    wrong: list[str] = []
    loop = asyncio.get_running_loop()
    begin = loop.time()
    numbers = iter(range(count))

    async def work(connection: Connection) -> None:
        for number in numbers:
            await asyncio.sleep(max(0.0, begin + number / rate - loop.time()))
            attempt = attempts.take()
            status, text = await asyncio.wait_for(connection.get("/me", attempt.authorization), _SECONDS)
            attempts.done(attempt)
            counts[f"{attempt.kind}: {status}"] += 1
            if status != attempt.status or (attempt.text and text != attempt.text):
                wrong.append(f"{attempt.kind}: {status} {text!r}, not {attempt.status} {attempt.text!r}")

    await asyncio.gather(*(work(connection) for connection in connections))
    return {"counts": counts, "wrong": wrong, "seconds": loop.time() - begin}


async def _serve(port: int, attempts: Attempts) -> None:
    connections = [
        Connection(*await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)) for _ in range(CONNECTIONS)
    ]
    print("ready", flush=True)
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        count, rate = line.split()
        print(json.dumps(await _run(connections, attempts, int(count), float(rate))), flush=True)
    for connection in connections:
        connection.close()


def main() -> None:
    """Be the clients."""
    # What is measured is the server's fairness, and not how two processes share the cores.
    os.nice(10)
    port, count, hostname, *ccaches = sys.argv[1:]
    asyncio.run(_serve(int(port), Attempts(hostname, [Path(ccache) for ccache in ccaches], int(count))))


if __name__ == "__main__":
    main()
