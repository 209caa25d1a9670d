"""Processes that fork when Kerberos has been used already, and processes that are told to end in the middle of it."""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, cast

import pytest

from async_kerberos.testing import Service, User

from ..support import ROOT
from ..support.held import HeldFile
from ..support.http import SECONDS, Address, Connection
from ..support.initiator import TWO_LEGS, Initiator, fresh, negotiate, reply_token
from ..support.keytabs import keytab_option
from ..support.servers import listening_socket
from ..support.waiting import wait_until
from .conftest import host_of, target_of


class Process:
    """A server in a separate process, started by its own command.

    Args:
        command: the module and its arguments; ``{fd}`` is the descriptor of the listening socket.
        service: the service.
        user: whose tickets it uses, if it uses any.
        log: the file for what it logs.
    """

    def __init__(self, command: Sequence[str], service: Service, user: User, log: Path) -> None:
        env = {
            **os.environ,
            "KRB5CCNAME": user.env["KRB5CCNAME"],
            "FAULTS_HOSTNAME": host_of(service),
            "FAULTS_KEYTAB": str(keytab_option(service.keytab)),
        }
        self.log = log
        with listening_socket() as listening, log.open("wb") as output:
            # A client that connects before the server accepts waits.
            listening.listen()
            self.address: Address = listening.getsockname()
            self.process = subprocess.Popen(
                [sys.executable, "-m", *(word.format(fd=listening.fileno()) for word in command)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=ROOT,
                env=env,
                pass_fds=[listening.fileno()],
                start_new_session=True,
            )

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def wait(self) -> int:
        """Wait until it ends by itself, with all of its children, and return its exit status."""
        status = self.process.wait(SECONDS)

        def gone() -> bool:
            try:
                os.killpg(self.process.pid, 0)
            except ProcessLookupError:
                return True
            return False

        wait_until(gone, "its children are gone too")
        return status


# An idle connection stays open for longer than any test waits: when it is closed, the server is about to end.
_KEEP = "120"
SERVERS: Mapping[str, tuple[Sequence[str], int]] = {
    # uvicorn ends by the very signal when it has done its work.
    "uvicorn": (
        ["--factory", "--fd", "{fd}", "--timeout-keep-alive", _KEEP, "tests.faults.server_main:asgi"],
        -signal.SIGTERM,
    ),
    "hypercorn": (
        ["--bind", "fd://{fd}", "--keep-alive", _KEEP, "--graceful-timeout", "60", "tests.faults.server_main:asgi()"],
        0,
    ),
    "gunicorn": (
        [
            "--bind",
            "fd://{fd}",
            "--keep-alive",
            _KEEP,
            "-k",
            "gthread",
            "--threads",
            "4",
            "tests.faults.server_main:wsgi()",
        ],
        0,
    ),
}


def _readable(connection: Connection) -> bool:
    return bool(select.select([connection.socket], [], [], 0)[0])


@pytest.mark.parametrize("name", SERVERS)
def test_sigterm(name: str, service: Service, users: tuple[User, User], replay_cache: Path, tmp_path: Path) -> None:
    """Told to end while tokens are judged and an exchange waits for its second leg, a server answers first.

    Those whose token is being judged get in, with the proof of the server's identity; then the process ends by itself.
    """
    user = users[0]
    command, status = SERVERS[name]
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(Process([name, *command], service, user, tmp_path / "log"))
        half_open, *asking = (stack.enter_context(Connection(server.address)) for _ in range(3))
        first = half_open.request("/", fresh(target_of(service), ccache=user.ccache, flags=TWO_LEGS))
        assert (first.status, len(first.challenges)) == (401, 1), server.log.read_text()
        reply_token(first.challenges)
        initiators = [Initiator(target_of(service), ccache=user.ccache) for _ in asking]
        tokens = [initiator.header for initiator in initiators]
        with HeldFile(replay_cache) as held:
            for connection, token in zip(asking, tokens, strict=True):
                connection.send_head("/", token)
            held.wait_for_accepts(len(asking))
            server.process.send_signal(signal.SIGTERM)
            # A connection that nothing happens on is not waited for.
            wait_until(lambda: _readable(half_open), "the server begins to end")
            assert half_open.socket.recv(1) == b""
            assert server.process.poll() is None
            assert not any(_readable(connection) for connection in asking)
            held.release()
            for connection, initiator in zip(asking, initiators, strict=True):
                response = connection.read()
                assert (response.status, response.text.split()[0]) == (200, user.principal)
                initiator.verify(reply_token(response.challenges))
        assert server.wait() == status
        assert "Traceback" not in server.log.read_text()


def test_preload(service: Service, users: tuple[User, User], tmp_path: Path) -> None:
    """gunicorn's workers, forked from a process that has used Kerberos already, let users in by both doors.

    A worker that the master forks later, in place of one that was killed, lets them in, too.
    """
    user = users[0]
    command = ["gunicorn", "--preload", "--workers", "2", "-k", "gthread", "--threads", "2", "--bind", "fd://{fd}"]
    served: dict[str, set[int]] = {"/": set(), "/async": set()}

    def ask_all() -> None:
        for path, pids in served.items():
            initiator = Initiator(target_of(service), ccache=user.ccache)
            with Connection(server.address) as connection:
                response = connection.request(path, initiator.header)
            assert response.status == 200, server.log.read_text()
            initiator.verify(reply_token(response.challenges))
            principal, pid = response.text.split()
            assert principal == user.principal
            pids.add(int(pid))

    def by_workers(count: int) -> Callable[[], bool]:
        def served_by_all() -> bool:
            ask_all()
            return served["/"] == served["/async"] and len(served["/"]) == count

        return served_by_all

    with Process([*command, "tests.faults.preload_main:preloaded()"], service, user, tmp_path / "log") as server:
        wait_until(by_workers(2), "both workers have served by both doors")
        assert server.process.pid not in served["/"]
        os.kill(min(served["/"]), signal.SIGKILL)
        wait_until(by_workers(3), "the worker in place of the killed one has too")
        initiator = Initiator(target_of(service), ccache=user.ccache, flags=TWO_LEGS)
        with Connection(server.address) as connection:
            first = connection.request("/", initiator.header)
            second = connection.request("/", negotiate(initiator.step(reply_token(first.challenges))))
        assert (first.status, second.status) == (401, 200)
        server.process.send_signal(signal.SIGTERM)
        assert server.wait() == 0


def test_fork(service: Service, users: tuple[User, User], tmp_path: Path) -> None:
    """A process forks while a worker judges a token: both doors work on in the child and in the parent.

    The request in flight is answered in the parent, and the child ends by itself.
    """
    copy = tmp_path / "copy"
    shutil.copy(service.keytab, copy)
    keytabs = [str(keytab_option(service.keytab)), f"WRFILE:{copy}"]
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.faults.fork_main", host_of(service), *keytabs],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, "KRB5CCNAME": users[0].env["KRB5CCNAME"]},
        text=True,
        bufsize=1,
        start_new_session=True,
    )
    # Whatever hangs ends here, and the lines that it did not write are missed.
    guard = threading.Timer(SECONDS, os.killpg, [process.pid, signal.SIGKILL])
    guard.start()
    try:
        stdin, stdout = cast("IO[str]", process.stdin), cast("IO[str]", process.stdout)
        assert stdout.readline() == "ready\n"
        with HeldFile(copy) as held:
            stdin.write("held\n")
            held.wait_for_accepts()
            stdin.write("fork\n")
            assert stdout.readline() == "forked\n"
        stdin.write("released\n")
        report = json.loads(stdout.readline())
        assert process.wait() == 0
    finally:
        guard.cancel()
        guard.join()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    assert report == {
        "before": [None] * 6,
        "child while held": [None] * 3,
        "parent while held": [None] * 3,
        "in flight": [None],
        "child": [None] * 6,
        "parent": [None] * 6,
        "child's exit": 0,
    }
