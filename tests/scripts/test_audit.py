"""scripts/audit: an advisory is told from a database that does not answer, or that has no advisories."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "audit"
UNREACHABLE = "Not looked for advisories: no database of them can be reached from here.\n"

Answer = Callable[[str, str], tuple[int, bytes]]


def _advisory(name: str, *fixed: str) -> dict[str, Any]:
    events = [{"introduced": "0"}, *({"fixed": version} for version in fixed)]
    package = {"name": name, "ecosystem": "PyPI"}
    affected = [{"package": package, "ranges": [{"type": "ECOSYSTEM", "events": events}]}]
    return {"id": f"PYSEC-0000-{name}", "aliases": ["CVE-0000-1"], "summary": "A fault.", "affected": affected}


def _knowing(*bad: str) -> Answer:
    """A database that knows Flask 0.5's advisory, and one of each of these distributions, in whichever release."""

    def answer(name: str, version: str) -> tuple[int, bytes]:
        if (name, version) == ("flask", "0.5") or name in bad:
            return 200, json.dumps({"vulns": [_advisory(name, "99")]}).encode()
        return 200, b"{}"

    return answer


@contextmanager
def _database(answer: Answer) -> Generator[str, None, None]:
    """A server on this machine that speaks OSV's protocol; its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status, body = answer(asked["package"]["name"], asked["version"])
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/v1/query"
        finally:
            server.shutdown()
            thread.join()


def _audit(url: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, SCRIPT, "--osv-url", url], capture_output=True, text=True, timeout=110)


def test_nothing_found() -> None:
    """A database that knows advisories, and none of ours: 0, and it says that it has looked."""
    with _database(_knowing()) as url:
        done = _audit(url)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("No known advisories: ")


@pytest.mark.parametrize("name", ["anyio", "starlette", "jinja2"], ids=["own", "of an extra", "of an extra's"])
def test_found(name: str) -> None:
    """An advisory of a dependency, of an extra's, or of what that needs in turn: 1, with its ids and the remedy."""
    with _database(_knowing(name)) as url:
        done = _audit(url)
    assert done.returncode == 1
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("installed ")]
    assert line.startswith(f"installed {name} ")
    assert line.endswith(f": PYSEC-0000-{name} CVE-0000-1, fixed in 99")
    assert (f"lowest allowed {name} " in done.stdout) == (name != "jinja2")
    assert "Raise the lowest release in pyproject.toml" in done.stdout


def _broken(name: str, version: str) -> tuple[int, bytes]:
    return 500, b""


def _no_json(name: str, version: str) -> tuple[int, bytes]:
    return 200, b"<p>Please sign in.</p>"


def _empty(name: str, version: str) -> tuple[int, bytes]:
    return 200, b"{}"


@pytest.mark.parametrize("answer", [_broken, _no_json, _empty])
def test_no_database(answer: Answer) -> None:
    """What fails, is something else, or knows no advisory at all is no database: it says so, and goes on."""
    with _database(answer) as url:
        done = _audit(url)
    assert (done.returncode, done.stdout) == (0, UNREACHABLE)


def test_nobody_there() -> None:
    """Nobody at the address: it says so, and goes on."""
    with _database(_knowing()) as url:
        pass
    done = _audit(url)
    assert (done.returncode, done.stdout) == (0, UNREACHABLE)
