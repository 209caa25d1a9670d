"""The commands in the examples' docstrings, run as they stand, by a shell, where their realm is one of the tests'."""

from __future__ import annotations

import ast
import contextlib
import importlib.metadata
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Generator
from pathlib import Path

import pytest

from async_kerberos.testing import Realm, Service

from ..support import ROOT
from ..support.servers import free_port
from .test_examples import APPLICATIONS, FRAMEWORKS

HOST = "www.example.com"
SECONDS = 60.0


def source(example: str) -> str:
    return (ROOT / "examples" / f"{example}.py").read_text()


def commands(example: str) -> list[str]:
    """Every command: lines that are indented, and what stands within a sentence."""
    text = ast.get_docstring(ast.parse(source(example)))
    assert text is not None
    return [*re.findall(r"^    (\S.*)$", text, re.MULTILINE), *re.findall(r"``(async-kerberos\s[^`]*)``", text)]


@pytest.fixture(scope="module")
def own_realm() -> Generator[Realm, None, None]:
    """A realm for the names that the docstrings speak of, which other tests have in theirs."""
    with Realm() as realm:
        yield realm


@pytest.fixture(scope="module")
def www_example_com(own_realm: Realm) -> Service:
    """The service that the docstrings speak of."""
    return own_realm.service(f"HTTP/{HOST}")


@pytest.fixture(scope="module")
def env(own_realm: Realm) -> dict[str, str]:
    """What a reader's shell has: the realm, a ticket, and the environment that everything is installed in."""
    proxies = {"http_proxy", "https_proxy", "all_proxy"}
    inherited = {name: value for name, value in os.environ.items() if name.lower() not in proxies}
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return {**inherited, **own_realm.user("alice").env, "PATH": path, "PYTHONPATH": str(ROOT)}


@contextlib.contextmanager
def serving(command: str, port: int, env: dict[str, str], log: Path) -> Generator[None, None, None]:
    """Run a command that serves, until it does; and end it."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["sh", "-c", command],
            cwd=ROOT,
            env={**env, "PORT": str(port)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + SECONDS
        while True:
            with contextlib.suppress(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", port)).close()
                break
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.02)
        yield
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.mark.parametrize("example", [*(f"{framework}_app" for framework in FRAMEWORKS), "django_asgi", "django_wsgi"])
def test_sign_in(example: str, www_example_com: Service, env: dict[str, str], tmp_path: Path) -> None:
    """The server's command serves, and the client's signs in to it; nothing but keytab and port is another's."""
    install, serve, ask, *demo = commands(example)
    assert install.startswith("pip install ")
    port = free_port()
    assert ("/etc/http.keytab" in serve, ask.count(":8000")) == (True, 2)
    env = {**env, "DATABASE": str(tmp_path / "users.sqlite3")}  # Django's
    with serving(serve.replace("/etc/http.keytab", str(www_example_com.keytab)), port, env, tmp_path / "log"):
        client = ask.replace(":8000", f":{port}")
        result = subprocess.run(
            ["sh", "-c", client], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=SECONDS
        )
        assert result.stdout == "Hello, alice@KRBTEST.COM\n", (tmp_path / "log").read_text()
    framework = example.removesuffix("_app")
    assert demo == [f"async-kerberos demo {framework}"] * (framework in FRAMEWORKS)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_demo(framework: str, env: dict[str, str]) -> None:
    """The demo's command starts the example; here it ends after the sign-in, and takes any port."""
    demo = commands(f"{framework}_app")[-1]
    result = subprocess.run(
        ["sh", "-c", f"{demo} --once --port 0"], cwd=ROOT, env=env, capture_output=True, text=True, timeout=SECONDS
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert "mutual authentication verified" in result.stdout


@pytest.mark.parametrize("example", ["ported_flask", "ported_starlette", "ported_fastapi"])
def test_ported(example: str, www_example_com: Service, env: dict[str, str], tmp_path: Path) -> None:
    """The first commands serve, and sign in, as those of other examples; what follows is code of the library before."""
    _, serve, ask, *_ = commands(example)
    port, env = free_port(), {**env, "KERBEROS_REALM": "KRBTEST.COM"}
    with serving(serve.replace("/etc/http.keytab", str(www_example_com.keytab)), port, env, tmp_path / "log"):
        client = ask.replace(":8000", f":{port}")
        result = subprocess.run(["sh", "-c", client], env=env, capture_output=True, text=True, timeout=SECONDS)
        assert json.loads(result.stdout)["principal"] == "alice@KRBTEST.COM", (tmp_path / "log").read_text()


def test_git(www_example_com: Service, env: dict[str, str], tmp_path: Path) -> None:
    """The commands make a repository, serve it, and clone it; nothing but keytab, port and folder is another's."""
    _, init, serve, clone = commands("git_http")
    port, git = free_port(), str(tmp_path / "git")
    serve = serve.replace("/etc/http.keytab", str(www_example_com.keytab)).replace("ROOT=git", f"ROOT={git}")
    subprocess.run(["sh", "-c", init], cwd=tmp_path, env=env, check=True, timeout=SECONDS)
    with serving(serve, port, env, tmp_path / "log"):
        clone = clone.replace(":8000", f":{port}")
        subprocess.run(["sh", "-c", clone], cwd=tmp_path, env=env, check=True, timeout=SECONDS)
    assert (tmp_path / "a" / ".git").is_dir()


@pytest.mark.parametrize("example", [*(f"{framework}_app" for framework in FRAMEWORKS), *APPLICATIONS])
def test_install(example: str) -> None:
    """What the command installs has every package that the example imports; its extra is one of the project's."""
    _, verb, *requirements = shlex.split(commands(example)[0])
    assert verb == "install"
    installed = set[str]()
    for requirement in requirements:
        name, extra = re.fullmatch(r"([\w-]+)(?:\[(\w+)\])?", requirement).groups()  # type: ignore[union-attr]
        installed.add(name)
        metadata = importlib.metadata.metadata(name)  # pip would find it, since it was installed by this name
        assert extra is None or extra in metadata.get_all("Provides-Extra", [])
        for line in metadata.get_all("Requires-Dist", []):
            marker = line.partition(";")[2]
            if "extra ==" not in marker or (extra and re.search(rf"extra == ['\"]{extra}['\"]", marker)):
                installed.add(re.match(r"[\w.-]+", line).group())  # type: ignore[union-attr]
    distributions = importlib.metadata.packages_distributions()
    for node in ast.walk(ast.parse(source(example))):
        modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        modules += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        for module in modules:
            top = module.partition(".")[0]
            if top not in sys.stdlib_module_names and top != "async_kerberos":
                assert {name.lower() for name in distributions[top]} & {name.lower() for name in installed}, top
