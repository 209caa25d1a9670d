"""Channel bindings over TLS: tickets are good on the connection that they were made for, and on no other."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import gssapi.raw as gss
import pytest
import requests
import websockets.asyncio.client
import websockets.exceptions
from cryptography.hazmat.primitives import hashes

from ..support import HOSTNAME
from ..support.certificates import ec_key, rsa_key
from ..support.guards import ThreadGuard
from ..support.http import SECONDS
from ..support.initiator import KRB5, ONE_WAY, SPNEGO, TWO_LEGS, Initiator, negotiate, reply_token
from ..support.servers import Relay, Server
from ..support.tls import (
    PSS,
    TELLING,
    Served,
    TlsConnection,
    chained,
    end_point,
    issue,
    run,
    self_signed,
    write,
)
from ..support.tokens import neg_token_init, neg_token_resp

_requests_gssapi: Any = importlib.import_module("requests_gssapi")  # it has no annotations

REFUSED = "403 for 127.0.0.1: bad channel bindings"

pytestmark = pytest.mark.usefixtures("www", "user")


def port_of(server: Server) -> int:
    assert not isinstance(server.address, str)
    return server.address[1]


class Client:
    """requests-gssapi, which verifies the certificate and insists on mutual authentication.

    Args:
        trusted: whose certificate it trusts.
        bound: whether it sends channel bindings.
    """

    def __init__(self, trusted: Served, *, bound: bool) -> None:
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.verify = str(trusted.root)
        self._session.auth = _requests_gssapi.HTTPSPNEGOAuth(
            mutual_authentication=_requests_gssapi.REQUIRED,
            target_name=f"HTTP@{HOSTNAME}",
            channel_bindings="tls-server-end-point" if bound else None,
        )

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *exception: object) -> None:
        self._session.close()

    def get(self, server: Server, variant: str = "") -> tuple[int, str]:
        """The status and the body of the last answer; the body of a denial is withheld."""
        url = f"https://127.0.0.1:{port_of(server)}/hello"
        with self._session.get(url, headers={"X-Variant": variant}, timeout=SECONDS) as response:
            return response.status_code, response.text


def get(server: Server, trusted: Served, variant: str = "", *, bound: bool = True) -> tuple[int, str]:
    """One request of a new client."""
    with Client(trusted, bound=bound) as client:
        return client.get(server, variant)


def get_by_hand(server: Server, trusted: Served, *, bound: bool = True) -> tuple[int, str]:
    """The same, for a server that closes the connection after its challenge.

    requests-gssapi takes the certificate from the connection that the challenge came on, which must still be open.
    """
    with TlsConnection(server.address, trusted.trust) as connection:
        initiator = Initiator(bindings=connection.end_point) if bound else Initiator()
        response = connection.request("/hello", initiator.header)
        return response.status, response.text if response.status == 200 else ""


@pytest.fixture(scope="module")
def server(served: Served, other: Served, folder: Path, thread_guard: ThreadGuard) -> Generator[Server, None, None]:
    """A server with TLS; the variants ending in ``-other`` are configured with another certificate than it serves."""
    variants: dict[str, dict[str, Any]] = {"": {"hostname": HOSTNAME}, "off": {"hostname": HOSTNAME}}
    for mode in ("allow", "require"):
        for suffix, certificate in {"": served, "-other": other}.items():
            variants[mode + suffix] = {
                "hostname": HOSTNAME,
                "channel_bindings": mode,
                "certificate": certificate.certfile,
            }
    with run(TELLING, "uvicorn-h11", variants, served, folder, thread_guard) as server:
        yield server


@pytest.fixture(scope="module")
def man_in_the_middle(
    server: Server, served: Served, other: Served, thread_guard: ThreadGuard
) -> Generator[Server, None, None]:
    """Ends TLS with a certificate that clients trust, and passes all they send on to the server, over TLS."""
    with Relay(server.address, certificate=other.context, trust=served.trust, threads=thread_guard) as relay:
        yield relay


@pytest.mark.parametrize(
    ("variant", "bound", "told"),
    [
        ("require", True, "True"),
        ("require", False, None),
        ("allow", True, "True"),
        ("allow", False, "False"),
        ("off", True, "False"),
        ("off", False, "False"),
        ("require-other", True, None),
        ("require-other", False, None),
        ("allow-other", True, None),
        ("allow-other", False, "False"),
    ],
)
def test_direct(
    server: Server, served: Served, variant: str, bound: bool, told: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    """A ticket bound to the configured certificate gets in, one bound to another does not.

    A ticket that is not bound is refused where bindings are required.
    """
    status, text = get(server, served, variant, bound=bound)
    assert (status, text) == ((403, "") if told is None else (200, told))
    assert (REFUSED in caplog.text) is (told is None)


@pytest.mark.parametrize(
    ("variant", "bound", "told"),
    [
        ("require", True, None),
        ("require", False, None),
        ("allow", True, None),
        ("allow", False, "False"),
        ("off", True, "False"),
    ],
)
def test_man_in_the_middle(
    man_in_the_middle: Server,
    other: Served,
    variant: str,
    bound: bool,
    told: str | None,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A man in the middle who passes a ticket on is refused if the client bound it, or if bindings are required.

    The control: without bindings he gets in.
    """
    status, text = get(man_in_the_middle, other, variant, bound=bound)
    assert (status, text) == ((403, "") if told is None else (200, told))
    assert (REFUSED in caplog.text) is (told is None)


@pytest.mark.parametrize("mech", [SPNEGO, KRB5], ids=["spnego", "krb5"])
@pytest.mark.parametrize("flags", [ONE_WAY, TWO_LEGS], ids=["one-way", "two-legs"])
@pytest.mark.parametrize("variant", ["require", "allow"])
def test_legs(server: Server, served: Served, variant: str, mech: gss.OID, flags: int) -> None:
    """Bindings are checked with however many legs, with SPNEGO and without."""
    with TlsConnection(server.address, served.trust) as connection:
        fields = [("X-Variant", variant)]
        initiator = Initiator(bindings=connection.end_point, mech=mech, flags=flags)
        response = connection.request("/hello", initiator.header, fields=fields)
        if flags == TWO_LEGS:
            assert response.status == 401
            second = negotiate(initiator.step(reply_token(response.challenges)))
            response = connection.request("/hello", second, fields=fields)
        assert (response.status, response.text) == (200, "True")

        stranger = Initiator(bindings=end_point(b"another"), mech=mech, flags=flags)
        response = connection.request("/hello", stranger.header, fields=fields)
        assert (response.status, response.challenges) == (403, [])


@pytest.mark.parametrize(
    ("variant", "bindings", "told"),
    [
        ("require", "right", "True"),
        ("require", "wrong", None),
        ("require", "none", None),
        ("allow", "wrong", None),
    ],
)
def test_late_token(server: Server, served: Served, variant: str, bindings: str, told: str | None) -> None:
    """A first leg without a Kerberos token does not get the second one past the check."""
    with TlsConnection(server.address, served.trust) as connection:
        fields = [("X-Variant", variant)]
        first = connection.request("/hello", negotiate(neg_token_init([KRB5])), fields=fields)
        assert first.status == 401
        data = {"right": connection.end_point, "wrong": end_point(b"another"), "none": None}[bindings]
        initiator = Initiator(bindings=data, mech=KRB5)
        second = connection.request("/hello", negotiate(neg_token_resp(initiator.step())), fields=fields)
        assert (second.status, second.text) == ((403, "Forbidden") if told is None else (200, told))


@pytest.mark.parametrize(
    ("adapter", "server_name"),
    [
        ("flask-sync", "werkzeug"),
        ("flask-async", "gunicorn"),
        ("flask-in-asgi-below-middleware", "hypercorn-asyncio"),
        ("quart-async", "hypercorn-asyncio"),
        ("quart-trio", "hypercorn-trio"),
        ("starlette-async", "uvicorn-h11"),
        ("fastapi-async", "uvicorn-httptools"),
        ("asgi", "hypercorn-trio"),
    ],
)
def test_adapters(adapter: str, server_name: str, served: Served, other: Served, folder: Path, user: str) -> None:
    """Each adapter, each server: in with the ticket that is bound, out without, and out by a man in the middle."""
    options = {"hostname": HOSTNAME, "channel_bindings": "require", "certificate": served.certfile}
    with run(adapter, server_name, {"": options}, served, folder) as server:
        ask = get_by_hand if server_name == "werkzeug" else get
        assert ask(server, served) == (200, user)
        assert ask(server, served, bound=False) == (403, "")
        with Relay(server.address, certificate=other.context, trust=served.trust) as relay:
            assert ask(relay, other) == (403, "")


def rsa_pss(folder: Path) -> Served:
    """Signed with RSASSA-PSS."""
    return write(folder, "pss", issue("pss", rsa_key(), hashes.SHA256(), rsa_padding=PSS))


def ec_sha384(folder: Path) -> Served:
    """An EC key, and SHA-384."""
    return write(folder, "ec", issue("ec", ec_key(), hashes.SHA384()))


def in_chain(folder: Path) -> Served:
    """The first of a chain, of which the client trusts the root alone."""
    return chained(folder, "chain")


@pytest.mark.parametrize(("make", "der"), [(rsa_pss, False), (ec_sha384, True), (in_chain, False), (in_chain, True)])
def test_certificates(make: Callable[[Path], Served], der: bool, folder: Path, tmp_path: Path) -> None:
    """The client computes the same bindings, whatever signed the certificate, and whatever file holds it here."""
    kind = make(folder)
    path = kind.certfile
    if der:
        path = tmp_path / "certificate.der"
        path.write_bytes(kind.der)
    options = {"hostname": HOSTNAME, "channel_bindings": "require", "certificate": path}
    with run(TELLING, "uvicorn-h11", {"": options}, kind, folder) as server:
        assert get(server, kind) == (200, "True")


def test_renewal(tmp_path: Path, folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The binding of a renewed certificate counts as soon as the file is there, and the old one's no longer.

    That holds on a server that still serves the old certificate, and on a connection that is older. A broken file in
    between changes nothing.
    """
    old, new = self_signed(folder, "old"), self_signed(folder, "new")
    path, replacement = tmp_path / "live.pem", tmp_path / "live.pem.new"
    path.write_bytes(old.certfile.read_bytes())
    options = {"hostname": HOSTNAME, "channel_bindings": "require", "certificate": path}
    with run(TELLING, "uvicorn-h11", {"": options}, old, folder) as before, Client(old, bound=True) as kept:
        assert kept.get(before) == (200, "True")
        # The server with the new certificate stands before the very same Kerberos.
        with (
            TlsConnection(before.address, old.trust) as older,
            Relay(before.address, certificate=new.context, trust=old.trust) as after,
        ):
            assert get(after, new) == (403, "")
            path.write_bytes(new.certfile.read_bytes()[:200])
            assert kept.get(before) == (200, "True")
            assert "The one read before stays in use" in caplog.text
            replacement.write_bytes(new.certfile.read_bytes())
            replacement.replace(path)
            assert get(after, new) == (200, "True")
            assert kept.get(before) == (403, "")
            assert older.request("/hello", Initiator(bindings=older.end_point).header).status == 403
            assert get(after, new) == (200, "True")


async def talk(server: Server, trusted: Served, authorization: str) -> tuple[int, list[str], str]:
    """The status of the answer to a WebSocket's handshake, its challenges, and the first message."""
    # Not the client with threads: one reads while another writes, which TLS of CPython 3.11 may not survive.
    try:
        async with websockets.asyncio.client.connect(
            f"wss://localhost:{port_of(server)}/ws",
            ssl=trusted.trust,
            additional_headers={"Authorization": authorization},
            proxy=None,
            open_timeout=SECONDS,
            close_timeout=SECONDS,
        ) as client:
            assert client.response is not None
            return 101, client.response.headers.get_all("WWW-Authenticate"), str(await client.recv())
    except websockets.exceptions.InvalidStatus as error:
        return error.response.status_code, error.response.headers.get_all("WWW-Authenticate"), ""


@pytest.mark.parametrize("server_name", ["uvicorn-h11", "hypercorn-asyncio"])
def test_websocket(server_name: str, served: Served, folder: Path) -> None:
    """The handshake of a WebSocket is let in with the ticket that is bound, and with no other."""
    options = {"hostname": HOSTNAME, "channel_bindings": "require", "certificate": served.certfile}
    with run(TELLING, server_name, {"": options}, served, folder) as server:
        initiator = Initiator(bindings=end_point(served.der))
        status, challenges, text = asyncio.run(talk(server, served, initiator.header))
        assert (status, text) == (101, "True")
        initiator.verify(reply_token(challenges))
        for stranger in (Initiator(), Initiator(bindings=end_point(b"another"))):
            assert asyncio.run(talk(server, served, stranger.header)) == (403, [], "")
