"""scripts/find-pythons: each CPython once, by what it says of itself and not by the name of the program."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ..support import ROOT

OWN = ".".join(map(str, sys.version_info[:2]))


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A folder for programs, which is all that PATH has."""
    return tmp_path / "bin"


def _find(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PATH": str(folder), "PYENV_ROOT": str(folder.parent / "pyenv")}
    command = [sys.executable, str(ROOT / "scripts" / "find-pythons"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment)


def _stand_in(path: Path, version: tuple[int, ...], *unfit: str, real: str | None = None) -> str:
    """A program that answers as the interpreter of this version would; its path as it says it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    said = real or str(path)
    path.write_text(f"#!/bin/sh\necho '{json.dumps([version, said, unfit])}'\n")
    path.chmod(0o755)
    return said


def test_found(program: Path) -> None:
    """A version once, and PATH before pyenv; what is too old, unfit or does not run is left out."""
    first = _stand_in(program / "python3.10", (3, 10, 13))
    _stand_in(program / "python3", (3, 10, 13), real=first)
    pyenv = program.parent / "pyenv" / "versions"
    _stand_in(pyenv / "3.10.1" / "bin" / "python3", (3, 10, 1))
    other = _stand_in(pyenv / "3.99.0" / "bin" / "python3", (3, 99, 0))
    _stand_in(pyenv / "3.9.18" / "bin" / "python3", (3, 9, 18))
    pypy = _stand_in(pyenv / "pypy" / "bin" / "python3", (3, 98, 0), "not CPython")
    shim = program / "python3.97"
    shim.write_text("#!/bin/sh\necho 'pyenv: python3.97: command not found' >&2\nexit 127\n")
    shim.chmod(0o755)

    done = _find(program)

    assert (done.returncode, done.stdout) == (0, "3.10\n3.99\n".replace(f"{OWN}\n", ""))
    assert f"CPython 3.99: {other}\n" in done.stderr
    assert f"Left out: {pypy}: 3.98.0, not CPython\n" in done.stderr
    assert "3.97" not in done.stderr
    assert _find(program, "3.10").stdout == f"{first}\n"
    assert _find(program, "3.98").returncode == 1


def test_own(program: Path) -> None:
    """The Python that runs the script is found by what a real interpreter says, and left out: `make test` has it."""
    program.mkdir()
    (program / "python3").symlink_to(sys.executable)
    done = _find(program)
    assert (done.returncode, done.stdout) == (0, "")
    assert f"CPython {OWN}: {os.path.realpath(sys._base_executable)}, left out: `make test` has it\n" in done.stderr  # type: ignore[attr-defined]  # pyright: ignore
    assert "No other CPython was found" in done.stderr
