"""Everything that the README shows is run."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import re
import subprocess
import types
from typing import Any

import anyio
import httpx
import pytest
from werkzeug.test import Client

from async_kerberos import Denied, Kerberos
from async_kerberos.adapters import wsgi
from async_kerberos.testing import Realm, Service, User

from ..support import ROOT
from ..support.asking import auth_request
from ..support.initiator import fresh
from .conftest import HOST

README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    found: list[str] = re.findall(rf"^```{language}\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
    return found


def run(source: str) -> Any:
    module = types.ModuleType("readme")
    exec(compile(source, "README.md", "exec"), module.__dict__)
    return module


OPEN = [block for block in blocks("python") if "optional=True" in block]
APPS = [block for block in blocks("python") if "\napp = " in block and block not in OPEN]


def framework(source: str) -> str:
    (name,) = set(re.findall(r"async_kerberos\.adapters\.(\w+)", source))
    return str(name)


async def get(app: Any, path: str, headers: dict[str, str], method: str = "GET") -> httpx.Response:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://testserver") as client:
        return await client.request(method, path, headers=headers)


def request(app: Any, path: str, authorization: str | None = None, method: str = "GET") -> tuple[int, str, list[str]]:
    headers = {} if authorization is None else {"Authorization": authorization}
    if hasattr(app, "wsgi_app") or isinstance(app, wsgi.KerberosMiddleware):
        answer = Client(getattr(app, "wsgi_app", app)).open(path, method=method, headers=headers)
        return answer.status_code, answer.text, answer.headers.getlist("WWW-Authenticate")
    response = anyio.run(get, app, path, headers, method)
    return response.status_code, response.text, response.headers.get_list("www-authenticate")


@pytest.fixture
def user(site: Service, signed_in: User) -> User:
    return signed_in


def test_there_is_one_for_each_framework() -> None:
    """The README shows each framework."""
    assert {framework(source) for source in APPS} == {"flask", "quart", "starlette", "fastapi", "asgi", "wsgi"}
    assert len(APPS) == 9


@pytest.mark.parametrize("source", APPS, ids=framework)
def test_app(source: str, user: User) -> None:
    """Each application runs as it stands: 401 without a ticket, the user's name and the reply with one."""
    app = run(source).app
    assert request(app, "/protected")[::2] == (401, ["Negotiate"])
    status, text, replies = request(app, "/protected", fresh(f"HTTP@{HOST}"))
    name, _, realm = user.principal.partition("@")
    assert status == 200
    assert f"Hello, {user.principal}" in text or f"Hello, {name} of {realm}" in text
    assert len(replies) == 1
    assert replies[0].startswith("Negotiate ")


def test_sign_in_route(user: User) -> None:
    """Home is open; the route asks for a ticket, and from then on the session knows who it is."""
    (source,) = [block for block in OPEN if "session" in block]
    client = run(source).app.test_client()
    assert "Sign in" in client.get("/").text
    assert client.get("/sign-in").status_code == 401
    answer = client.get("/sign-in", headers={"Authorization": fresh(f"HTTP@{HOST}")})
    assert (answer.status_code, answer.location) == (302, "/")
    assert client.get("/").text == f"Hello, {user.principal}"
    assert "SameSite=Lax" in answer.headers["Set-Cookie"]
    ticket = {"Authorization": fresh(f"HTTP@{HOST}")}
    assert run(source).app.test_client().get("/", headers=ticket).text == f"Hello, {user.principal}"


def test_several_ways_in(user: User) -> None:
    """A ticket gets in, and so does a token; who has neither is asked for a ticket."""
    (source,) = [block for block in OPEN if "Bearer" in block]
    module = run(source)
    assert request(module.app, "/protected")[::2] == (401, ["Negotiate"])
    assert request(module.app, "/protected", "Bearer wrong")[::2] == (401, ["Bearer"])
    assert request(module.app, "/protected", "Bearer a-long-secret")[1] == '"Hello, robot@example.com"'
    status, text, replies = request(module.app, "/protected", fresh(f"HTTP@{HOST}"))
    assert (status, text, len(replies)) == (200, f'"Hello, {user.principal}"', 1)
    assert request(module.app, "/protected", "Negotiate YWJj")[0] == 403


def test_without_init(this_host: str, user: User) -> None:
    """Without ``init_kerberos``, the service is this host's."""
    source = APPS[0].replace(f'init_kerberos(app, hostname="{HOST}")\n', "")
    assert "init_kerberos(" not in source
    status, text, _ = request(run(source).app, "/protected", fresh(f"HTTP@{this_host}"))
    assert (status, text) == (200, f"Hello, {user.principal}")


def test_whole_application(user: User) -> None:
    """What is exempt needs no ticket, all else does, but for a preflight that Flask answers by itself."""
    (source,) = [source for source in APPS if 'protect="all"' in source]
    app = run(source).app
    assert request(app, "/health")[:2] == (200, "well")
    assert [request(app, path)[0] for path in ("/protected", "/static/none", "/none")] == [401, 404, 401]
    assert request(app, "/protected", method="OPTIONS")[0] == 401
    headers = {"Origin": "https://app.example.com", "Access-Control-Request-Method": "GET"}
    assert Client(app).options("/protected", headers=headers).status_code == 200
    assert request(app, "/protected", fresh(f"HTTP@{HOST}"))[:2] == (200, f"Hello, {user.principal}")


def test_middleware_added_last(user: User) -> None:
    """On FastAPI, the middleware that is added last but CORS guards the documents as well."""
    (source,) = [source for source in APPS if "app.add_middleware(CORSMiddleware" in source]
    app = run(source).app
    assert [request(app, path)[0] for path in ("/health", "/docs", "/openapi.json", "/none")] == [200, 401, 401, 401]
    assert request(app, "/docs", fresh(f"HTTP@{HOST}"))[0] == 200


def test_preflight_outside_the_middleware(user: User) -> None:
    """CORS outside the middleware answers the preflight; an OPTIONS request that is none needs a ticket."""
    (source,) = [source for source in APPS if "Middleware(\n            CORSMiddleware" in source]
    app = run(source).app
    headers = {"Origin": "https://app.example.com", "Access-Control-Request-Method": "GET"}
    assert anyio.run(get, app, "/protected", headers, "OPTIONS").status_code == 200
    assert request(app, "/protected", method="OPTIONS")[0] == 401


def test_realm(user: User) -> None:
    """The snippet for tests makes its own realm."""
    (source,) = [block for block in blocks("python") if "Realm" in block]
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        run(source)
    assert output.getvalue() == "alice@KRBTEST.COM\n"


def test_production() -> None:
    """The settings for production hold together, and refuse plain HTTP."""
    (source,) = [block for block in blocks("python") if "require_tls" in block]
    kerberos = run(source).kerberos
    for request, status in ((auth_request(), 403), (auth_request(secure=True), 401)):
        outcome = kerberos.authenticate_blocking(request)
        assert isinstance(outcome, Denied)
        assert outcome.status == status


def test_pages() -> None:
    """The functions of the snippet make the bodies, each with its type."""
    (source,) = [block for block in blocks("python") if "Pages(" in block]
    kerberos = run(source).kerberos
    elsewhere = {"origin": ["https://evil.test"], "host": [HOST]}
    for request, status, body in (
        (auth_request(path="/<b>"), 401, b"/&lt;b&gt;, ask the helpdesk"),
        (auth_request(fields=elsewhere, method="POST"), 403, b"Ask the payroll office"),
    ):
        outcome = kerberos.authenticate_blocking(request)
        assert isinstance(outcome, Denied)
        assert outcome.status == status
        assert body in outcome.body


def test_settings() -> None:
    """The table of settings has each option, and the defaults it says."""
    table = dict(re.findall(r"^\| `(\w+)` \| .* \| (.*?) ?\|$", README, re.MULTILINE))
    options = {field.name for field in dataclasses.fields(Kerberos) if field.init}
    assert set(table) == options
    kerberos = Kerberos()
    assert table["max_token_size"] == f"{kerberos.max_token_size:,}"
    assert table["failure_status"] == str(kerberos.failure_status)
    for option in ("raw_kerberos", "require_tls"):
        assert table[option] == f"`{getattr(kerberos, option)}`"
    assert table["channel_bindings"] == f'`"{kerberos.channel_bindings}"`'
    for shown, value in (("half_open", kerberos.half_open), ("workers", kerberos.workers)):
        (arguments,) = re.findall(rf"^\| `{shown}` \| `(\w+\(.*?\))`", README, re.MULTILINE)
        assert eval(arguments, {type(value).__name__: type(value)}) == value
    (decorator,) = re.findall(r"kerberos=(Kerberos\(.*?\))\)`", README)
    assert eval(decorator, {"Kerberos": Kerberos}).hostname == "admin.example.com"


def test_commands() -> None:
    """The commands that the README names are targets of the Makefile, and its files are there."""
    commands = re.findall(r"^(make \w+)", "".join(blocks("sh")), re.MULTILINE)
    assert commands == ["make demo", "make test"]
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert {"demo", "test"} <= set(targets)
    prose = re.sub(r"`[^`]*`", "", README)  # in code, that may be another language's
    for link in re.findall(r"\]\((?!http)([^)]+)\)", prose):
        assert (ROOT / link).exists(), link


def test_keytab_commands(realm: Realm, user: User) -> None:
    """The commands for principals and keytabs do what the README says, put to the realm's own programs."""
    queries = re.findall(r"`kadmin -q '([^']+)'`", README)
    assert [query.split()[0] for query in queries] == ["addprinc", "ktadd"]
    keytab = realm.folder / "readme.keytab"
    for query in queries:
        words = query.replace("/etc/http.keytab", str(keytab)).replace(HOST, "readme.example.com").split()
        realm.kadmin(*words)
    listed = subprocess.run(["klist", "-k", str(keytab)], capture_output=True, text=True, check=True)
    assert "HTTP/readme.example.com@" in listed.stdout
