"""What a request's header may cost: time grows with its bytes and not with their square, and little of it is ours."""

from __future__ import annotations

import logging
import socket
import statistics
from collections.abc import Generator
from typing import Any

import pytest

from async_kerberos import AuthRequest, Denied, Kerberos, Pages, Reason
from async_kerberos._web.asgi import authenticate_scope
from async_kerberos._web.nearest import Protection, Scope
from async_kerberos.adapters.asgi import KerberosMiddleware
from async_kerberos.request import FIELDS, MOST_VALUES

from ..support.grammar import is_linear
from ..support.http import SECONDS
from ..support.servers import Uvicorn

PROXY = "127.0.0.1"

SIZE = 15 * 1024

# Short, since what is sent as credentials must not be found in the log, where a host's name is.
# Whatever the field, what separates, quotes, escapes or looks like the beginning of something.
PIECES = (
    *(" ", ",", ";", ":", "::", '"', '\\"', "\\", "=", "(", "[", ".", "1 ", "1.1 ", "::1 ", "9.9.9.9, ", "a", "a=b,"),
    *("[::],", "[1::2],", 'a="b",', "https,", "ws://", "NTLM ", "\xe9"),
)
# What makes the rest be looked at.
BEGINNINGS = {
    "authorization": ("", "Basic ", "Basic a,", "Negotiate ", "Negotiate YII"),
    "origin": ("", "https://", "https://["),
    "host": ("", "["),
    "forwarded": ("", 'for="'),
    "accept": ("", "text/html;q="),
    "accept-language": ("", "de;q="),
}
# Everything is on that makes the decision look at a field.
KERBEROS = Kerberos(
    hostname="www.example.test",
    require_tls=True,
    trusted_proxies=[PROXY, "10.0.0.0/30"],
    trusted_origins=["https://app.example.test"],
    pages=Pages(),
)
# By now, the page has been read from its files: a first request waits for that.
KERBEROS.authenticate_blocking(AuthRequest({"accept": ["text/html"]}))
# A proxy's request, from another site: otherwise some fields would be asked for nothing.
AROUND = {
    "host": "www.example.test",
    "origin": "https://evil.test",
    "x-forwarded-host": "outside.test",
    "x-forwarded-for": "192.0.2.1",
    "x-forwarded-proto": "https",
}


@pytest.fixture(autouse=True)
def _nobody_listens() -> Generator[None, None, None]:  # pyright: ignore[reportUnusedFunction] (a fixture)
    """What pytest's handlers do with a line is none of the cost; and what is sent here looks like secrets in a log."""
    logger = logging.getLogger("async_kerberos")
    logger.setLevel(logging.CRITICAL)
    yield
    logger.setLevel(logging.NOTSET)


def scope_with(name: str, values: list[str]) -> Scope:
    return scope_of({**{field: [value] for field, value in AROUND.items()}, name: values})


def scope_of(fields: dict[str, list[str]]) -> Scope:
    headers = [(field.encode(), value.encode("latin-1")) for field, values in fields.items() for value in values]
    client = (PROXY, 40_000)
    return {"type": "http", "method": "POST", "headers": headers, "client": client, "scheme": "http"}


def decide(scope: Scope) -> Denied:
    decision = authenticate_scope(scope, Protection(KERBEROS))
    with pytest.raises(StopIteration) as end:
        decision.send(None)  # nothing in it waits: no token gets as far as GSSAPI
    assert isinstance(end.value.value, Denied)
    return end.value.value


@pytest.mark.parametrize("name", sorted(FIELDS))
@pytest.mark.parametrize("shape", ["one long field", "many short fields"])
def test_time_grows_with_the_bytes(name: str, shape: str) -> None:
    """Sixteen times as much of anything, in one field or in many, takes sixteen times as long and not 256 times."""
    for beginning in BEGINNINGS.get(name, ("",)):
        for piece in PIECES:

            def scope(count: int, beginning: str = beginning, piece: str = piece) -> Any:
                if shape == "one long field":
                    return scope_with(name, [beginning + piece * count])
                return scope_with(name, [beginning + piece] * count)

            assert is_linear(decide, scope), f"{beginning}{piece}"


@pytest.mark.parametrize(
    ("name", "value", "others", "reason"),
    [
        ("authorization", "Basic YTpi", {}, Reason.MALFORMED_HEADER),
        ("host", "www.example.test", {"origin": "https://www.example.test"}, Reason.CROSS_SITE),
        ("origin", "https://www.example.test", {"host": "www.example.test"}, Reason.CROSS_SITE),
        ("sec-fetch-site", "same-origin", {}, Reason.CROSS_SITE),
        ("x-forwarded-host", "www.example.test", {"origin": "https://www.example.test"}, Reason.CROSS_SITE),
        ("x-forwarded-proto", "https", {}, Reason.NOT_TLS),
        ("x-forwarded-for", "192.0.2.1", {}, Reason.NOT_TLS),
        ("forwarded", "for=192.0.2.1", {}, Reason.NOT_TLS),
    ],
)
def test_what_is_not_copied(name: str, value: str, others: dict[str, str], reason: Reason) -> None:
    """Where a field comes so often that not all of its values are copied, those that are suffice to refuse it."""
    fields = {"x-forwarded-proto": ["https"], **{other: [text] for other, text in others.items()}}
    assert decide(scope_of({**fields, name: [value]})).reason is Reason.NO_CREDENTIALS
    assert decide(scope_of({**fields, name: [value] * (MOST_VALUES + 1)})).reason is reason


class Site:
    """uvicorn with the middleware, and the CPU that its thread takes for a request."""

    def __init__(self, server: Uvicorn) -> None:
        assert not isinstance(server.address, str)
        self._server = server
        self._connection = socket.create_connection(server.address, timeout=SECONDS)

    def cost(self, *fields: tuple[str, str], requests: int) -> float:
        """The median of some requests, in seconds."""
        lines = "".join(f"{name}: {value}\r\n" for name, value in fields)
        request = f"POST /hello HTTP/1.1\r\nContent-Length: 0\r\n{lines}\r\n".encode("latin-1")
        costs: list[float] = []
        for _ in range(requests):
            begun = self._server.cpu_seconds()
            self._connection.sendall(request)
            head, _, body = self._connection.recv(65536).partition(b"\r\n\r\n")
            while len(body) < int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0]):
                body += self._connection.recv(65536)
            costs.append(self._server.cpu_seconds() - begun)
            assert head.split(b" ")[1] in (b"400", b"401", b"403", b"431"), head
        return statistics.median(costs)

    def close(self) -> None:
        self._connection.close()


@pytest.fixture(scope="module")
def site() -> Generator[Site, None, None]:
    """The site, with all options on that make a field count."""

    async def application(scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError("nobody is let in")

    app = KerberosMiddleware(application, kerberos=KERBEROS)
    server = Uvicorn(app, http="httptools", proxy_headers=False, lifespan="off")
    with server:
        site = Site(server)
        yield site
        site.close()


@pytest.mark.parametrize("name", sorted(FIELDS))
def test_16_kib(site: Site, name: str) -> None:
    """16 KiB of anything cost, on a real server, at most two plain 401s more than in fields that nobody reads."""
    around = [(field, value) for field, value in AROUND.items() if field != name]
    unread_name = "x" * len(name)
    failed: list[str] = []
    for beginning in BEGINNINGS.get(name, ("",)):
        for piece in PIECES:
            one_long = [(beginning + piece * SIZE)[:SIZE].strip()]
            many_short = [(beginning + piece).strip()] * (SIZE // (len(name) + len(beginning + piece) + 4))
            for values in (one_long, many_short):
                for requests in (1, 3, 9, 27):  # the machine may do something else meanwhile
                    plain = site.cost(("Host", "www.example.test"), requests=requests)
                    unread = site.cost(*around, *((unread_name, value) for value in values), requests=requests)
                    read = site.cost(*around, *((name, value) for value in values), requests=requests)
                    if read <= unread + 2 * plain:
                        break
                else:
                    failed.append(f"{beginning!r}, {piece!r}, {len(values)} fields: {(read - unread) / plain:.1f}")
    assert not failed
