"""No process has a secret in its arguments, where every user of the machine could read it."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Generator
from pathlib import Path

import pytest

from async_kerberos.testing import Realm

from ..support import ROOT
from ..support.secrets import Secrets, keytab_keys
from .secret_site import HOST

# In place of the realm's programs: each notes its arguments and its input. It calls the real program only when
# Noted.poll() has found it in /proc; else it could end unseen.
_NOTING = """#!/bin/sh
echo "$0 $*" >> {folder}/arguments
case "$0" in */krb5kdc) exec {real} "$@" ;; esac
while ! [ -e {folder}/seen.$$ ]; do sleep 0.01; done
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
                        (self.folder / f"seen.{entry.name}").touch()


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
