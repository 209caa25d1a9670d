"""Runs the fuzzers for so many seconds in all: ``python -m tests.fuzz.run 600``.

What they find goes into a folder that git ignores and the next run goes on from; an input that fails a check goes to
``tests/fuzz/crashes``, from where ``test_regressions.py`` takes it ever after.
"""

from __future__ import annotations

import argparse
import importlib.util
import platform
import subprocess
import sys
from pathlib import Path

from .harness import FOLDER, HARNESSES

ROOT = FOLDER.parents[1]

# A sign-in takes a hundred times as long as a look at a header.
_SHARES = {"header": 1, "authenticate": 3}

# libFuzzer's own guard. An input takes milliseconds.
_SECONDS_FOR_AN_INPUT = 30
# A hang guard.
_SECONDS_TO_START_AND_END = 300
_LONGEST_INPUT = 512

# CPython versions with wheels of atheris for Linux on x86-64, as the group `fuzz` in pyproject.toml has it.
_VERSIONS = ((3, 10), (3, 14))


def main() -> int:
    """Run, and return the exit status: 0 unless a check failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("seconds", type=int, help="for all harnesses together")
    parser.add_argument("harnesses", nargs="*", default=HARNESSES, metavar="HARNESS", help="; ".join(HARNESSES))
    parser.add_argument("--found", type=Path, default=ROOT / "build" / "fuzz", help="where the found corpus is kept")
    arguments = parser.parse_args()
    if unknown := set(arguments.harnesses) - set(HARNESSES):
        parser.error(f"no such harness: {', '.join(sorted(unknown))}")
    if importlib.util.find_spec("atheris") is None:
        return _without_atheris()
    shares = sum(_SHARES[harness] for harness in arguments.harnesses)
    statuses = [
        _run(harness, max(1, arguments.seconds * _SHARES[harness] // shares), arguments.found)
        for harness in arguments.harnesses
    ]
    return max(statuses)


def _without_atheris() -> int:
    if has_wheel():
        print("fuzz: atheris is not installed: pip install --group fuzz", file=sys.stderr)
        return 1
    version = platform.python_version()
    print(
        f"fuzz: NOTHING WAS FUZZED: atheris has no wheel for {platform.python_implementation()} {version} on "
        f"{platform.system()} {platform.machine()}. The kept inputs are run by tests/fuzz/test_regressions.py."
    )
    return 0


def has_wheel() -> bool:
    """Whether there is a wheel of atheris for this interpreter and platform."""
    return (
        sys.platform == "linux"
        and platform.machine() == "x86_64"
        and platform.python_implementation() == "CPython"
        and platform.libc_ver()[0] == "glibc"
        and _VERSIONS[0] <= sys.version_info[:2] <= _VERSIONS[1]
    )


def _run(harness: str, seconds: int, found: Path) -> int:
    corpus = found / harness
    corpus.mkdir(parents=True, exist_ok=True)
    crashes = FOLDER / "crashes" / harness
    before = set(crashes.iterdir())
    print(f"fuzz: {harness}, for {seconds} s", flush=True)
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            f"tests.fuzz.fuzz_{harness}",
            str(corpus),
            str(FOLDER / "corpus" / harness),
            f"-dict={FOLDER / 'words'}",
            f"-max_total_time={seconds}",
            f"-max_len={_LONGEST_INPUT}",
            f"-timeout={_SECONDS_FOR_AN_INPUT}",
            f"-artifact_prefix={crashes}/",
            "-print_final_stats=1",
            "-verbosity=1",
        ],
        cwd=ROOT,
        check=False,
        timeout=seconds + _SECONDS_TO_START_AND_END,
    )
    for path in sorted(set(crashes.iterdir()) - before):
        print(f"fuzz: {harness}: a check failed; the input is {path.relative_to(ROOT)}", file=sys.stderr)
    if done.returncode:
        print(f"fuzz: {harness}: FAILED, exit status {done.returncode}", file=sys.stderr)
    return 1 if done.returncode else 0


if __name__ == "__main__":
    sys.exit(main())
