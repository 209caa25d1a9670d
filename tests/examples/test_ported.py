"""The intranets that had another library before: who reaches which route, and what they see."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Generator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from async_kerberos.testing import Realm, Service, User

from ..support import ROOT
from ..support.http import Connection, Response, WebSocketClient
from ..support.initiator import Initiator, reply_token
from .test_examples import Address, running

PORTED = ("ported_flask", "ported_starlette", "ported_fastapi")

# What strangers may see, as each file says in `exempt` and `optional`.
FOR_ALL = {"/", "/health", "/static/intranet.css"}
SIGN_IN = b"<h1>Sign in</h1><p>Ask the helpdesk for a ticket.</p>\n"
NO_ENTRY = b"<h1>No entry</h1><p>Ask the owner of this section for access.</p>\n"


@dataclass(frozen=True)
class Site:
    """A running example."""

    name: str
    address: Address

    def ask(self, user: User | None, path: str, method: str = "GET") -> Response:
        """A request, whose body is JSON and text at once; with a new ticket, unless it is a stranger's."""
        initiator = None if user is None else Initiator("HTTP@localhost", ccache=user.ccache)
        with Connection(self.address) as connection:
            body = b'"something"' if method == "POST" else b""
            response = connection.request(
                path, None if initiator is None else initiator.header, method=method, body=body
            )
        if initiator is not None and response.status != 403 and path not in FOR_ALL:
            initiator.verify(reply_token(response.challenges))
        return response


@pytest.fixture(scope="module", params=PORTED)
def site(
    request: pytest.FixtureRequest, localhost: Service, realm: Realm, tmp_path_factory: pytest.TempPathFactory
) -> Generator[Site, None, None]:
    folder, variables = tmp_path_factory.mktemp("ported"), {"KERBEROS_REALM": realm.name}
    with running(request.param, localhost, folder, variables) as address:
        yield Site(request.param, address)


@cache
def found(name: str, keytab: Path) -> list[dict[str, Any]]:
    """What `async-kerberos routes` says, which ends with 0: nothing is open by mistake."""
    env = {**os.environ, "PYTHONPATH": str(ROOT), "KRB5_KTNAME": str(keytab)}
    command = [sys.executable, "-m", "async_kerberos.cli", "routes", f"{name}:app", "--json"]
    listed = subprocess.run(command, cwd=ROOT / "examples", env=env, stdout=subprocess.PIPE, check=True)
    return json.loads(listed.stdout)  # type: ignore[no-any-return]


def requests_of(name: str, keytab: Path) -> list[tuple[str, str]]:
    """A request for each route and method; those that add an entry come first."""
    asked: list[tuple[str, str]] = []
    for route in found(name, keytab):
        path = re.sub(r"<[^>]*>|\{[^}]*\}", "1", route["path"])
        path = "/static/intranet.css" if path.startswith("/static/") else path
        asked += [] if route["websocket"] else [(method, path) for method in route["methods"] or ["GET"]]
    return sorted(asked, key=lambda one: (one[0] != "POST", one[1]))


def may_enter(user: User, method: str, path: str) -> bool:
    """What is right, whatever the example: alice is a clerk, and writes what is of work; nobody here administers."""
    section, is_alice = path.split("/")[1], user.principal.startswith("alice@")
    if section == "work":
        return method == "GET" or is_alice
    return section not in ("admin", "sign-ins") and (section != "payroll" or is_alice)


@pytest.mark.parametrize("name", PORTED)
def test_routes(name: str, localhost: Service) -> None:
    """There are 40 routes or more, and each is protected, or open on purpose."""
    routes = [route for route in found(name, localhost.keytab) if not route["view"].startswith("fastapi.")]
    assert len(routes) >= 40
    states = {route["path"]: route["state"] for route in routes}
    not_protected = {path: state for path, state in states.items() if state != "protected"}
    files = {"ported_flask": "/static/<path:filename>"}.get(name, "/static/*")
    if name == "ported_starlette":  # its `exempt` is a function
        assert not_protected == dict.fromkeys(["/", "/health", files, "/me", "/live"], "varies")
    else:
        assert not_protected == {"/": "optional", "/health": "exempt", files: "exempt"}


def test_strangers(site: Site, localhost: Service) -> None:
    """Only what is exempt, or optional, answers a stranger; everything else asks for a ticket, with its own page."""
    answered: set[str] = set()
    for method, path in requests_of(site.name, localhost.keytab):
        response = site.ask(None, path, method)
        if path in FOR_ALL:
            assert (response.status, response.challenges) == (200, []), path
            answered.add(path)
        else:
            assert (response.status, response.challenges, response.body) == (401, ["Negotiate"], SIGN_IN), path
    assert answered == FOR_ALL
    assert site.ask(None, "/nothing").status == 401


@pytest.mark.parametrize("who", ["alice", "bob"])
def test_users(site: Site, localhost: Service, alice: User, bob: User, who: str) -> None:
    """Each user reaches what they may; the rest is refused, with its own page, and proves the server all the same."""
    user = {"alice": alice, "bob": bob}[who]
    refused = 0
    for method, path in requests_of(site.name, localhost.keytab):
        if method == "POST" and may_enter(alice, method, path):
            assert site.ask(alice, path, method).status == 201, path  # what is read below
        response = site.ask(user, path, method)
        if may_enter(user, method, path) or path in FOR_ALL:
            assert response.status == {"POST": 201, "GET": 302 if path == "/sign-in" else 200}[method], (method, path)
        else:
            assert (response.status, response.body) == (403, NO_ENTRY), (method, path)
            refused += 1
    assert refused >= {"alice": 7, "bob": 20}[who]
    assert site.ask(user, "/nothing").status == 404


def test_what_is_kept(site: Site, alice: User) -> None:
    """Views know the user: by principal in an entry, by name and the ticket's end in `/me`, or nobody in `/`."""
    number = json.loads(site.ask(alice, "/people/teams", "POST").body)["number"]
    assert json.loads(site.ask(alice, f"/people/teams/{number}").body)["by"] == alice.principal
    me = json.loads(site.ask(alice, "/me").body)
    assert (me["principal"], me["name"]) == (alice.principal, "alice")
    assert me["until"]
    assert site.ask(alice, "/").text == f"Hello, {alice.principal}\n"
    assert "Sign in" in site.ask(None, "/").text


def test_counted(site: Site, administrator: User) -> None:
    """An administrator sees how many tried to sign in: the listener has counted."""
    path = "/admin/sign-ins" if site.name == "ported_flask" else "/sign-ins"
    before = json.loads(site.ask(administrator, path).body)
    for _ in range(3):
        assert site.ask(None, "/me").status == 401
    after = json.loads(site.ask(administrator, path).body)
    assert after["NO_CREDENTIALS"] - before.get("NO_CREDENTIALS", 0) == 3
    assert after["accepted"] > before["accepted"]


def test_other_realm(localhost: Service, alice: User, tmp_path: Path) -> None:
    """Who is not of the realm may not enter; here the example is told another one."""
    for name in PORTED:
        folder = tmp_path / name
        folder.mkdir()
        with running(name, localhost, folder, {"KERBEROS_REALM": "OTHER.COM"}) as address:
            assert Site(name, address).ask(alice, "/me").status == 403


def test_session(localhost: Service, realm: Realm, alice: User, tmp_path: Path) -> None:
    """Flask: who has signed in is known to the page for everybody, which a browser brings no ticket to."""
    with running("ported_flask", localhost, tmp_path, {"KERBEROS_REALM": realm.name}) as address:
        (cookie,) = Site("ported_flask", address).ask(alice, "/sign-in").values("set-cookie")
        with Connection(address) as connection:
            response = connection.request("/", fields=[("Cookie", cookie.partition(";")[0])])
        assert (response.status, response.text) == (200, f"Hello, {alice.principal}\n")


def test_websocket(localhost: Service, realm: Realm, alice: User, tmp_path: Path) -> None:
    """Starlette: the WebSocket needs a ticket, too."""
    with running("ported_starlette", localhost, tmp_path, {"KERBEROS_REALM": realm.name}) as address:
        with WebSocketClient(address, "/live") as denied:
            assert (denied.response.status, denied.response.challenges) == (401, ["Negotiate"])
        initiator = Initiator("HTTP@localhost", ccache=alice.ccache)
        with WebSocketClient(address, "/live", initiator.header) as websocket:
            assert websocket.receive_text() == f"Hello, {alice.principal}"
