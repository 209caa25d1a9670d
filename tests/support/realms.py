"""The realms of :mod:`async_kerberos.testing`, seen from outside: their processes, folders and tickets."""

import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gssapi
import gssapi.raw

import async_kerberos
from async_kerberos.testing import Realm, Service, User

# pyright cannot follow python-gssapi's annotations of the results.
raw: Any = gssapi.raw
GSSError: type[Exception] = raw.GSSError
# Nothing here takes a second. It bounds how long a failing test looks for what never comes.
PATIENCE_SECONDS = 30.0


def processes_of(folder: Path) -> dict[int, str]:
    """The KDCs and keepers of the realms below a folder: their process ids and what they are."""
    found: dict[int, str] = {}
    for process in Path("/proc").iterdir():
        if not process.name.isdigit():
            continue
        try:
            command = (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
            environment = (process / "environ").read_bytes()
        except OSError:
            continue  # It ended while it was looked at, or is another user's.
        if command[0].endswith("krb5kdc") and f"KRB5_CONFIG={folder}/".encode() in environment:
            found[int(process.name)] = "kdc"
        elif str(folder) in command and any(argument.endswith("_keeper.py") for argument in command):
            found[int(process.name)] = "keeper"
    return found


def kinds_of(folder: Path) -> list[str]:
    return sorted(processes_of(folder).values())


def pid_of(folder: Path, kind: str) -> int:
    (pid,) = [pid for pid, its_kind in processes_of(folder).items() if its_kind == kind]
    return pid


def is_clean(folder: Path) -> bool:
    return not processes_of(folder) and not list(folder.iterdir())


def eventually(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def script(code: str, *, own_group: bool = False) -> "subprocess.Popen[str]":
    """Run Python code that can import the package."""
    start = """
        import os, signal, sys, time

        def wait_for_a_signal():
            while True:  # One long sleep would sleep on where the signal comes just before it.
                time.sleep(0.01)
    """
    root = str(Path(async_kerberos.__file__).parents[1])
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(start) + textwrap.dedent(code)],
        env={**os.environ, "PYTHONPATH": root},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=own_group,
    )


def line_of(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    line = process.stdout.readline().strip()
    if not line:
        raise AssertionError(process.communicate()[1])
    return line


def klist(user: User, *options: str) -> str:
    done = subprocess.run(
        ["klist", *options], env={**os.environ, **user.env}, capture_output=True, text=True, check=True
    )
    return done.stdout


def sign_in(realm: Realm, user: User, service: Service, host: str) -> str:
    """One sign-in, initiator and acceptor in this process: the name that the acceptor sees."""
    with realm.environ(user, service):
        target = gssapi.Name(f"HTTP@{host}", gssapi.NameType.hostbased_service)
        initiator = gssapi.SecurityContext(name=target, mech=gssapi.MechType.kerberos, usage="initiate")
        accepted = raw.accept_sec_context(initiator.step(), gssapi.Credentials(usage="accept"))
    return str(gssapi.Name(accepted.initiator_name))
