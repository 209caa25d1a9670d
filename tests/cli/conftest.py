"""Running the command in its own environment, and finding what it leaves behind."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

import pytest

import async_kerberos

ROOT = Path(async_kerberos.__file__).parents[1]
MODULE = (sys.executable, "-m", "async_kerberos.cli")

# A hang guard.
_KEEPER_SECONDS = 20.0


@dataclass
class Command:
    """A run of the command.

    Attributes:
        process: the process. Its standard output has the errors too, unless they were to be kept apart.
        folder: the one folder for temporary files; empty at first, and to be empty at the end.
    """

    process: subprocess.Popen[str]
    folder: Path
    output: str = ""

    @property
    def stdout(self) -> IO[str]:
        return cast("IO[str]", self.process.stdout)

    def read_until(self, pattern: str) -> str:
        """Read lines up to the first that has the pattern in it, and return it."""
        for line in self.stdout:
            self.output += line
            if re.search(pattern, line):
                return line
        raise AssertionError(f"the output ended without {pattern!r}:\n{self.output}")

    def finish(self) -> int:
        """Read the rest, and return the exit status."""
        self.output += self.stdout.read()
        return self.process.wait()

    def end(self) -> None:
        """Whatever the state it is in."""
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()

    def left_behind(self) -> list[str]:
        """The files and processes of this run that are still there."""
        left = [str(path) for path in self.folder.iterdir()]
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                # Everything the command starts has the folder in its environment: in TMPDIR.
                if os.fsencode(self.folder) in (entry / "environ").read_bytes():
                    left.append(f"{entry.name}: {(entry / 'cmdline').read_bytes()!r}")
            except OSError:
                continue  # Another user's, or gone meanwhile.
        return left

    def left_for_good(self) -> list[str]:
        """What is still there when the process that keeps the realm has had time to notice that the command is gone."""
        deadline = time.monotonic() + _KEEPER_SECONDS
        while (left := self.left_behind()) and time.monotonic() < deadline:
            time.sleep(0.05)
        return left


Start = Callable[..., Command]


@pytest.fixture
def start(tmp_path: Path) -> Generator[Start, None, None]:
    """Start the command with the arguments given, in an environment without a realm, and without a terminal."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    commands: list[Command] = []

    def start(
        *arguments: str,
        program: Sequence[str] = MODULE,
        env: Mapping[str, str] | None = None,
        stdout: int = subprocess.PIPE,
        stderr: int = subprocess.STDOUT,
    ) -> Command:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("KRB5")}
        process = subprocess.Popen(
            [*program, *arguments],
            env={**inherited, "PYTHONPATH": str(ROOT), "TMPDIR": str(folder), **(env or {})},
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            text=True,
            encoding="utf-8",
        )
        command = Command(process, folder)
        commands.append(command)
        return command

    yield start
    for command in commands:
        command.end()
