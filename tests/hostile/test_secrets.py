"""Tokens, keys, passwords and cookies are shown by no repr, no error and no traceback."""

from __future__ import annotations

import asyncio
import dataclasses
import importlib
import os
import pkgutil
import re
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import flask
import pytest
import quart
from fastapi import Depends, FastAPI
from starlette.applications import Starlette
from starlette.routing import Route
from werkzeug.test import EnvironBuilder, run_wsgi_app

import async_kerberos
from async_kerberos import Accepted, AuthRequest, ConfigurationError, Denied, Event, Identity, Kerberos, Reason
from async_kerberos._gss.acceptor import Acceptor, Held
from async_kerberos._gss.keyring import Keyring
from async_kerberos._gss.steps import AcquireError, Continued, Established, Refused
from async_kerberos._protocol.header import MalformedHeaderError, TokenTooLargeError, parse_authorization
from async_kerberos._web.state import STATE
from async_kerberos.adapters import fastapi as kerberos_fastapi
from async_kerberos.adapters import flask as kerberos_flask
from async_kerberos.adapters import quart as kerberos_quart
from async_kerberos.adapters import starlette as kerberos_starlette
from async_kerberos.adapters.asgi import KerberosMiddleware
from async_kerberos.adapters.wsgi import KerberosMiddleware as WSGIKerberosMiddleware
from async_kerberos.methods.tickets import Leg
from async_kerberos.testing import Realm, RealmError, Service, User

from ..adapters.support import ask
from ..support.asking import auth_request
from ..support.initiator import TWO_LEGS, Initiator, fresh, negotiate
from ..support.secrets import Secrets, SecretsGuard
from ..support.waiting import free_credentials
from .secret_site import HOST, TARGET

PEER = ("192.0.2.7", 40000)


def exchange(**options: Any) -> tuple[Kerberos, AuthRequest, Any]:
    """A service, a request with a real token, and the outcome."""
    kerberos = Kerberos(hostname=HOST)
    request = auth_request((fresh(TARGET, **options),), PEER)
    return kerberos, request, kerberos.authenticate_blocking(request)


def test_reprs(token: bytes, mallory: User, service: Service, realm: Realm, secrets_guard: SecretsGuard) -> None:
    """No value, public or internal, shows the secrets that it holds when it is printed."""
    kerberos, request, accepted = exchange()
    assert isinstance(accepted, Accepted)
    half_open, _, denied = exchange(flags=TWO_LEGS)
    assert isinstance(denied, Denied)
    assert denied.reason is Reason.CONTINUE
    acceptor = Acceptor("HTTP", (HOST,), None)
    established = acceptor.step(Initiator(TARGET).step())
    continued = acceptor.step(Initiator(TARGET, flags=TWO_LEGS).step())
    refused = acceptor.step(token[:-40])
    assert isinstance(established, Established)
    assert isinstance(continued, Continued)
    assert isinstance(refused, Refused)
    leg = Leg(acceptor, Initiator(TARGET).step(), None, True)
    holders: list[Any] = [request, accepted, denied, leg, established, continued, mallory]
    later = dataclasses.replace(request, earlier=accepted.checked)
    others: list[Any] = [later, accepted.identity, kerberos, half_open, refused, service, realm, acceptor]
    for value in (*holders, *others):
        for text in (repr(value), str(value), f"{value}", repr([value])):
            assert secrets_guard.secrets.find(text) == [], type(value)
    # They do hold them.
    for value in holders:
        names = [*getattr(value, "__dict__", ()), *fields_of(type(value))]
        assert secrets_guard.secrets.find(repr([getattr(value, name) for name in names])) != [], type(value)
    kerberos.close()
    half_open.close()


def test_events(token: bytes, secrets_guard: SecretsGuard) -> None:
    """Whatever became of it, an event has neither the token nor anything that leads to it."""
    heard: list[Event] = []
    kerberos = Kerberos(hostname=HOST, on_event=heard.append)
    good = fresh(TARGET)
    for authorization in (good, good, fresh(TARGET, flags=TWO_LEGS), negotiate(token[:-40])):
        assert secrets_guard.secrets.find(authorization) != []
        kerberos.authenticate_blocking(auth_request((authorization,), PEER, fields={"host": [HOST]}, path="/x"))
    kerberos.close()
    assert [event.outcome for event in heard] == ["accepted", "refused", "challenged", "refused"]
    for event in heard:
        plain = (str, int, float, tuple, Reason, type(None))
        assert all(isinstance(value, plain) for value in vars(event).values())
        assert secrets_guard.secrets.find(repr([event, vars(event)])) == []


def test_environ(token: bytes, secrets_guard: SecretsGuard) -> None:
    """An environ, which debug pages show, shows no credentials that were hidden; nor does a state, of either kind."""
    states: list[Any] = []

    def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        states.append(environ[STATE])
        assert secrets_guard.secrets.find(repr(environ)) == []
        start_response("200 OK", [])
        return []

    async def below(scope: Any, receive: Any, send: Any) -> None:
        states.append(scope[STATE])
        assert secrets_guard.secrets.find(repr(scope)) == []
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    wsgi_app = WSGIKerberosMiddleware(application, hostname=HOST, hide_authorization=True)
    environ = EnvironBuilder(headers=[("Authorization", fresh(TARGET))]).get_environ()
    assert run_wsgi_app(wsgi_app, environ)[1] == "200 OK"
    app = KerberosMiddleware(below, hostname=HOST, hide_authorization=True)
    assert ask(app, "/", fresh(TARGET)).status == 200
    for state in states:
        assert secrets_guard.secrets.find(repr(state)) == []
        assert secrets_guard.secrets.find(repr(state.hidden)) != []


def classes_of_the_package() -> Iterator[type]:
    for module in pkgutil.walk_packages(async_kerberos.__path__, "async_kerberos."):
        if not module.name.startswith("async_kerberos.cli.examples") and not module.name.endswith("__main__"):
            for value in vars(importlib.import_module(module.name)).values():
                if isinstance(value, type) and value.__module__ == module.name:
                    yield value


_SECRET = re.compile(r"token$|authorization|cookie|password|^headers$|^fields$|(^|_)key$|secret")


def test_no_field_with_a_secret_is_shown() -> None:
    """Whatever dataclass has a field for a token, a header, a cookie, a key or a password keeps it out of its repr."""
    seen: set[str] = set()
    for kind in classes_of_the_package():
        if dataclasses.is_dataclass(kind):
            for field in dataclasses.fields(kind):
                if _SECRET.search(field.name) or "bytes" in str(field.type):
                    seen.add(f"{kind.__name__}.{field.name}")
                    assert not field.repr, f"{kind.__qualname__}.{field.name}"
    assert {"AuthRequest.fields", "Checked.authorization", "Accepted.headers", "User.password"} <= seen


def fields_of(kind: Any) -> tuple[str, ...]:
    """The fields of a named tuple, or of a class with slots."""
    names: tuple[str, ...] = getattr(kind, "_fields", ()) or getattr(kind, "__slots__", ())
    return names


def test_no_tuple_shows_a_secret() -> None:
    """No tuple, and no class with slots, with a field for a token, a header, a cookie, a key or a password shows it."""
    seen: set[str] = set()
    for kind in classes_of_the_package():
        make: Any = kind
        fields = fields_of(kind)
        secret = [name for name in fields if _SECRET.search(name)]
        if secret:
            seen.update(f"{kind.__name__}.{name}" for name in secret)
            values = {name: auth_request() if name == "request" else f"value of {name}" for name in fields}
            assert not any(f"value of {name}" in repr(make(**values)) for name in secret), kind.__qualname__
    assert {"Leg.token", "Established.token", "Continued.token"} <= seen


def shown_locals(error: BaseException, secrets: Secrets) -> set[tuple[str, str]]:
    """The package's functions, and the local variables of theirs, that show a secret in a traceback with locals."""
    found: set[tuple[str, str]] = set()
    waiting: list[traceback.TracebackException | None] = [
        traceback.TracebackException.from_exception(error, capture_locals=True)
    ]
    while waiting:
        told = waiting.pop()
        if told is not None:
            waiting += [told.__cause__, told.__context__]
            for frame in told.stack:
                if f"{os.sep}async_kerberos{os.sep}" in frame.filename:
                    found |= {(frame.name, name) for name, value in (frame.locals or {}).items() if secrets.find(value)}
    return found


def fail(*_: object) -> Any:
    """What a view does."""
    raise ZeroDivisionError("a view's own fault")


async def call(app: Any, header: str) -> None:
    """Make one request of an ASGI application."""

    messages: list[dict[str, object]] = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> dict[str, object]:
        if not messages:
            await asyncio.Event().wait()
        return messages.pop()

    async def send(message: Any) -> None:
        """Nobody reads the answer."""

    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": "/",
        "raw_path": b"/",
        "root_path": "",
        "query_string": b"",
        "headers": [(b"host", HOST.encode()), (b"authorization", header.encode())],
        "client": PEER,
        "server": ("127.0.0.1", 80),
        "extensions": {},
    }
    await app(scope, receive, send)


def _starlette(kerberos: Kerberos, header: str) -> None:
    @kerberos_starlette.requires_authentication(kerberos=kerberos)
    async def view(user: str, request: Any) -> Any:
        fail(user)

    asyncio.run(call(Starlette(routes=[Route("/", view)]), header))


def _fastapi(kerberos: Kerberos, header: str) -> None:
    app = FastAPI()

    @app.get("/")
    async def view(identity: Identity = Depends(kerberos_fastapi.KerberosIdentity())) -> None:
        fail(identity)

    # A dependency is over when the view fails: what the error passes is the application's middleware.
    configured = kerberos_fastapi.init_kerberos(app, hostname=HOST)
    try:
        asyncio.run(call(app, header))
    finally:
        configured.close()


def _quart(kerberos: Kerberos, header: str) -> None:
    app = quart.Quart(__name__)
    app.config["PROPAGATE_EXCEPTIONS"] = True

    @app.route("/")
    @kerberos_quart.requires_authentication(kerberos=kerberos)
    async def view(user: str) -> str:
        return str(fail(user))

    asyncio.run(call(app, header))


def _flask(kerberos: Kerberos, header: str) -> None:
    app = flask.Flask(__name__)
    app.config["PROPAGATE_EXCEPTIONS"] = True

    @app.route("/")
    @kerberos_flask.requires_authentication(kerberos=kerberos)
    def view(user: str) -> str:
        return str(fail(user))

    app.test_client().get("/", headers={"Authorization": header})


async def _failing_app(scope: Any, receive: Any, send: Any) -> None:
    fail()


VIEWS: dict[str, tuple[Callable[[Kerberos, str], object], set[tuple[str, str]]]] = {
    "starlette": (_starlette, set()),
    "quart": (_quart, set()),
    "flask": (_flask, set()),
    # Every middleware of ASGI has the scope, with all headers, in a local of that name: those of frameworks too.
    "fastapi": (_fastapi, {("__call__", "scope")}),
    "middleware": (
        lambda kerberos, header: asyncio.run(call(KerberosMiddleware(_failing_app, kerberos), header)),
        {("__call__", "scope")},
    ),
}


@pytest.mark.parametrize("adapter", VIEWS)
def test_tracebacks_of_views(token: bytes, secrets_guard: SecretsGuard, adapter: str) -> None:
    """Where a view fails, the traceback shows no token; one with locals shows none of the package's but the scope."""
    run, scopes = VIEWS[adapter]
    kerberos = Kerberos(hostname=HOST)
    with pytest.raises(ZeroDivisionError) as caught:
        run(kerberos, negotiate(token))
    kerberos.close()
    plain = "".join(traceback.format_exception(caught.value))
    assert "async_kerberos" in plain
    assert secrets_guard.secrets.find(plain) == []
    assert shown_locals(caught.value, secrets_guard.secrets) == scopes


def test_traceback_of_a_step(token: bytes, secrets_guard: SecretsGuard) -> None:
    """Where GSSAPI itself is called wrongly, the traceback shows no token; one with locals does, in the step alone."""
    nonsense = Held(cast("Any", "nonsense"), None)
    with pytest.raises(TypeError) as caught:
        Acceptor("HTTP", (HOST,), None).step(token, nonsense)
    assert secrets_guard.secrets.find("".join(traceback.format_exception(caught.value))) == []
    assert shown_locals(caught.value, secrets_guard.secrets) <= {
        (name, "token") for name in ("step", "_attempt", "_step")
    }


def test_traceback_of_keys(
    service: Service, secrets_guard: SecretsGuard, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Nothing that holds the service's own keys shows them, nor does a traceback where no credential can be had."""
    acceptor = Acceptor("HTTP", (HOST,), str(service.keytab))
    own = Keyring("HTTP", lambda: {HOST: HOST}, str(service.keytab)).keys()
    assert own is not None
    (keys,) = own.principals.values()
    for value in (acceptor, own, keys, *keys.entries):
        assert secrets_guard.secrets.find(repr(value)) == [], type(value)
    assert secrets_guard.secrets.find(repr([entry.key for entry in keys.entries])) != []
    broken = tmp_path / "keytab"
    broken.write_bytes(service.keytab.read_bytes()[:-1])
    with pytest.raises(AcquireError) as caught:
        Acceptor("HTTP", ("absent.example.test",), str(broken)).describe()
    assert shown_locals(caught.value, secrets_guard.secrets) == set()
    (tmp_path / "krb5.conf").write_text("[libdefaults]\nallow_weak_crypto = perhaps\n")
    free_credentials()
    monkeypatch.setenv("KRB5_CONFIG", str(tmp_path / "krb5.conf"))
    with pytest.raises(AcquireError) as caught:
        acceptor.describe()
    assert "with_memory_keytab" in "".join(traceback.format_exception(caught.value))
    assert shown_locals(caught.value, secrets_guard.secrets) == set()


@pytest.mark.parametrize("bad", ["{} {}", "{}!", "{}=", "{},Negotiate {}"])
def test_errors_of_the_header(token: bytes, secrets_guard: SecretsGuard, bad: str) -> None:
    """What is wrong with a header is told without quoting it."""
    header = negotiate(token)
    with pytest.raises(MalformedHeaderError) as malformed:
        parse_authorization([bad.format(header, header)], 65536)
    with pytest.raises(TokenTooLargeError) as too_large:
        parse_authorization([header], len(token) - 1)
    for error in (malformed.value, too_large.value):
        assert secrets_guard.secrets.find("".join(traceback.format_exception(error))) == []


def test_errors_of_options(token: bytes, secrets_guard: SecretsGuard) -> None:
    """An error about an option shows nothing but that option's own value."""
    with pytest.raises(ConfigurationError) as caught:
        Kerberos(hostname=HOST, failure_status=200)
    assert secrets_guard.secrets.find("".join(traceback.format_exception(caught.value))) == []


def test_errors_of_the_realm(realm: Realm, mallory: User, secrets_guard: SecretsGuard) -> None:
    """Where a user or a ticket cannot be had, neither the error nor its traceback shows the password."""
    wrong = dataclasses.replace(mallory, password="not-the-password-of-mallory")
    secrets_guard.secrets.note_password(wrong.password)
    attempts: list[Callable[[], object]] = [
        wrong.kinit,
        lambda: realm.user(mallory.principal, password=mallory.password),
    ]
    for attempt in attempts:
        with pytest.raises(RealmError) as caught:
            attempt()
        assert secrets_guard.secrets.find("".join(traceback.format_exception(caught.value))) == []
