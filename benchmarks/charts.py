"""The charts of docs/performance.md."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from .figures import cpu, percentile, rate
from .results import APACHE, ASGI_GSSAPI, BARE, INLINE, OURS, OURS_FASTAPI, SPNEGO, SPNEGO_FASTAPI, UNPROTECTED, Results

_COLOURS = {
    OURS: "#1f5fa8",
    OURS_FASTAPI: "#1f5fa8",
    INLINE: "#7fa8d6",
    ASGI_GSSAPI: "#d9822b",
    SPNEGO: "#8a5a9e",
    SPNEGO_FASTAPI: "#8a5a9e",
    APACHE: "#5b8c3a",
    BARE: "#8a8a8a",
    UNPROTECTED: "#c4c4c4",
}
# The same figures give the same bytes, on any day.
_FIXED = {"svg.hashsalt": "async-kerberos", "svg.fonttype": "none", "font.family": "sans-serif"}


def draw(results: Results, folder: Path) -> list[Path]:
    """Draw them all.

    Returns:
        The files, in the order in which they are to be shown.
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


def _axes(height: float = 3.6) -> tuple[Figure, Any]:
    figure = Figure(figsize=(7.5, height))
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _cpu(results: Results) -> Figure:
    figure, axes = _axes()
    names = [
        name
        for name in (APACHE, SPNEGO_FASTAPI, SPNEGO, OURS_FASTAPI, ASGI_GSSAPI, INLINE, OURS)
        if name in results.sites
    ]
    axes.barh(names, [cpu(results.sites[name]) for name in names], color=[_COLOURS[name] for name in names])
    unprotected, bare = cpu(results.sites[UNPROTECTED]), cpu(results.sites[BARE])
    axes.barh(["floor"], [unprotected], color=_COLOURS[UNPROTECTED], label="unprotected application")
    axes.barh(["floor"], [bare], left=[unprotected], color=_COLOURS[BARE], label="the accept alone")
    for bar in axes.patches[: len(names)]:
        axes.text(bar.get_width(), bar.get_y() + bar.get_height() / 2, f" {bar.get_width():,.0f}", va="center")
    axes.set_xlabel("CPU of the server for a request, in µs (less is better)")
    axes.legend(frameon=False)
    return figure


def _throughput(results: Results) -> Figure:
    figure, axes = _axes()
    connections = sorted(results.throughput)
    for name in results.throughput[connections[0]]:
        rates = [rate(results.throughput[number][name]) for number in connections]
        axes.plot(connections, rates, marker="o", label=name, color=_COLOURS[name])
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
    series = {BARE: (BARE, "GSSAPI alone, one host"), "one host": (OURS, "one host"), "any host": (INLINE, "any host")}
    for name, (colour, label) in series.items():
        values = [cpu(results.keytabs[number][name]) for number in keys]
        axes.plot(keys, values, marker="o", label=label, color=_COLOURS[colour])
    axes.set_xscale("log")
    axes.set_xticks(keys, [f"{number:,}" for number in keys])
    _finish(axes, "keys in the keytab")
    return figure


def _token(results: Results) -> Figure:
    figure, axes = _axes()
    sizes = sorted(results.tokens)
    for name, label, colour in ((BARE, "GSSAPI alone", BARE), ("one host", "async-kerberos", OURS)):
        values = [cpu(results.tokens[size][name]) for size in sizes]
        axes.plot([size / 1024 for size in sizes], values, marker="o", label=label, color=_COLOURS[colour])
    _finish(axes, "size of the token, in KiB")
    return figure


def _finish(axes: Any, what: str) -> None:
    axes.set_ylim(bottom=0)
    axes.set_xlabel(what)
    axes.set_ylabel("CPU of an accept, in µs (less is better)")
    axes.legend(frameon=False)
