"""Git over HTTP below the middleware: real clones and pushes, large ones too, by users with tickets alone."""

from __future__ import annotations

import contextlib
import os
import random
import subprocess
from collections.abc import Generator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest

from async_kerberos.testing import Service, User

from ..support.http import Connection, get
from ..support.initiator import fresh
from ..support.waiting import wait_until
from .test_examples import running

SIZE = 20_000_000
HOOK = '#!/bin/sh\necho "pushed by $REMOTE_USER"\n'
# A push that does not fit into the buffer is sent in chunks, while it is made.
OPTIONS = ("-c", "http.emptyAuth=true", "-c", "http.postBuffer=65536", "-c", "core.compression=0")
AUTHOR = {"NAME": "Somebody", "EMAIL": "somebody@example.test"}

# What git says where it has no ticket: it goes on to ask for a password, which the terminal's user would type.
ASKED = "could not read Username"

# Of git's own settings on this machine, and of a proxy, nothing counts.
ALONE = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "NO_PROXY": "*",
    **{f"GIT_{role}_{name}": value for role in ("AUTHOR", "COMMITTER") for name, value in AUTHOR.items()},
}


def git(*arguments: str | Path, env: Mapping[str, str] | None = None, status: int = 0) -> str:
    """Run git, and return what it says."""
    result = subprocess.run(
        ["git", *OPTIONS, *map(str, arguments)],
        env={**os.environ, **ALONE, **(env or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert result.returncode == status, result.stdout
    return result.stdout


def address_of(url: str) -> tuple[str, int]:
    """Host and port."""
    parts = urlsplit(url)
    assert parts.hostname
    assert parts.port
    return parts.hostname, parts.port


def programs(root: Path) -> list[str]:
    """The command lines of what git runs for a server with this folder."""
    found: list[str] = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.name().startswith("git") and process.environ().get("GIT_PROJECT_ROOT") == str(root):
                found.append(" ".join(process.cmdline()))
    return found


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository on the server."""
    path = tmp_path_factory.mktemp("served") / "project.git"
    git("init", "--bare", "--initial-branch=main", path)
    hook = path / "hooks" / "post-receive"
    hook.write_text(HOOK)
    hook.chmod(0o755)
    return path


@pytest.fixture(scope="module")
def url(bare: Path, localhost: Service, tmp_path_factory: pytest.TempPathFactory) -> Generator[str, None, None]:
    """Where the example serves it."""
    variables = {**ALONE, "GIT_PROJECT_ROOT": str(bare.parent)}
    with running("git_http", localhost, tmp_path_factory.mktemp("log"), variables) as (_, port):
        yield f"http://localhost:{port}/{bare.name}"


def test_push_and_clone(url: str, alice: User, tmp_path: Path) -> None:
    """20 MB are pushed in chunks and come back in clones, several times; the hook knows the user."""
    random_bytes = random.Random(0).randbytes
    first, second, trace = tmp_path / "first", tmp_path / "second", tmp_path / "trace"
    git("clone", url, first, env=alice.env)
    for number in range(2):
        (first / "large").write_bytes(random_bytes(SIZE))
        git("-C", first, "add", "large")
        git("-C", first, "commit", "-m", f"Number {number}")
        traced = {"GIT_TRACE_CURL": str(trace), "GIT_TRACE_CURL_NO_DATA": "1"}
        claim = "http.extraHeader=Remote-User: bob"
        said = git("-C", first, "-c", claim, "push", "origin", "HEAD:main", env={**alice.env, **traced})
        assert f"pushed by {alice.principal}" in said
    assert "ransfer-Encoding: chunked" in trace.read_text()
    git("clone", url, second, env=alice.env)
    assert (second / "large").read_bytes() == (first / "large").read_bytes()


def test_strangers(url: str, bare: Path, alice: User, tmp_path: Path) -> None:
    """Nobody reads or writes without a ticket, whatever name they say."""
    first = tmp_path / "first"
    git("clone", url, first, env=alice.env)
    head = git("-C", bare, "rev-parse", "--all")
    nobody = {"KRB5CCNAME": f"FILE:{tmp_path / 'none'}", "REMOTE_USER": alice.principal}
    assert ASKED in git("clone", url, tmp_path / "second", env=nobody, status=128)
    git("-C", first, "commit", "--allow-empty", "-m", "By a stranger")
    assert ASKED in git("-C", first, "push", "origin", "HEAD:main", env=nobody, status=128)
    assert git("-C", bare, "rev-parse", "--all") == head


def test_client_goes_away(url: str, bare: Path, alice: User) -> None:
    """A client that stops in the middle of its push leaves no program behind (git would spin for ever)."""
    with Connection(address_of(url)) as connection:
        path, type_ = f"/{bare.name}/git-receive-pack", "application/x-git-receive-pack-request"
        token = fresh("HTTP@localhost", ccache=alice.ccache)
        connection.send_head(path, token, method="POST", fields=[("Content-Type", type_)], length=1000)
        wait_until(lambda: len(programs(bare.parent)) > 0, "git runs")
    wait_until(lambda: not programs(bare.parent), "git has ended")


def test_answers(url: str, alice: User) -> None:
    """What git's program answers comes as it is: fields, status, and a path outside of the folder."""

    def ask(path: str) -> tuple[int, list[str]]:
        response = get(address_of(url), path, fresh("HTTP@localhost", ccache=alice.ccache))
        return response.status, response.values("content-type")

    advertised = ["application/x-git-upload-pack-advertisement"]
    assert ask("/project.git/info/refs?service=git-upload-pack") == (200, advertised)
    assert ask("/nothing.git/info/refs?service=git-upload-pack")[0] == 404
    for path in ("/project.git/../../x/HEAD", "/%2e%2e/project.git/HEAD"):
        assert ask(path)[0] == 500, path  # git refuses the path, and says so in the log
