"""The table: what is compared with what, and how it must come out."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from .figures import Ratio, Round, compare, compare_added, cpu, percentile, rate
from .results import (
    APACHE,
    ASGI_GSSAPI,
    BARE,
    FLASK_GSSAPI,
    INLINE,
    OURS,
    OURS_FASTAPI,
    SPNEGO,
    SPNEGO_FASTAPI,
    UNPROTECTED,
    Results,
)

MIB = 1024 * 1024


@dataclass(frozen=True)
class Row:
    """One comparison.

    Attributes:
        what: what is compared with what.
        value: how it came out; None where it could not be measured.
        must: the bound; None where there is none.
        aim: what would be better still.
        at_least: whether more is better.
        unit: of the value; empty for a ratio.
    """

    what: str
    value: Ratio | None
    must: float | None
    aim: float | None
    at_least: bool = False
    unit: str = ""

    @property
    def verdict(self) -> str:
        """How the value stands to the bounds, in words."""
        if self.value is None:
            return "not measured"
        if self.must is not None and not self._reaches(self.must):
            return "missed"
        if self.aim is not None and self._reaches(self.aim):
            return "aim met"
        return "shown" if self.must is None else "met"

    def _reaches(self, bound: float) -> bool:
        value = 0.0 if self.value is None else self.value.median
        return value >= bound if self.at_least else value <= bound

    def cells(self) -> list[str]:
        """The row in text: what, value, least to most, must, aim, verdict."""
        sign = "≥" if self.at_least else "≤"

        def bound(number: float | None) -> str:
            return "shown" if number is None else f"{sign} {number:g}{self.unit}"

        def figure(number: float) -> str:
            return f"{number:.1f}" if self.unit else f"{number:.2f}"

        value = spread = ""
        if self.value is not None:
            value = f"{figure(self.value.median)}{self.unit}"
            spread = f"{figure(self.value.least)} to {figure(self.value.most)}"
        return [self.what, value, spread, bound(self.must), bound(self.aim), self.verdict]


HEAD = ["", "median", "rounds", "must", "aim", "verdict"]


def rows(results: Results) -> list[Row]:
    """The whole table."""
    accepts, threads, sites = results.accepts, results.threads, results.sites
    challenges, flask = results.challenges, results.flask
    floor = [Round(bare.cpu + app.cpu, 0) for bare, app in zip(sites[BARE], sites[UNPROTECTED], strict=True)]
    lag = [
        percentile(ours, 99) / percentile(theirs, 99)
        for ours, theirs in zip(results.late[OURS], results.late[ASGI_GSSAPI], strict=True)
    ]
    apache = None if APACHE not in sites else compare(_cpu, sites[OURS], sites[APACHE])
    few, many = min(results.keytabs), max(results.keytabs)
    small, large = min(results.tokens), max(results.tokens)
    grown = (results.memory[-1] - results.memory[0]) / MIB
    imports = [seconds * 1000 for seconds in results.imports]

    def accept(name: str, must: float | None, aim: float | None) -> Row:
        return Row(f"CPU of an accept, {name}, to GSSAPI alone", compare(_cpu, accepts[name], accepts[BARE]), must, aim)

    return [
        accept("one host", 1.15, 1.08),
        accept("any host", 1.45, None),
        accept("several hosts", 1.45, None),
        Row(
            "accepts a second, two threads to one",
            compare(_rate, threads["two threads"], threads["one thread"]),
            1.5,
            1.7,
            at_least=True,
        ),
        Row(
            "the same, of GSSAPI alone",
            compare(_rate, threads["bare accept, two threads"], threads["bare accept, one thread"]),
            None,
            None,
            at_least=True,
        ),
        Row("CPU of a request, workers to inline", compare(_cpu, sites[OURS], sites[INLINE]), 1.15, 1.0),
        Row("CPU of a request, to ASGI-GSSAPI", compare(_cpu, sites[OURS], sites[ASGI_GSSAPI]), 0.75, 0.60),
        Row("CPU of a request, to fastapi-spnego", compare(_cpu, sites[OURS], sites[SPNEGO]), 0.40, 0.30),
        Row(
            "the same, both as dependencies of FastAPI",
            compare(_cpu, sites[OURS_FASTAPI], sites[SPNEGO_FASTAPI]),
            None,
            None,
        ),
        Row("CPU of a request, to Apache with mod_auth_gssapi", apache, 0.90, 0.75),
        Row(
            "requests a second, to ASGI-GSSAPI",
            compare(_rate, sites[OURS], sites[ASGI_GSSAPI]),
            1.8,
            2.2,
            at_least=True,
        ),
        Row("lag of the event loop, p99, to ASGI-GSSAPI", Ratio.of(lag), 0.15, 0.07),
        Row("CPU of a request, to unprotected app and bare accept", compare(_cpu, sites[OURS], floor), None, 1.5),
        Row(
            "CPU of authenticate() alone, 16 at a time, to inline",
            compare(_cpu, accepts["async"], accepts["async, inline"]),
            None,
            1.5,
        ),
        Row(
            "CPU that signing in adds to a Flask view, to Flask-GSSAPI",
            compare_added(flask[OURS], flask[FLASK_GSSAPI], flask[UNPROTECTED]),
            0.80,
            0.65,
        ),
        Row(
            "requests a second without a token, middleware to unprotected",
            compare(_rate, challenges["middleware"], challenges[UNPROTECTED]),
            1.0,
            1.3,
            at_least=True,
        ),
        Row(
            "requests a second without a token, decorator to unprotected",
            compare(_rate, challenges["decorator"], challenges[UNPROTECTED]),
            0.75,
            0.9,
            at_least=True,
        ),
        Row(
            f"growth of an accept's CPU from {few} keys to {many:,}, to that of GSSAPI alone",
            _growth(results.keytabs[few], results.keytabs[many]),
            1.0,
            None,
        ),
        Row(
            f"growth of an accept's CPU from tokens of {small:,} bytes to {large:,}, to that of GSSAPI alone",
            _growth(results.tokens[small], results.tokens[large]),
            1.0,
            None,
        ),
        Row(
            f"memory after {10 * results.plan.growth:,} sign-ins, over that after {results.plan.growth:,}",
            Ratio(grown, grown, grown),
            2,
            0,
            unit=" MiB",
        ),
        Row("time to import, over gssapi, anyio and asyncio", Ratio.of(imports), 15, 5, unit=" ms"),
    ]


def _cpu(taken: Round) -> float:
    return taken.cpu


def _rate(taken: Round) -> float:
    return taken.rate


def _growth(before: dict[str, list[Round]], after: dict[str, list[Round]]) -> Ratio:
    """By how much more ours has grown than the bare loop: the ratio of both after, by that before."""
    first = compare(_cpu, before["one host"], before[BARE]).median
    return Ratio.of([our.cpu / bare.cpu / first for our, bare in zip(after["one host"], after[BARE], strict=True)])


def figures(results: Results) -> list[list[str]]:
    """What stands behind the ratios: medians in microseconds, and per second."""
    groups = [
        ("in a loop", results.accepts),
        ("on threads", results.threads),
        ("a site, 16 connections", results.sites),
        ("a site, no token", results.challenges),
        ("Flask on gunicorn", results.flask),
    ]
    return [
        [where, name, f"{cpu(rounds):,.0f}", f"{rate(rounds):,.0f}"]
        for where, taken in groups
        for name, rounds in taken.items()
    ]


def lag(results: Results) -> list[list[str]]:
    """The lag of the event loop, in milliseconds: medians of the rounds' percentiles."""
    return [
        [
            name,
            *(f"{statistics.median(percentile(late, percent) for late in rounds) * 1000:.2f}" for percent in (50, 99)),
        ]
        for name, rounds in results.late.items()
    ]


def text(lines: Sequence[Sequence[str]]) -> str:
    """Lines of cells in columns, for a terminal."""
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def markdown(lines: Sequence[Sequence[str]]) -> str:
    """The same as a table of Markdown, the first line its head."""
    head, *body = lines
    ruled = [head, ["---"] * len(head), *body]
    return "\n".join(f"| {' | '.join(line)} |" for line in ruled)
