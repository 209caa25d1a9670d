"""Each example as it stands: started by `python examples/….py`, and signed in to with a ticket of a real realm."""

from __future__ import annotations

import contextlib
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Mapping
from pathlib import Path

import pytest
from fastapi import HTTPException

import async_kerberos
from async_kerberos import Identity
from async_kerberos.testing import Realm, Service, User

from ..support.http import Response, WebSocketClient, get
from ..support.initiator import Initiator, reply_token
from ..support.servers import free_port

_EXAMPLES = Path(__file__).parents[2] / "examples"
_ROOT = Path(async_kerberos.__file__).parents[1]

FRAMEWORKS = ("flask", "quart", "starlette", "fastapi", "asgi", "wsgi")
# They show more than one page that greets, and have tests of their own.
APPLICATIONS = (
    "git_http",
    "browser_app",
    "django_asgi",
    "django_wsgi",
    "ported_flask",
    "ported_starlette",
    "ported_fastapi",
)

Address = tuple[str, int]
SignIn = Callable[[Address, str], Response]


@contextlib.contextmanager
def running(
    example: str, service: Service, folder: Path, variables: Mapping[str, str] = {}
) -> Generator[Address, None, None]:
    """Run an example as the documentation in it says, and end it by Ctrl-C.

    Args:
        example: the name of its file, without the ending.
        service: whose keytab it has.
        folder: for its log.
        variables: further ones of its environment.
    """
    address = ("127.0.0.1", free_port())
    env = {**os.environ, **service.env, "PYTHONPATH": str(_ROOT), "PORT": str(address[1]), **variables}
    env.pop("KERBEROS_HOSTNAME", None)
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, str(_EXAMPLES / f"{example}.py")],
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        while True:
            with contextlib.suppress(ConnectionRefusedError):
                socket.create_connection(address).close()
                break
            assert process.poll() is None, log.read_text()
            time.sleep(0.02)
        yield address
        process.send_signal(signal.SIGINT)
        process.wait()
    except BaseException:
        print(log.read_text())  # what the example has said, where the test of it fails
        raise
    finally:
        process.kill()
        process.wait()
    assert "Traceback" not in log.read_text(), log.read_text()


@pytest.fixture(scope="module", params=FRAMEWORKS)
def address(
    request: pytest.FixtureRequest, localhost: Service, tmp_path_factory: pytest.TempPathFactory
) -> Generator[Address, None, None]:
    """Where each example in turn serves."""
    with running(f"{request.param}_app", localhost, tmp_path_factory.mktemp("example")) as address:
        yield address


@pytest.fixture
def sign_in(alice: User) -> SignIn:
    """Request a path with a new ticket of alice's, and verify the reply."""

    def sign_in(address: Address, path: str) -> Response:
        initiator = Initiator("HTTP@localhost", ccache=alice.ccache)
        response = get(address, path, initiator.header)
        initiator.verify(reply_token(response.challenges))
        return response

    return sign_in


def test_all_are_tested() -> None:
    """There is no example but those tested here."""
    assert {path.name for path in _EXAMPLES.glob("*.py")} == {
        *(f"{framework}_app.py" for framework in FRAMEWORKS),
        *(f"{name}.py" for name in APPLICATIONS),
    }


def test_protected(address: Address, sign_in: SignIn) -> None:
    """The protected view asks for a ticket, greets the user by principal, and proves who the server is."""
    denied = get(address, "/")
    assert (denied.status, denied.challenges) == (401, ["Negotiate"])
    response = sign_in(address, "/")
    assert (response.status, response.text) == (200, "Hello, alice@KRBTEST.COM\n")


def test_public(address: Address) -> None:
    """The unprotected view is open."""
    response = get(address, "/public")
    assert (response.status, response.text) == (200, "Everybody may read this.\n")
    assert response.challenges == []


def test_flask(localhost: Service, sign_in: SignIn, tmp_path: Path) -> None:
    """Flask: an async view with a part of the route, and an error that still proves who the server is."""
    with running("flask_app", localhost, tmp_path) as address:
        assert get(address, "/async/7").status == 401
        response = sign_in(address, "/async/7")
        assert (response.status, response.text) == (200, "Hello, alice of KRBTEST.COM, number 7\n")
        assert sign_in(address, "/missing").status == 404


def test_quart(localhost: Service, alice: User, tmp_path: Path) -> None:
    """Quart: a WebSocket that nobody opens without a ticket."""
    with running("quart_app", localhost, tmp_path) as address:
        with WebSocketClient(address, "/echo") as denied:
            assert (denied.response.status, denied.response.challenges) == (401, ["Negotiate"])
        initiator = Initiator("HTTP@localhost", ccache=alice.ccache)
        with WebSocketClient(address, "/echo", initiator.header) as websocket:
            assert websocket.response.status == 101, websocket.response
            initiator.verify(reply_token(websocket.response.challenges))
            assert websocket.receive_text() == "Hello, alice@KRBTEST.COM"
            websocket.send_text("to and fro")
            assert websocket.receive_text() == "to and fro"


def test_starlette(localhost: Service, sign_in: SignIn, tmp_path: Path) -> None:
    """Starlette: `request.user` in a sync view, and an error that still proves who the server is."""
    with running("starlette_app", localhost, tmp_path) as address:
        response = sign_in(address, "/me")
        assert json.loads(response.body) == {
            "display_name": "alice@KRBTEST.COM",
            "name": "alice",
            "realm": "KRBTEST.COM",
        }
        assert sign_in(address, "/missing").status == 404


def test_fastapi(localhost: Service, administrator: User, sign_in: SignIn, tmp_path: Path) -> None:
    """FastAPI: a dependency upon the dependency, and the security scheme in the OpenAPI document."""
    with running("fastapi_app", localhost, tmp_path) as address:
        assert sign_in(address, "/admin").status == 403
        admin = Initiator("HTTP@localhost", ccache=administrator.ccache)
        response = get(address, "/admin", admin.header)
        assert (response.status, response.text) == (200, "Hello, administrator bob/admin@KRBTEST.COM\n")
        document = json.loads(get(address, "/openapi.json").body)
        assert document["components"]["securitySchemes"]["Kerberos"]["scheme"] == "negotiate"
        assert [path for path, item in document["paths"].items() if "security" in item["get"]] == ["/", "/admin"]


def test_asgi(localhost: Service, alice: User, tmp_path: Path) -> None:
    """Plain ASGI: the middleware guards every path that is not named, and the WebSocket as well."""
    with running("asgi_app", localhost, tmp_path) as address:
        for path in ("/anything", "/public/", "/publicity", "/%2e/public"):
            assert get(address, path).status == 401
        initiator = Initiator("HTTP@localhost", ccache=alice.ccache)
        with WebSocketClient(address, "/", initiator.header) as websocket:
            initiator.verify(reply_token(websocket.response.challenges))
            assert websocket.receive_text() == "Hello, alice@KRBTEST.COM"


def test_wsgi(localhost: Service, alice: User, tmp_path: Path) -> None:
    """Plain WSGI: the middleware guards every path that is not named."""
    with running("wsgi_app", localhost, tmp_path) as address:
        for path in ("/anything", "/public/", "/publicity"):
            assert get(address, path).status == 401
        assert get(address, "/public").status == 200


@pytest.mark.parametrize("interface", ["asgi", "wsgi"])
def test_django(interface: str, localhost: Service, sign_in: SignIn, tmp_path: Path) -> None:
    """Django: its user is the one who has the ticket, in any number of requests."""
    database = {"DATABASE": str(tmp_path / "users.sqlite3")}
    with running(f"django_{interface}", localhost, tmp_path, database) as address:
        denied = get(address, "/", fields=[("Remote-User", "bob")])
        assert (denied.status, denied.challenges) == (401, ["Negotiate"])
        for _ in range(3):
            response = sign_in(address, "/")
            assert (response.status, response.text) == (200, "Hello, alice@KRBTEST.COM\n")


def test_fastapi_administrators(
    localhost: Service, realm: Realm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """FastAPI: an administrator is of the realm that is set; a name that ends like one's is not enough."""
    monkeypatch.setenv("KERBEROS_REALM", "OTHER.TEST")
    with running("fastapi_app", localhost, tmp_path) as address:
        admin = Initiator("HTTP@localhost", ccache=realm.user("carol/admin").ccache)
        assert get(address, "/admin", admin.header).status == 403
    monkeypatch.delenv("KERBEROS_REALM")
    with realm.environ():
        module = runpy.run_path(str(_EXAMPLES / "fastapi_app.py"), run_name="example")
        for name in (
            "bob/admin@OTHER.TEST",
            "bob/admin",
            "bob",
            "admin",
            "/admin@KRBTEST.COM",
            r"bob\/admin@KRBTEST.COM",
        ):
            with pytest.raises(HTTPException):
                module["administrator"](Identity(name))
        assert module["administrator"](Identity("bob/admin@KRBTEST.COM")).name == "bob/admin"
