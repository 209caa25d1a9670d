"""The command line itself: help, version, wrong usage, and what it says where an extra is missing."""

from __future__ import annotations

import importlib.metadata
import sys
from pathlib import Path

import pytest

import async_kerberos
from async_kerberos.cli import main

from .conftest import ROOT, Start

_PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"


def without(*modules: str) -> tuple[str, ...]:
    """The program, in an interpreter that cannot import the modules."""
    lines = [
        "import sys",
        f"sys.path.insert(0, {str(ROOT)!r})",
        *(f"sys.modules[{module!r}] = None" for module in modules),
        "from async_kerberos.cli import main",
        "main()",
    ]
    return (sys.executable, "-I", "-c", "\n".join(lines))


def test_entry_point() -> None:
    """The distribution installs a command `async-kerberos` that is main()."""
    assert 'async-kerberos = "async_kerberos.cli:main"' in _PYPROJECT.read_text().splitlines()
    entry = importlib.metadata.EntryPoint("async-kerberos", "async_kerberos.cli:main", "console_scripts")
    assert entry.load() is main


@pytest.mark.parametrize("option", ["--help", "-h"])
def test_help(start: Start, option: str) -> None:
    """The help names the command, its subcommand and its options."""
    command = start(option)
    assert command.finish() == 0
    assert command.output.startswith("Usage: async-kerberos ")
    for word in ("demo", "--version", "--help"):
        assert word in command.output


def test_demo_help(start: Start) -> None:
    """The help of the demo names every framework, every option, the programs it needs and its exit statuses."""
    command = start("demo", "--help")
    assert command.finish() == 0
    assert "[flask|quart|starlette|fastapi|asgi|wsgi]" in command.output
    for word in ("--once", "--port", "8000", "krb5-kdc", "Exit status"):
        assert word in command.output


def test_version(start: Start) -> None:
    """--version prints the version of the package."""
    command = start("--version")
    assert command.finish() == 0
    assert command.output == f"async-kerberos, version {async_kerberos.__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(("demo", "django"), "'django' is not one of"), (("demo", "--port", "65536"), "65536"), (("sign-in",), "sign-in")],
)
def test_wrong_usage(start: Start, arguments: tuple[str, ...], said: str) -> None:
    """Wrong usage has status 2 and a message that says what was wrong."""
    command = start(*arguments)
    assert command.finish() == 2
    assert said in command.output


@pytest.mark.parametrize("module", ["click", "rich"])
def test_missing_cli_extra(start: Start, module: str) -> None:
    """Without the extra `cli`, the command says what is missing and how to install it."""
    command = start("--version", program=without(module))
    assert command.finish() == 1
    assert command.output == (
        f"async-kerberos: the command needs {module}, which is missing: pip install 'async-kerberos[cli]'\n"
    )


@pytest.mark.parametrize(
    ("framework", "missing"),
    [
        ("flask", ("flask",)),
        ("flask", ("asgiref",)),
        ("quart", ("quart",)),
        ("starlette", ("starlette", "uvicorn")),
        ("fastapi", ("fastapi",)),
        ("asgi", ("uvicorn", "k5test")),
    ],
)
def test_missing_demo_extra(start: Start, framework: str, missing: tuple[str, ...]) -> None:
    """Where something that this demo needs is missing, it says what and how to install it, and starts nothing."""
    command = start("demo", framework, "--once", program=without(*missing))
    assert command.finish() == 1
    assert f"needs {' and '.join(missing)}, not installed here" in command.output
    assert "pip install 'async-kerberos[demo]'" in command.output
    assert "behind Kerberos" not in command.output


def test_other_frameworks_may_be_missing(start: Start) -> None:
    """The demo of one framework does not need the others, and the command itself needs none."""
    others = ("flask", "quart", "starlette", "fastapi", "hypercorn", "werkzeug")
    command = start("demo", "asgi", "--once", program=without(*others))
    assert command.finish() == 0, command.output
