"""The charts of docs/performance.md."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from .figures import Rounds, cpu, percentile, rate
from .results import Name, Results, Takings

# The bars of the first chart stand in this order, from below.
_COLOURS: dict[Name, str] = {
    "Apache mod_auth_gssapi": "#5b8c3a",
    "fastapi-spnego, FastAPI": "#8a5a9e",
    "fastapi-spnego": "#8a5a9e",
    "async-kerberos, FastAPI": "#1f5fa8",
    "ASGI-GSSAPI": "#d9822b",
    "async-kerberos, on the loop": "#7fa8d6",
    "async-kerberos": "#1f5fa8",
    "bare accept": "#8a8a8a",
    "unprotected": "#c4c4c4",
    "one host": "#1f5fa8",
    "any host": "#7fa8d6",
}
# With these, the same figures give the same bytes on any day.
_FIXED = {"svg.hashsalt": "async-kerberos", "svg.fonttype": "none", "font.family": "sans-serif"}


def draw(results: Results, folder: Path) -> list[Path]:
    """Draw all charts.

    Returns:
        Their files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    drawings = {
        "cpu.svg": _cpu(results),
        "throughput.svg": _throughput(results),
        "lag.svg": _lag(results),
        "keytab.svg": _keytab(results),
        "token.svg": _token(results),
    }
    with mpl.rc_context(_FIXED):
        for name, figure in drawings.items():
            figure.savefig(folder / name, metadata={"Date": None}, bbox_inches="tight")
    return [folder / name for name in drawings]


def _axes() -> tuple[Figure, Any]:
    figure = Figure(figsize=(7.5, 3.6))
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _cpu(results: Results) -> Figure:
    figure, axes = _axes()
    floor = ("unprotected", "bare accept")
    names = [name for name in _COLOURS if name in results.sites and name not in floor]
    axes.barh(names, [cpu(results.sites[name]) for name in names], color=[_COLOURS[name] for name in names])
    unprotected, bare = cpu(results.sites["unprotected"]), cpu(results.sites["bare accept"])
    axes.barh(["floor"], [unprotected], color=_COLOURS["unprotected"], label="unprotected application")
    axes.barh(["floor"], [bare], left=[unprotected], color=_COLOURS["bare accept"], label="the accept alone")
    for bar in axes.patches[: len(names)]:
        axes.text(bar.get_width(), bar.get_y() + bar.get_height() / 2, f" {bar.get_width():,.0f}", va="center")
    axes.set_xlabel("CPU of the server for a request, in µs (less is better)")
    axes.legend(frameon=False)
    return figure


def _throughput(results: Results) -> Figure:
    figure, axes = _axes()
    connections = sorted(results.throughput)
    for name in results.throughput[connections[0]]:
        _curve(axes, rate, results.throughput, name)
    axes.set_xscale("log", base=2)
    axes.set_xticks(connections, [str(number) for number in connections])
    axes.set_ylim(bottom=0)
    axes.set_xlabel("connections, each with one request under way")
    axes.set_ylabel("sign-ins a second (more is better)")
    axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def _lag(results: Results) -> Figure:
    figure, axes = _axes()
    percents = [step / 10 for step in range(1000)]
    for name, rounds in results.late.items():
        late = [value * 1000 for values in rounds for value in values]
        axes.plot([percentile(late, percent) for percent in percents], percents, label=name, color=_COLOURS[name])
    axes.set_xscale("log")
    axes.set_xlim(left=0.05)
    axes.set_xlabel("how late a sleep of 1 ms ends on the busy event loop, in ms (less is better)")
    axes.set_ylabel("sleeps, in %")
    axes.legend(frameon=False)
    return figure


def _keytab(results: Results) -> Figure:
    figure, axes = _axes()
    keys = sorted(results.keytabs)
    _curve(axes, cpu, results.keytabs, "bare accept", "GSSAPI alone, one host")
    _curve(axes, cpu, results.keytabs, "one host")
    _curve(axes, cpu, results.keytabs, "any host")
    axes.set_xscale("log")
    axes.set_xticks(keys, [f"{number:,}" for number in keys])
    _label_accepts(axes, "keys in the keytab")
    return figure


def _token(results: Results) -> Figure:
    figure, axes = _axes()
    by_kib = {size / 1024: takings for size, takings in results.tokens.items()}
    _curve(axes, cpu, by_kib, "bare accept", "GSSAPI alone")
    _curve(axes, cpu, by_kib, "one host", "async-kerberos")
    _label_accepts(axes, "size of the token, in KiB")
    return figure


def _curve(
    axes: Any, value: Callable[[Rounds], float], takings: Mapping[Any, Takings], name: Name, label: str = ""
) -> None:
    """Draw a value over the numbers by which the takings are kept."""
    numbers = sorted(number for number in takings if name in takings[number])
    values = [value(takings[number][name]) for number in numbers]
    axes.plot(numbers, values, marker="o", label=label or name, color=_COLOURS[name])


def _label_accepts(axes: Any, what: str) -> None:
    axes.set_ylim(bottom=0)
    axes.set_xlabel(what)
    axes.set_ylabel("CPU of an accept, in µs (less is better)")
    axes.legend(frameon=False)
