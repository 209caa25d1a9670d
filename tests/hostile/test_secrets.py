"""Tokens, keys, passwords and cookies are shown nowhere, and the guard that looks for them in every test finds them."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import dataclasses
import importlib
import logging
import os
import pkgutil
import re
import shutil
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any, cast

import flask
import pytest
import quart
from fastapi import Depends, FastAPI
from starlette.applications import Starlette
from starlette.routing import Route

import async_kerberos
from async_kerberos import Accepted, AuthRequest, ConfigurationError, Denied, Identity, Kerberos, Reason
from async_kerberos._gss.acceptor import Acceptor
from async_kerberos._gss.steps import Continued, Established, Refused
from async_kerberos._protocol.header import MalformedHeaderError, TokenTooLargeError, parse_authorization
from async_kerberos.adapters import fastapi as kerberos_fastapi
from async_kerberos.adapters import flask as kerberos_flask
from async_kerberos.adapters import quart as kerberos_quart
from async_kerberos.adapters import starlette as kerberos_starlette
from async_kerberos.adapters.asgi import KerberosMiddleware
from async_kerberos.methods.tickets import Leg
from async_kerberos.testing import Realm, RealmError, Service, User

from ..support import ROOT
from ..support.asking import auth_request
from ..support.http import get
from ..support.initiator import TWO_LEGS, Initiator, fresh, negotiate
from ..support.secrets import Secrets, SecretsGuard, ccache_keys, keytab_keys
from ..support.servers import Uvicorn

HOST = "secrets.example.test"
TARGET = f"HTTP@{HOST}"
PEER = ("192.0.2.7", 40000)

log = logging.getLogger("async_kerberos")

FORMS: dict[str, Callable[[bytes], str]] = {
    "base64": lambda data: base64.b64encode(data).decode(),
    "base64 of something around it": lambda data: base64.b64encode(b"?" + data + b"??").decode(),
    "base64url": lambda data: base64.urlsafe_b64encode(data).decode().rstrip("="),
    "base64 in lines": lambda data: base64.encodebytes(data).decode(),
    "hex": bytes.hex,
    "HEX": lambda data: data.hex(":").upper(),
    "hex in blanks": lambda data: data.hex(" ", 2),
    "repr": repr,
    "repr of a repr": lambda data: repr({"token": repr(data)}),
    "latin-1": lambda data: data.decode("latin-1"),
    "ASCII": lambda data: ascii(data.decode("latin-1")),
}


@pytest.fixture(scope="session")
def service(realm: Realm) -> Service:
    """A service of these tests' own."""
    return realm.service(f"HTTP/{HOST}")


@pytest.fixture(scope="session")
def mallory(realm: Realm, service: Service) -> User:
    """A user with a password that nobody else has."""
    return realm.user("mallory-of-the-secrets")


@pytest.fixture
def token(realm: Realm, mallory: User) -> Generator[bytes, None, None]:
    """A token that goes through GSSAPI in this test, of a user whose ticket cache is the environment's."""
    with realm.environ(mallory):
        yield Initiator(TARGET).step()


@pytest.mark.parametrize("part", [slice(None), slice(101, 122), slice(-20, None)], ids=["whole", "middle", "end"])
@pytest.mark.parametrize("form", FORMS)
def test_forms(token: bytes, secrets_guard: SecretsGuard, form: str, part: slice) -> None:
    """A token, and twenty bytes of one, are found in whatever form they are logged."""
    assert secrets_guard.search() == []
    log.warning("Kerberos: refused %s, that is all", FORMS[form](token[part]))
    assert secrets_guard.search() != []
    assert secrets_guard.search() == []


def test_innocent_texts(token: bytes, secrets_guard: SecretsGuard) -> None:
    """What says nothing of a secret is not found: a masked token, another one, padding, words and numbers."""
    masked = base64.b64encode(token)[:4].decode()
    for text in (
        f"Negotiate {masked}… (666 bytes)",
        base64.b64encode(os.urandom(600)).decode(),
        os.urandom(600).hex(),
        repr(os.urandom(600)),
        repr(bytes(100)),
        "AAAAAAAAAAAAAAAAAAAAAAAA 00000000-0000-0000-0000-000000000000",
        f"/tmp/{'some/long/path-' * 9} {HOST} Kerberos: 403 for 192.0.2.7: replay (Request is a replay).",
        "Ünïcödé and \\x00\\x01 \\n",
    ):
        assert secrets_guard.secrets.find(text) == [], text


def _log_an_error(text: str, _: Path) -> None:
    try:
        raise ValueError(text)
    except ValueError:
        log.exception("failed")


def _log_a_cause(text: str, _: Path) -> None:
    try:
        raise RuntimeError("failed") from ValueError(text)
    except RuntimeError as error:
        log.warning("failed", exc_info=error)


def _log_on_a_disabled_level(text: str, _: Path) -> None:
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        logging.getLogger("starlette").debug(text)
    finally:
        logging.disable(before)


def _write_into_a_file(text: str, folder: Path) -> None:
    source = folder / "source"
    source.write_text(text)
    with (folder / "copy").open("wb") as file:
        subprocess.run(["cat", source], stdout=file, check=True)


PLACES: dict[str, Callable[[str, Path], object]] = {
    "message": lambda text, _: log.warning(text),
    "argument": lambda text, _: log.warning("refused: %s", text),
    "argument that is not shown": lambda text, _: log.warning("refused%.0s", text),
    "extra": lambda text, _: log.warning("refused", extra={"authorization": text}),
    "exception": _log_an_error,
    "cause": _log_a_cause,
    "level below the logger's": lambda text, _: log.debug(text),
    "disabled level": _log_on_a_disabled_level,
    "pipe of a process": lambda text, _: subprocess.run(["cat"], input=text, text=True, capture_output=True),
    "file of a process": _write_into_a_file,
    "arguments of a process": lambda text, _: subprocess.run(["true", f"--token={text}"], check=True),
}


@pytest.mark.parametrize("propagate", [True, False])
@pytest.mark.parametrize("place", PLACES)
def test_places(
    token: bytes,
    secrets_guard: SecretsGuard,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    place: str,
    propagate: bool,
) -> None:
    """A token is found wherever a handler, or whoever looks at a process, could come upon it."""
    monkeypatch.setattr(log, "propagate", propagate)
    monkeypatch.setattr(log, "handlers", [logging.NullHandler()])
    PLACES[place](base64.b64encode(token).decode(), tmp_path)
    assert secrets_guard.search() != []


def test_printed(token: bytes, secrets_guard: SecretsGuard) -> None:
    """What tests print counts as well, and fails the test."""
    assert secrets_guard.printed("all is well", token.hex()) != []
    assert secrets_guard.printed("all is well", "") == []


@pytest.fixture(scope="session")
def secret_kinds(realm: Realm, mallory: User, service: Service) -> dict[str, str]:
    """Secrets of other kinds than tokens, as text."""
    with realm.environ(mallory):
        fresh(TARGET)
    listed = subprocess.run(["klist", "-k", "-K", str(service.keytab)], capture_output=True, text=True, check=True)
    keys = re.findall(rf"HTTP/{re.escape(HOST)}@.*\(0x([0-9a-f]+)\)", listed.stdout)
    assert len(keys) == 2
    session_keys = [key.hex() for key in ccache_keys(mallory.ccache.read_bytes())]
    # One of the ticket-granting ticket, and one of the service's.
    assert [len(key) for key in session_keys] == [64, 64]
    return {
        "password": mallory.password,
        "half of a password": mallory.password[:12],
        "key": keys[0],
        "other key": keys[1],
        "session key of the ticket-granting ticket": session_keys[0],
        "session key of the service": session_keys[1],
    }


def test_keys_and_passwords(secret_kinds: dict[str, str], secrets_guard: SecretsGuard) -> None:
    """The realm's passwords, the keys that klist shows, and session keys are found, in clear and encoded."""
    secrets_guard.search()  # klist has shown keys
    for kind, text in secret_kinds.items():
        log.warning("%s", text)
        assert secrets_guard.search() != [], kind
        data = text.encode() if "password" in kind else bytes.fromhex(text)
        for form in ("base64", "hex") if "password" in kind else ("base64", "hex", "repr"):
            log.warning("%s", FORMS[form](data))
            assert secrets_guard.search() != [], (kind, form)


def test_files_of_keys(realm: Realm, mallory: User, service: Service, secrets_guard: SecretsGuard) -> None:
    """Every key in the keytab is read, as many as klist lists, and each ticket's session key once."""
    listed = subprocess.run(["klist", "-k", "-K", str(realm.keytab)], capture_output=True, text=True, check=True)
    assert secrets_guard.search() != []
    expected = sorted(re.findall(r"\(0x([0-9a-f]+)\)", listed.stdout))
    assert sorted(key.hex() for key in keytab_keys(realm.keytab.read_bytes())) == expected


@pytest.mark.parametrize(
    ("fields", "secret"),
    [
        ([("Cookie", "theme=dark; session=s3ss10n-0f-s0meb0dy")], "s3ss10n-0f-s0meb0dy"),
        ([("Authorization", "Bearer t0k3n-0f-s0meb0dy")], "t0k3n-0f-s0meb0dy"),
        ([("AUTHORIZATION", "Basic YWxpY2U6aGVyIHBhc3N3b3Jk")], "alice:her password"),
        ([("Authorization", "Negotiate not/base64/at/all!")], "not/base64/at/all!"),
    ],
    ids=["cookie", "bearer", "basic", "malformed"],
)
def test_fields(secrets_guard: SecretsGuard, fields: list[tuple[str, str]], secret: str) -> None:
    """Cookies and credentials that a test sends are found, as they were sent and decoded."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    async def no_lifespan(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await app(scope, receive, send)

    with Uvicorn(no_lifespan, lifespan="off") as server:
        assert get(server.address, "/", fields=fields).status == 204
    assert secrets_guard.search() == []
    if secret in fields[0][1]:
        log.warning("%s", secret)
    else:
        log.warning("%s", secret.encode().hex())
    assert secrets_guard.search() != []


def test_tokens_are_forgotten() -> None:
    """A token counts in the test that it was used in, and in the next, where a server may still log it."""
    secrets = Secrets()
    token = os.urandom(600)
    secrets.note_token(token)
    assert secrets.find(token.hex()) != []
    secrets.forget()
    assert secrets.find(token.hex()) != []
    secrets.forget()
    assert secrets.find(token.hex()) == []


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
        held: dict[str, Any] = getattr(value, "__dict__", None) or value._asdict()
        assert secrets_guard.secrets.find(repr(held)) != [], type(value)
    kerberos.close()
    half_open.close()


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


def test_no_tuple_shows_a_secret() -> None:
    """Nor does any tuple with such a field."""
    seen: set[str] = set()
    for kind in classes_of_the_package():
        make: Any = kind
        fields: tuple[str, ...] = getattr(kind, "_fields", ())
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
    nonsense = cast("Any", "nonsense")
    with pytest.raises(TypeError) as caught:
        Acceptor("HTTP", (HOST,), None).step(token, nonsense)
    assert secrets_guard.secrets.find("".join(traceback.format_exception(caught.value))) == []
    assert shown_locals(caught.value, secrets_guard.secrets) <= {("step", "token"), ("_step", "token")}


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


# The realm's programs note their arguments and what they are told, and take so long that nobody who polls misses one.
_NOTING = """#!/bin/sh
echo "$0 $*" >> {folder}/arguments
case "$0" in */krb5kdc) exec {real} "$@" ;; esac
sleep 0.05
tee -a {folder}/told | {real} "$@" || exit
case "$*" in "ktadd -k FILE:"*) cp "${{3#FILE:}}" {folder}/keytab ;; esac
"""


@dataclasses.dataclass
class Noted:
    """What became known of processes.

    Attributes:
        folder: where the realm's programs note theirs; also the folder for temporary files of those that use it.
        lines: command lines in /proc.
    """

    folder: Path
    lines: set[bytes] = dataclasses.field(default_factory=lambda: set[bytes]())

    @property
    def arguments(self) -> str:
        """All arguments, one process a line."""
        lines = [line.replace(b"\0", b" ").decode("latin-1") for line in self.lines]
        return "\n".join([(self.folder / "arguments").read_text(), *lines])

    @property
    def told(self) -> list[str]:
        """What the programs were told: the passwords."""
        return (self.folder / "told").read_text().splitlines()

    def poll(self, over: threading.Event) -> None:
        """Read the command lines of all that have the folder in their environment, again and again."""
        while not over.wait(0.005):
            for entry in Path("/proc").glob("[0-9]*"):
                with contextlib.suppress(OSError):  # another user's, or gone meanwhile
                    if os.fsencode(self.folder) in (entry / "environ").read_bytes():
                        self.lines.add((entry / "cmdline").read_bytes())


@pytest.fixture
def noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[Noted, None, None]:
    """Whatever process is started meanwhile."""
    programs = tmp_path / "bin"
    programs.mkdir()
    noted = Noted(tmp_path)
    for name in ("krb5kdc", "kadmin.local", "kdb5_util", "kinit"):
        real = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin:/usr/local/sbin")
        program = programs / name
        program.write_text(_NOTING.format(folder=tmp_path, real=real))
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    over = threading.Event()
    poller = threading.Thread(target=noted.poll, args=[over])
    poller.start()
    yield noted
    over.set()
    poller.join()


def assert_nothing_in_arguments(noted: Noted, secrets: Secrets) -> None:
    """What was told, and the keys, are in no process's arguments, though each of its programs has been seen."""
    arguments = noted.arguments
    for name in ("krb5kdc", "kadmin.local", "kdb5_util", "kinit"):
        assert f"/bin/{name} " in (noted.folder / "arguments").read_text()
        assert any(f"/{name}\0".encode() in line for line in noted.lines), name
    assert len(noted.told) >= 3
    for password in noted.told:
        secrets.note_password(password)
        assert password not in arguments
    for key in keytab_keys((noted.folder / "keytab").read_bytes()):
        secrets.note_key(key)
    assert secrets.find("\n".join(noted.told)) != []
    assert secrets.find(arguments) == []
    # The database's password, which has an option of its own.
    assert " -P " not in arguments
    assert " -pw " not in arguments


def test_arguments_of_a_realm(noted: Noted) -> None:
    """No process of a realm with users and services has a password or a key in its arguments."""
    with Realm() as realm:
        realm.user("alice")
        realm.user("bob", password="it is bob's own password").kinit()
        service = realm.service(f"HTTP/{HOST}")
        realm.rekey(service)
    assert_nothing_in_arguments(noted, Secrets())


def test_arguments_of_a_demo(noted: Noted) -> None:
    """No process of a demo has a password, a key or a token in its arguments, and its output has none either."""
    command = [sys.executable, "-m", "async_kerberos.cli", "demo", "--once"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("KRB5")}
    demo = subprocess.run(
        command, env={**environment, "PYTHONPATH": str(ROOT)}, cwd=noted.folder, capture_output=True, text=True
    )
    assert demo.returncode == 0, demo.stdout + demo.stderr
    secrets = Secrets()
    assert_nothing_in_arguments(noted, secrets)
    # Its token is known to nobody here, but not how it begins, after what may be shown.
    assert re.search(r"YI\w\w[\w+/]{4}", noted.arguments + demo.stdout + demo.stderr) is None
    assert secrets.find(demo.stdout + demo.stderr) == []
