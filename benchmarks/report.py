"""Writes docs/performance.md."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import subprocess
from datetime import date
from pathlib import Path
from string import Template

from .apache import find_apache
from .results import Results
from .table import comparisons, figures, lag, markdown

_TEMPLATE = Path(__file__).parent / "performance.md.in"
_PACKAGES = (
    "gssapi",
    "anyio",
    "starlette",
    "fastapi",
    "flask",
    "uvicorn",
    "uvloop",
    "httptools",
    "gunicorn",
    "ASGI-GSSAPI",
    "fastapi-spnego",
    "Flask-GSSAPI",
)


def write(results: Results, path: Path, charts: list[Path]) -> None:
    """Write the page.

    Args:
        results: what was measured.
        path: the page.
        charts: the files of the charts; the template shows cpu.svg where it says $cpu_chart.
    """
    text = Template(_TEMPLATE.read_text(encoding="utf-8")).substitute(
        table=markdown(comparisons(results)),
        figures=markdown(figures(results)),
        lag=markdown(lag(results)),
        machine=_machine(),
        versions=", ".join(_versions()),
        amount=f"{results.plan.rounds} rounds of {results.plan.size} sign-ins",
        **{f"{chart.stem}_chart": os.path.relpath(chart, path.parent) for chart in charts},
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _machine() -> str:
    found = re.search(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    processor = found[1] if found else platform.machine()
    pages, size = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    system = platform.freedesktop_os_release().get("PRETTY_NAME", platform.system())
    return (
        f"{len(os.sched_getaffinity(0))} cores of {processor}, {pages * size / 1024**3:.0f} GiB, {system}, "
        f"Linux {platform.release().partition('-')[0]}; {date.today():%B %Y}"
    )


def _versions() -> list[str]:
    versions = [f"Python {platform.python_version()}", _output("krb5-config", "--version")]
    apache = find_apache()
    if apache is not None:
        versions.append(_output(apache, "-v").splitlines()[0].removeprefix("Server version: "))
    return [*versions, *(f"{name} {importlib.metadata.version(name)}" for name in _PACKAGES)]


def _output(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout.strip()
