"""Every adapter on every server that can run it: what the contract suite runs against."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import ssl
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from quart_trio import QuartTrio

from async_kerberos import Access, AuthRequest, DrainLimits, Event, Identity, Kerberos, Pages, TicketDetails, not_for
from async_kerberos.testing import Realm

from . import HOSTNAME
from .apps import Options, asgi_app, fastapi_app, flask_app, quart_app, starlette_app, wsgi_app
from .certificates import ec_key, make_certificate
from .guards import ThreadGuard
from .http import Address, Connection, Fields, Response, WebSocketClient
from .servers import Gunicorn, Hypercorn, Server, Uvicorn, Werkzeug

# Below the length of any token of GSSAPI's, in bytes.
TINY = 64

INTRANET = 'Basic realm="intranet"'

TRUSTED_ORIGIN = "https://app.example.test"

DEFAULT_VARIANT = "unconfigured"

EVENT = "event: "
"""What stands in a line of :func:`write_down` before the event."""

_events = logging.getLogger("tests.events")


def variants(folder: Path) -> dict[str, Options | None]:
    """The settings that a contract needs: ``""`` is the usual one, None is an application that configures nothing.

    Args:
        folder: the realm's.
    """
    return {
        "": {"hostname": HOSTNAME},
        DEFAULT_VARIANT: None,
        "tiny": {"hostname": HOSTNAME, "max_token_size": TINY},
        "retry": {"hostname": HOSTNAME, "failure_status": 401},
        "intranet": {"hostname": HOSTNAME, "other_challenges": [INTRANET]},
        "any-host": {"hostname": "*"},
        "several-hosts": {"hostname": [HOSTNAME, "second.example.test"]},
        "second": {"hostname": "second.example.test"},
        "stale": {"hostname": "stale.example.test"},
        "wrong-key": {"hostname": "wrongkey.example.test"},
        "no-type": {"hostname": "notype.example.test"},
        "forbidden-type": {"hostname": "camellia.example.test"},
        "crossing": {"hostname": "crossing.example.test"},
        "no-keytab": {"hostname": HOSTNAME, "keytab": str(folder / "no-such-keytab")},
        "no-principal": {"hostname": "nokey.example.test"},
        "spnego-only": {"hostname": HOSTNAME, "raw_kerberos": False},
        "tls": {"hostname": HOSTNAME, "require_tls": True},
        "tls-proxy": {"hostname": HOSTNAME, "require_tls": True, "trusted_proxies": ["127.0.0.1"]},
        "any-site": {"hostname": HOSTNAME, "cross_site": "allow"},
        "another-origin": {"hostname": HOSTNAME, "trusted_origins": [TRUSTED_ORIGIN]},
        "no-username": {"hostname": HOSTNAME, "username": no_username},
        "local": {"hostname": HOSTNAME, "details": TicketDetails(local_name=True), "username": "local_name"},
        "members": {"hostname": HOSTNAME, "access": Access(realms=["KRBTEST.COM"], authorize=is_a_member)},
        "strangers": {"hostname": HOSTNAME, "access": Access(principals=["bob@KRBTEST.COM", "*/admin@KRBTEST.COM"])},
        "unwelcome": {"hostname": HOSTNAME, "access": Access(authorize=is_welcome)},
        "told": {"hostname": HOSTNAME, "on_event": [fail_to_listen, write_down]},
        "not-asked": {"hostname": HOSTNAME, "challenge_when": not_for(networks=["127.0.0.0/8"])},
        "not-asked-retry": {"hostname": HOSTNAME, "challenge_when": never, "failure_status": 401},
        "not-asked-intranet": {"hostname": HOSTNAME, "challenge_when": never, "other_challenges": [INTRANET]},
        "not-told": {"hostname": HOSTNAME, "challenge_when": not_told},
        "pages": {"hostname": HOSTNAME, "access": Access(authorize=is_welcome), "pages": Pages()},
        "own-pages": {
            "hostname": HOSTNAME,
            "access": Access(authorize=is_welcome),
            "pages": Pages(challenge=own_challenge, denial=own_denial),
        },
        "broken-pages": {
            "hostname": HOSTNAME,
            "access": Access(authorize=is_welcome),
            "pages": Pages(challenge=broken_challenge, denial=broken_denial),  # type: ignore[arg-type] # a mistake
        },
        "no-pages": {"hostname": HOSTNAME, "access": Access(authorize=is_welcome), "pages": None},
        "impatient": {"hostname": HOSTNAME, "drain": DrainLimits(seconds=0.5)},
        "proxied": {"hostname": HOSTNAME, "trusted_proxies": ["127.0.0.1"]},
        "bound": {"hostname": HOSTNAME, "channel_bindings": "require", "certificate": certificate_file(folder)},
        "may-be-bound": {"hostname": HOSTNAME, "channel_bindings": "allow", "certificate": certificate_file(folder)},
    }


async def is_a_member(identity: Identity, request: AuthRequest) -> bool:
    """An application's function that has to be awaited."""
    return identity.name == "alice" and request.path in ("/hello", "/ws") and not request.authorization


def is_welcome(identity: Identity, request: AuthRequest) -> bool:
    """An application's function that is not async."""
    return identity.name == "bob"


async def never(request: AuthRequest) -> bool:
    """An application's function that has to be awaited: asks nobody for a ticket."""
    assert not request.authorization
    return False


def not_told(request: AuthRequest) -> Any:
    """An application's function that has a fault."""
    return "yes"


def own_challenge(request: AuthRequest) -> str:
    """A page of the application's, made by a function that is not async."""
    return f"<p>Sign in for {request.path}, {request.values('accept')}, {request.authorization}</p>"


async def own_denial(request: AuthRequest) -> tuple[bytes, str]:
    """Another one, of another type, that has to be awaited."""
    return f"No {request.path} for you".encode(), "text/x-own"


async def broken_challenge(request: AuthRequest) -> str:
    """A page that cannot be made."""
    raise LookupError("no such page here")


def broken_denial(request: AuthRequest) -> int:
    """A page that is none."""
    return 403


def no_username(_: object) -> str:
    """An application's function that has a fault."""
    raise LookupError("no such user here")


def fail_to_listen(event: Event) -> None:
    """An application's listener that has a fault."""
    raise LookupError("no such queue here")


def write_down(event: Event) -> None:
    """An application's listener: writes what it hears into the log, in whatever process that is."""
    reason = None if event.reason is None else event.reason.name
    _events.warning("%s%s", EVENT, json.dumps({**vars(event), "reason": reason}))


def certificate_file(folder: Path) -> Path:
    """The certificate that clients would see if there were any TLS; made here, unless it is there."""
    path = folder / "contract.pem"
    if not path.exists():
        path.write_bytes(make_certificate(ec_key()).public_bytes(Encoding.PEM))
    return path


def binding(folder: Path) -> bytes:
    """The channel bindings' application data for that certificate (RFC 5929, section 4.1)."""
    der = ssl.PEM_cert_to_DER_cert(certificate_file(folder).read_text())
    return b"tls-server-end-point:" + hashlib.sha256(der).digest()


def add_services(realm: Realm) -> None:
    """The services that :func:`variants` speaks of, beside ``HTTP/www.example.test``."""
    realm.service("HTTP/second.example.test")
    realm.service("cifs/www.example.test")
    realm.rekey(realm.service("HTTP/stale.example.test"), update_keytab=False)
    # Made anew, a principal has other keys of the same version.
    principal = realm.service("HTTP/wrongkey.example.test").principal
    realm.kadmin("delprinc", "-force", principal)
    realm.kadmin("addprinc", "-randkey", principal)
    add_service_of_type(realm, "HTTP/notype.example.test", "aes128-cts", "aes256-cts")
    add_service_of_type(realm, "HTTP/camellia.example.test", "camellia128-cts")
    # Known to the KDC, and in no keytab of the server's.
    realm.service("HTTP/nokey.example.test", keytab="elsewhere.keytab")


def add_service_of_type(realm: Realm, name: str, in_keytab: str, in_kdc: str = "", keytab: Path | None = None) -> None:
    """Add a service whose key in the keytab is of one encryption type.

    Args:
        realm: the realm.
        name: the service.
        in_keytab: the type of that key.
        in_kdc: the type of the KDC's key, of the same version, where that is another.
        keytab: the keytab, if it is not the realm's.
    """
    realm.kadmin("addprinc", "-randkey", "-e", f"{in_keytab}:normal", name)
    realm.kadmin("ktadd", "-k", f"FILE:{keytab or realm.keytab}", "-norandkey", name)
    if in_kdc:
        realm.kadmin("cpw", "-randkey", "-e", f"{in_kdc}:normal", name)
        realm.kadmin("modprinc", "-kvno", "1", name)


class Switch:
    """Several applications behind one server; the field ``X-Variant`` of a request says which it is for, and
    ``X-Without-Denials`` hides that the server can deny the handshake of a WebSocket by a response.

    Args:
        apps: the applications, by variant.
    """

    def __init__(self, apps: Mapping[str, Any]) -> None:
        self._apps = apps

    async def asgi(self, scope: Any, receive: Any, send: Any) -> None:
        """The application of ASGI; the lifespan is that of the usual variant."""
        fields = dict(scope.get("headers", ()))
        if b"x-without-denials" in fields:
            scope["extensions"] = {
                name: value for name, value in scope["extensions"].items() if name != "websocket.http.response"
            }
        await self._apps[fields.get(b"x-variant", b"").decode()](scope, receive, send)

    def wsgi(self, environ: dict[str, Any], start_response: Any) -> Any:
        """The application of WSGI."""
        return self._apps[environ.get("HTTP_X_VARIANT", "")](environ, start_response)


@dataclass(frozen=True)
class Adapter:
    """An adapter in one way of using it.

    Attributes:
        name: for the test's id.
        build: makes the contract's application with options, or unconfigured with None.
        servers: what can run it.
        places: where its ``/who`` finds the user.
        websockets: whether it has any.
        two_legs: whether it knows the client's connection, so that an exchange can have two legs.
        early: whether it answers before the body is read.
        whole: whether it guards the whole application, which shows a page to strangers.
    """

    name: str
    build: Callable[[Options | None], Any]
    servers: Sequence[str]
    places: frozenset[str] = frozenset()
    websockets: bool = False
    two_legs: bool = True
    early: bool = True
    whole: bool = False


UVICORN = ("uvicorn-h11", "uvicorn-httptools")
ASYNCIO = (*UVICORN, "hypercorn-asyncio")
ANY_LOOP = (*ASYNCIO, "hypercorn-trio")
WSGI = ("werkzeug", "gunicorn")

_FLASK = frozenset({"user", "g", "REMOTE_USER", "remote_user"})
_QUART = frozenset({"user", "scope", "g"})
_STARLETTE = frozenset({"user", "scope", "request.user", "request.user.identity", "auth"})
_FASTAPI = frozenset({"user", "scope"})
_ASGI = frozenset({"scope"})
_WSGI = frozenset({"environ", "REMOTE_USER"})


def _flask_sync(options: Options | None) -> Any:
    return flask_app.build(options, asynchronous=False)


def _flask_async(options: Options | None) -> Any:
    return flask_app.build(options, asynchronous=True)


def _starlette_middleware(options: Options | None) -> Any:
    # Starlette makes its middlewares when the lifespan begins, and of the variants only the usual one has any.
    app = starlette_app.middleware(options)
    app.middleware_stack = app.build_middleware_stack()
    return app


ADAPTERS = {
    adapter.name: adapter
    for adapter in (
        Adapter("flask-sync", _flask_sync, WSGI, _FLASK),
        Adapter("flask-async", _flask_async, WSGI, _FLASK),
        # The bridge reads the whole body first, and has no REMOTE_PORT. It serves on asyncio alone.
        Adapter("flask-in-asgi", flask_app.bridged, ASYNCIO, _FLASK, two_legs=False, early=False),
        Adapter("flask-in-asgi-below-middleware", flask_app.bridged_below_middleware, ASYNCIO, _FLASK, whole=True),
        Adapter(
            "quart-async", lambda options: quart_app.build(options, asynchronous=True), ASYNCIO, _QUART, websockets=True
        ),
        Adapter("quart-sync", lambda options: quart_app.build(options, asynchronous=False), ASYNCIO, _QUART),
        Adapter(
            "quart-trio",
            lambda options: quart_app.build(options, asynchronous=True, factory=QuartTrio),
            ("hypercorn-trio",),
            _QUART,
            websockets=True,
        ),
        Adapter(
            "quart-trio-sync",
            lambda options: quart_app.build(options, asynchronous=False, factory=QuartTrio),
            ("hypercorn-trio",),
            _QUART,
        ),
        Adapter(
            "starlette-async",
            lambda options: starlette_app.functions(options, asynchronous=True),
            ANY_LOOP,
            _STARLETTE,
            websockets=True,
        ),
        Adapter(
            "starlette-sync", lambda options: starlette_app.functions(options, asynchronous=False), ANY_LOOP, _STARLETTE
        ),
        Adapter("starlette-methods", starlette_app.methods, ANY_LOOP, _STARLETTE, websockets=True),
        Adapter("starlette-class", starlette_app.classes, ANY_LOOP, _STARLETTE, websockets=True),
        Adapter("starlette-middleware", _starlette_middleware, ANY_LOOP, _STARLETTE, websockets=True, whole=True),
        Adapter(
            "fastapi-async",
            lambda options: fastapi_app.build(options, asynchronous=True),
            ANY_LOOP,
            _FASTAPI,
            websockets=True,
        ),
        Adapter("fastapi-sync", lambda options: fastapi_app.build(options, asynchronous=False), ANY_LOOP, _FASTAPI),
        Adapter("asgi", asgi_app.build, ANY_LOOP, _ASGI, websockets=True, whole=True),
        Adapter("wsgi", wsgi_app.build, WSGI, _WSGI, whole=True),
    )
}


@dataclass(frozen=True)
class Deployment:
    """An adapter on a server."""

    adapter: Adapter
    server: str

    def __str__(self) -> str:
        return f"{self.adapter.name}-on-{self.server}"

    @property
    def in_process(self) -> bool:
        """Whether the server runs in the tests' process."""
        return self.server != "gunicorn"

    @property
    def early(self) -> bool:
        """Whether it answers before the body is sent. On Hypercorn it would end the connection for the client."""
        return self.adapter.early and not self.server.startswith("hypercorn")

    @property
    def keeps_alive(self) -> bool:
        """Whether a connection is good for more than one request that the application answers.

        werkzeug's server closes each. uvicorn may begin a request in the context in which the response to the one
        before it is sent, and asgiref's bridge fails there ("CurrentThreadExecutor already quit or is broken").
        """
        bridged = self.adapter.name.startswith("flask-in-asgi")
        return self.server != "werkzeug" and not (bridged and self.server.startswith("uvicorn"))

    @property
    def two_legs(self) -> bool:
        """Whether an exchange of two legs can be completed."""
        return self.adapter.two_legs and self.server != "werkzeug"

    @contextlib.contextmanager
    def run(self, folder: Path, threads: ThreadGuard) -> Generator[Running, None, None]:
        """Serve all variants of the application.

        Args:
            folder: the realm's.
            threads: told of the server's thread.
        """
        with closing_all(), self._server(folder, threads) as server:
            yield Running(self, server.address, server.log)

    @contextlib.contextmanager
    def run_one(self, options: Options) -> Generator[Running, None, None]:
        """Serve the application with these options alone, in this process."""
        with closing_all():
            switch = Switch({"": self.adapter.build(options)})
            with self._in_process_server(switch, None) as server:
                yield Running(self, server.address)

    def _server(self, folder: Path, threads: ThreadGuard) -> Server:
        if self.server == "gunicorn":
            env = {"CONTRACT_FOLDER": str(folder), "CONTRACT_ADAPTER": self.adapter.name}
            return Gunicorn("tests.support.deployments:application", folder, env=env)
        return self._in_process_server(_switch(self.adapter, folder), threads)

    def _in_process_server(self, switch: Switch, threads: ThreadGuard | None) -> Server:
        if self.server == "werkzeug":
            return Werkzeug(switch.wsgi, threads=threads)
        name, _, detail = self.server.partition("-")
        if name == "hypercorn":
            return Hypercorn(switch.asgi, loop=detail, threads=threads)
        http, _, ws = detail.partition("+")
        return Uvicorn(switch.asgi, http=http, ws=ws or "wsproto", threads=threads)


@dataclass(frozen=True)
class Running:
    """A deployment that answers.

    Attributes:
        deployment: which.
        address: where.
        log: the file with its log, if it does not log in this process.
    """

    deployment: Deployment
    address: Address
    log: Path | None = field(default=None, repr=False)

    @property
    def adapter(self) -> Adapter:
        """Its adapter."""
        return self.deployment.adapter

    def connect(self, *, new_port: bool = False) -> Connection:
        """A connection; see :class:`Connection`."""
        return Connection(self.address, new_port=new_port)

    def get(
        self,
        path: str = "/hello",
        authorization: str | None = None,
        *,
        variant: str = "",
        method: str = "GET",
        fields: Fields = (),
        body: bytes = b"",
        new_port: bool = False,
    ) -> Response:
        """One request on a separate connection."""
        fields = [("X-Variant", variant), *fields]
        with self.connect(new_port=new_port) as connection:
            return connection.request(path, authorization, method=method, fields=fields, body=body)

    def websocket(
        self,
        path: str = "/ws",
        authorization: str | None = None,
        *,
        variant: str = "",
        fields: Fields = (),
        denials: bool = True,
    ) -> WebSocketClient:
        """The handshake of a WebSocket.

        Args:
            path: the path.
            authorization: the value of ``Authorization``.
            variant: which of the applications.
            fields: further fields.
            denials: whether the server's extension for denials is passed on to the application.
        """
        named = {"X-Variant": variant, **dict(fields)}
        if not denials:
            named["X-Without-Denials"] = "1"
        return WebSocketClient(self.address, path, authorization, fields=named)

    def logged(self, caplog: pytest.LogCaptureFixture) -> str:
        """What the server has logged."""
        if self.log is not None:
            return self.log.read_text()
        return "\n".join(record.getMessage() for record in caplog.records if record.levelno >= logging.INFO)

    def events(self, caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
        """What the listener of the variant ``"told"`` has heard so far."""
        return [json.loads(line.partition(EVENT)[2]) for line in self.logged(caplog).splitlines() if EVENT in line]


def _switch(adapter: Adapter, folder: Path) -> Switch:
    return Switch({name: adapter.build(options) for name, options in variants(folder).items()})


def application() -> Any:
    """The WSGI application of the contract, in gunicorn's process."""
    return _switch(ADAPTERS[os.environ["CONTRACT_ADAPTER"]], Path(os.environ["CONTRACT_FOLDER"])).wsgi


@contextlib.contextmanager
def closing_all() -> Generator[None, None, None]:
    """Close every ``Kerberos`` that is made meanwhile."""
    made: list[Kerberos] = []
    original = Kerberos.__post_init__

    def noting(kerberos: Kerberos) -> None:
        original(kerberos)
        made.append(kerberos)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Kerberos, "__post_init__", noting)
        try:
            yield
        finally:
            for kerberos in made:
                kerberos.close()


def chosen(servers: Mapping[str, str]) -> list[Deployment]:
    """Some adapters, each on one server; by their names."""
    return [Deployment(ADAPTERS[adapter], server) for adapter, server in servers.items()]


ALL = [Deployment(adapter, server) for adapter in ADAPTERS.values() for server in adapter.servers]

KEPT_ALIVE = [deployment for deployment in ALL if deployment.keeps_alive]

ONE_SERVER = [Deployment(adapter, adapter.servers[0]) for adapter in ADAPTERS.values()]
"""Each adapter on one server, for what no server has a part in."""

# uvicorn's implementations of WebSockets, those that the installed version has.
_UVICORN_WEBSOCKETS = [
    f"uvicorn-{http}+{implementation}"
    for http, implementation in (("h11", "wsproto"), ("httptools", "websockets"), ("h11", "websockets-sansio"))
    if find_spec(f"uvicorn.protocols.websockets.{implementation.replace('-', '_')}_impl") is not None
]

WEBSOCKETS = [
    Deployment(adapter, server)
    for adapter in ADAPTERS.values()
    if adapter.websockets
    for server in (
        *(_UVICORN_WEBSOCKETS if "uvicorn-h11" in adapter.servers else []),
        *(server for server in adapter.servers if server.startswith("hypercorn")),
    )
]


def on(deployments: Sequence[Deployment]) -> pytest.MarkDecorator:
    """Run a test against each of these deployments; it takes ``deployed``."""
    # With `pytest --dist loadgroup`, each is started by one process only.
    parameters = [
        pytest.param(deployment, id=str(deployment), marks=pytest.mark.xdist_group(str(deployment)))
        for deployment in deployments
    ]
    return pytest.mark.parametrize("deployed", parameters, indirect=True)
