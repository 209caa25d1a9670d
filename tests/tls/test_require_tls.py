"""``require_tls``: what counts as a request over TLS, with a reverse proxy and without, whatever clients claim."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest
from hypercorn.middleware import ProxyFixMiddleware
from werkzeug.middleware.proxy_fix import ProxyFix

from ..support import HOSTNAME
from ..support.deployments import ADAPTERS
from ..support.guards import GssSpy, ThreadGuard
from ..support.http import Connection, handshake
from ..support.initiator import Initiator, fresh, reply_token
from ..support.servers import Head, Relay, Server
from ..support.tls import Served, TlsConnection, run

# The proxy calls the server from its own address. Clients have 127.0.0.1.
PROXY = "127.0.0.3"

pytestmark = pytest.mark.usefixtures("www", "user")

HANDSHAKE = list(handshake().items())

REFUSED: tuple[int, list[str]] = (403, [])


def ask(
    server: Server, trusted: Served | None, authorization: str | None, variant: str = "", fields: Head | None = None
) -> tuple[int, list[str]]:
    """The status of the answer, and its challenges; over TLS if a certificate is trusted."""
    given = [("X-Variant", variant), *(fields or [])]
    path = "/ws" if ("Upgrade", "websocket") in given else "/hello"
    with Connection(server.address) if trusted is None else TlsConnection(server.address, trusted.trust) as connection:
        response = connection.request(path, authorization, fields=given)
    return response.status, response.challenges


@pytest.mark.parametrize(
    ("adapter", "server_name"),
    [("flask-sync", "werkzeug"), ("quart-async", "hypercorn-asyncio"), ("asgi", "uvicorn-h11")],
)
def test_own_tls(adapter: str, server_name: str, served: Served, folder: Path, gss_spy: GssSpy) -> None:
    """Over plain HTTP the token is not looked at, and is still good over TLS afterwards; on WebSockets, too."""
    variants = {"": {"hostname": HOSTNAME, "require_tls": True}}
    sockets = [HANDSHAKE] if ADAPTERS[adapter].websockets else []
    with (
        run(adapter, server_name, variants, None, folder) as plain,
        run(adapter, server_name, variants, served, folder) as tls,
    ):
        for fields in [[], *sockets]:
            initiator = Initiator()
            token = initiator.header
            for authorization in (token, None, "Negotiate ?"):
                assert ask(plain, None, authorization, fields=fields) == REFUSED
            assert "accept_sec_context" not in gss_spy.calls
            status, challenges = ask(tls, served, token, fields=fields)
            assert status == (101 if fields else 200)
            initiator.verify(reply_token(challenges))
            assert ask(tls, served, None, fields=fields) == (401, ["Negotiate"])
            gss_spy.calls.clear()


Rewrite = Callable[[Head, str], Head]


def setting(scheme: str) -> Rewrite:
    """As ``proxy_set_header X-Forwarded-Proto $scheme`` and ``X-Forwarded-For $proxy_add_x_forwarded_for`` do."""

    def rewrite(head: Head, client: str) -> Head:
        addresses = [value for name, value in head if name.lower() == "x-forwarded-for"]
        kept = [(name, value) for name, value in head if name.lower() not in ("x-forwarded-for", "x-forwarded-proto")]
        return [*kept, ("X-Forwarded-For", ", ".join([*addresses, client])), ("X-Forwarded-Proto", scheme)]

    return rewrite


def adding(scheme: str) -> Rewrite:
    """What clients have written stays, and fields of the same names follow it."""
    return lambda head, client: [*head, ("X-Forwarded-For", client), ("X-Forwarded-Proto", scheme)]


def silent(scheme: str) -> Rewrite:
    """The proxy says nothing of how a request came, and strikes out what clients say."""
    return lambda head, client: [(name, value) for name, value in head if not name.lower().startswith("x-forwarded-")]


class Front:
    """A reverse proxy with a port for TLS, which ends there, and one for plain HTTP."""

    def __init__(self, tls: Server, plain: Server) -> None:
        self.tls = tls
        self.plain = plain


@contextlib.contextmanager
def in_front_of(
    server: Server, served: Served, rewrite: Callable[[str], Rewrite], source: str = PROXY
) -> Generator[Front, None, None]:
    """Run a reverse proxy before a server."""
    with (
        Relay(server.address, certificate=served.context, rewrite=rewrite("https"), source=source) as tls,
        Relay(server.address, rewrite=rewrite("http"), source=source) as plain,
    ):
        yield Front(tls, plain)


CLAIMS: list[Head] = [
    [],
    [("X-Forwarded-Proto", "https")],
    [("X-Forwarded-Proto", "HTTPS")],
    [("x-forwarded-proto", "https, https"), ("X-Forwarded-Proto", "https")],
    [("X-Forwarded-Proto", "https"), ("X-Forwarded-For", PROXY)],
    [("X-Forwarded-Proto", "https"), ("X-Forwarded-For", f"{PROXY}:443")],
    [("X-Forwarded-Proto", "https"), ("X-Forwarded-For", f"192.0.2.7, [::ffff:{PROXY}]:443")],
    [("Forwarded", f"for={PROXY};proto=https"), ("X-Forwarded-Proto", "https")],
    [("X-Real-IP", PROXY), ("X-Forwarded-Proto", "https"), ("X-Forwarded-Port", "443")],
    [("X-Forwarded-Ssl", "on"), ("X-Forwarded-Protocol", "ssl"), ("Front-End-Https", "on")],
    [("X_Forwarded_Proto", "https"), ("X_Forwarded_For", PROXY)],
    [*HANDSHAKE, ("X-Forwarded-Proto", "wss")],
]


def assert_believes_none(server: Server, variant: str, token: str, sockets: bool, *statuses: int) -> None:
    """Nothing that a client claims over plain HTTP gets it in; beside 403 there may be these statuses."""
    for claim in CLAIMS:
        if sockets or claim[:1] != HANDSHAKE[:1]:
            status, challenges = ask(server, None, token, variant, claim)
            assert status in (403, *statuses), claim
            assert challenges == []


NAMED = {"hostname": HOSTNAME, "require_tls": True, "trusted_proxies": [PROXY]}
VARIANTS: dict[str, dict[str, Any]] = {
    "": {"hostname": HOSTNAME, "require_tls": True},
    "named": NAMED,
    "network": {**NAMED, "trusted_proxies": ["192.0.2.0/24", "127.0.0.2/31"]},
    "another": {**NAMED, "trusted_proxies": ["127.0.0.4"]},
    "local": {**NAMED, "trusted_proxies": ["127.0.0.1"]},
}


@pytest.fixture(scope="module", params=[("asgi", "uvicorn-h11"), ("flask-sync", "werkzeug")], ids=lambda pair: pair[0])
def unaware(
    request: pytest.FixtureRequest, folder: Path, thread_guard: ThreadGuard
) -> Generator[tuple[Server, bool], None, None]:
    """A server that leaves what proxies say to the application, and whether there are WebSockets."""
    adapter, server_name = request.param
    options: dict[str, Any] = {"proxy_headers": False} if server_name.startswith("uvicorn") else {}
    with run(adapter, server_name, VARIANTS, None, folder, thread_guard, **options) as server:
        yield server, ADAPTERS[adapter].websockets


@pytest.mark.parametrize("rewrite", [setting, adding])
def test_named_proxy(
    unaware: tuple[Server, bool], served: Served, rewrite: Callable[[str], Rewrite], caplog: pytest.LogCaptureFixture
) -> None:
    """A proxy's word counts if the operator has named it, and no client's word does: not by the proxy, not past it."""
    server, sockets = unaware
    token = fresh()
    with in_front_of(server, served, rewrite) as front:
        if rewrite is adding:
            # The client's connection was to another proxy, before this one.
            assert ask(front.tls, served, token, "named", [("X-Forwarded-Proto", "http")]) == REFUSED
        for variant in ("", "another"):
            assert ask(front.tls, served, token, variant) == REFUSED
        assert "X-Forwarded-Proto is not from one of trusted_proxies" in caplog.text
        for variant in ("named", "network"):
            assert_believes_none(front.plain, variant, token, sockets)
            assert_believes_none(server, variant, token, sockets)
            # None of these has used the token up.
            assert ask(front.tls, served, token, variant)[0] == 200
            token = fresh()


def test_silent_proxy(unaware: tuple[Server, bool], served: Served, caplog: pytest.LogCaptureFixture) -> None:
    """Where a named proxy does not say that a request came over TLS, nothing does."""
    with in_front_of(unaware[0], served, silent) as front:
        assert ask(front.tls, served, fresh(), "named") == REFUSED
    assert "the scheme is http" in caplog.text


def test_client_on_the_proxys_host(
    unaware: tuple[Server, bool], served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    """A client with the proxy's own address is refused over TLS, too.

    It looks as if the server had taken the peer's address from what a client says.
    """
    with in_front_of(unaware[0], served, setting, "127.0.0.1") as front:
        assert ask(front.tls, served, fresh(), "local") == REFUSED
    assert "does not count where the server takes the peer from X-Forwarded-For" in caplog.text


def fix_wsgi(app: Any) -> Any:
    """werkzeug's own."""
    return ProxyFix(app, x_for=1, x_proto=1)


def fix_asgi(app: Any) -> Any:
    """Hypercorn's own."""
    return ProxyFixMiddleware(app, mode="legacy", trusted_hops=1)


@pytest.mark.parametrize(
    ("adapter", "server_name", "options"),
    [
        ("asgi", "uvicorn-h11", {"proxy_headers": True, "forwarded_allow_ips": PROXY}),
        ("fastapi-async", "uvicorn-httptools", {"proxy_headers": True, "forwarded_allow_ips": [PROXY]}),
        ("flask-sync", "gunicorn", {"forwarded_allow_ips": PROXY}),
        ("flask-async", "werkzeug", {"wrap": fix_wsgi}),
        ("asgi", "hypercorn-asyncio", {"wrap": fix_asgi}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_aware_server(
    adapter: str, server_name: str, options: dict[str, Any], served: Served, folder: Path, gss_spy: GssSpy
) -> None:
    """Where the server or a middleware believes the proxy, the proxy's word is enough, and a client's claim is not.

    That holds for claims by way of the proxy, and past it where the server knows the proxy by its address.
    """
    sockets = ADAPTERS[adapter].websockets
    variants = {"": VARIANTS[""], "named": NAMED}
    # gunicorn does not take a request from a proxy whose words contradict each other.
    contradictory = [400] if server_name == "gunicorn" else []
    with run(adapter, server_name, variants, None, folder, **options) as server:
        for rewrite in (setting, adding):
            for variant in variants:
                token = fresh()
                with in_front_of(server, served, rewrite) as front:
                    assert_believes_none(front.plain, variant, token, sockets, *contradictory)
                    if "wrap" not in options:
                        assert_believes_none(server, variant, token, sockets)
                    assert "accept_sec_context" not in gss_spy.calls
                    assert ask(front.tls, served, token, variant)[0] == 200
                    gss_spy.calls.clear()


@pytest.mark.parametrize("server_name", ["uwsgi-http-socket", "uwsgi-http"])
@pytest.mark.parametrize("adapter", ["flask-sync", "asgi"])
def test_uwsgi(adapter: str, server_name: str, served: Served, folder: Path) -> None:
    """uWSGI takes the scheme from anybody's headers, in any spelling: a named proxy's word counts, and no client's."""
    claims: list[Head] = [[(name, value)] for name in SCHEME_HEADERS for value in ("https", "on", "1")]
    with run(adapter, server_name, VARIANTS, None, folder) as server:
        for rewrite in (setting, adding):
            token = fresh()
            with in_front_of(server, served, rewrite) as front:
                for variant in ("", "another", "named", "network"):
                    assert_believes_none(front.plain, variant, token, False)
                    assert_believes_none(server, variant, token, False)
                    for claim in claims:
                        assert ask(front.plain, None, token, variant, claim) == REFUSED
                        assert ask(server, None, token, variant, claim) == REFUSED
                # A bridge tells an ASGI application no peer where uWSGI tells no port, and so no proxy is known.
                peer_known = (adapter, server_name) != ("asgi", "uwsgi-http-socket")
                for variant in ("", "another", "named", "network"):
                    status, _ = ask(front.tls, served, token, variant)
                    assert status == (200 if peer_known and variant in ("named", "network") else 403)
                    token = fresh() if status == 200 else token


SCHEME_HEADERS = ["X-Forwarded-Proto", "X_Forwarded_Proto", "x_FORWARDED-proto", "X-Forwarded-SSL", "X_Forwarded_Ssl"]


@pytest.mark.parametrize("address", [PROXY, f"{PROXY}:443", f"[::ffff:{PROXY}]:443", f"{PROXY}:443, 192.0.2.7"])
def test_peer_by_hearsay(hearsay: Server, address: str) -> None:
    """A server that takes the peer from what a client says makes nobody a named proxy, with a port or without."""
    # uvicorn heeds "https", here every client's word for it, but not "HTTPS".
    fields = [("X-Forwarded-For", address), ("X-Forwarded-Proto", "HTTPS")]
    assert ask(hearsay, None, fresh(), fields=fields) == REFUSED


@pytest.fixture(scope="module")
def hearsay(folder: Path, thread_guard: ThreadGuard) -> Generator[Server, None, None]:
    """A server that believes everybody's ``X-Forwarded-For``."""
    options: dict[str, Any] = {"proxy_headers": True, "forwarded_allow_ips": "*"}
    with run("asgi", "uvicorn-h11", {"": NAMED}, None, folder, thread_guard, **options) as server:
        yield server


@pytest.mark.parametrize(
    ("adapter", "server_name", "wrap"),
    [("flask-sync", "werkzeug", fix_wsgi), ("asgi", "hypercorn-asyncio", fix_asgi)],
    ids=["werkzeug", "hypercorn"],
)
def test_hops_are_no_addresses(adapter: str, server_name: str, wrap: Callable[[Any], Any], folder: Path) -> None:
    """A middleware that counts hops believes every client's ``X-Forwarded-Proto``, whatever ``trusted_proxies`` says.

    The operator must let nobody but the proxy reach such a server.
    """
    with run(adapter, server_name, {"": NAMED}, None, folder, wrap=wrap) as server:
        assert ask(server, None, fresh()) == REFUSED
        assert ask(server, None, fresh(), fields=[("X-Forwarded-Proto", "https")])[0] == 200
