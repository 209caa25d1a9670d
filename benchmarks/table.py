"""The tables: what is compared with what, how it must come out, and the figures behind it."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .figures import Round, Rounds, Spread, compare, compare_added, compare_cpu, compare_rate, cpu, percentile, rate
from .results import FORGED_KEYS, Name, Results, Takings

Lines = Sequence[Sequence[str]]
"""A table: lines of cells, the first line its head."""


@dataclass(frozen=True)
class Row:
    """One comparison.

    Attributes:
        what: what is compared with what.
        value: how it came out; None where it could not be measured.
        must: the target that has to be met; None where there is none.
        aim: the target that would be better still; None where there is none.
        at_least: whether the value has to be at least the target; otherwise at most.
        unit: of the value; empty for a ratio.
    """

    what: str
    value: Spread | None
    must: float | None = None
    aim: float | None = None
    at_least: bool = False
    unit: str = ""

    @property
    def verdict(self) -> str:
        """Which target is met, in words."""
        if self.value is None:
            return "not measured"
        if self.must is not None and not self._meets(self.must, self.value):
            return "missed"
        if self.aim is not None and self._meets(self.aim, self.value):
            return "aim met"
        return "shown" if self.must is None else "met"

    def _meets(self, target: float, value: Spread) -> bool:
        return value.median >= target if self.at_least else value.median <= target

    def cells(self) -> list[str]:
        """The row in text: what, median, least to most, must, aim, verdict."""
        median = spread = ""
        if self.value is not None:
            digits = 1 if self.unit else 2
            median = f"{self.value.median:.{digits}f}{self.unit}"
            spread = f"{self.value.least:.{digits}f} to {self.value.most:.{digits}f}"
        return [self.what, median, spread, self._target(self.must), self._target(self.aim), self.verdict]

    def _target(self, target: float | None) -> str:
        return "shown" if target is None else f"{'≥' if self.at_least else '≤'} {target:g}{self.unit}"


def rows(results: Results) -> list[Row]:
    """All comparisons."""
    return [*_of_accepts(results), *_of_requests(results), *_of_challenges(results), *_of_growth(results)]


def _of_accepts(results: Results) -> list[Row]:
    accepts, threads = results.accepts, results.threads
    bare, two_bare = accepts["bare accept"], threads["bare accept, two threads"]
    return [
        _cpu("CPU of an accept, one host, to GSSAPI alone", accepts["one host"], bare, 0.97, 0.90),
        _cpu("CPU of an accept, any host, to GSSAPI alone", accepts["any host"], bare, 1.0, 0.92),
        _cpu("CPU of an accept, several hosts, to GSSAPI alone", accepts["several hosts"], bare, 1.0, 0.92),
        _rate("accepts a second, two threads to one", threads["two threads"], threads["one thread"], 1.5, 1.7),
        _rate("the same, of GSSAPI alone", two_bare, threads["bare accept, one thread"]),
    ]


def _of_requests(results: Results) -> list[Row]:
    accepts, sites, flask = results.accepts, results.sites, results.flask
    ours, asgi_gssapi = sites["async-kerberos"], sites["ASGI-GSSAPI"]
    dependency, their_dependency = sites["async-kerberos, FastAPI"], sites["fastapi-spnego, FastAPI"]
    late, their_late = _p99(results.late["async-kerberos"]), _p99(results.late["ASGI-GSSAPI"])
    floor = [Round(app.cpu + bare.cpu, 0) for app, bare in zip(sites["unprotected"], sites["bare accept"], strict=True)]
    processes, one_process = results.processes, results.processes["async-kerberos"]
    on_workers, inline = accepts["async"], accepts["async, inline"]
    added = compare_added(flask["async-kerberos"], flask["Flask-GSSAPI"], flask["unprotected"])
    return [
        _cpu(
            "CPU of a request, to one with the keytab and krb5.conf read each time",
            ours,
            sites["async-kerberos, files read"],
            0.94,
            0.89,
        ),
        _cpu(
            "CPU of a request, with rules and a listener to without", sites["async-kerberos, rules"], ours, 1.05, 1.02
        ),
        _cpu("CPU of a request, workers to inline", ours, sites["async-kerberos, on the loop"], 0.95, 0.85),
        _cpu("CPU of a request, to ASGI-GSSAPI", ours, asgi_gssapi, 0.57, 0.52),
        _cpu("CPU of a request, to fastapi-spnego", ours, sites["fastapi-spnego"], 0.31, 0.28),
        _cpu("the same, both as dependencies of FastAPI", dependency, their_dependency),
        _cpu("CPU of a request, to Apache with mod_auth_gssapi", ours, sites.get("Apache mod_auth_gssapi"), 0.66, 0.58),
        _rate("requests a second, to ASGI-GSSAPI", ours, asgi_gssapi, 2.0, 2.3),
        Row("lag of the event loop, p99, to ASGI-GSSAPI", compare(late, their_late), 0.15, 0.10),
        _cpu("CPU of a request, to unprotected app and bare accept", ours, floor, 1.55, 1.45),
        _cpu("CPU of authenticate() alone, 16 at a time, to inline", on_workers, inline, aim=1.5),
        Row("CPU that signing in adds to a Flask view, to Flask-GSSAPI", added, 0.75, 0.60),
        _rate("requests a second, two processes to one", processes["async-kerberos, two processes"], one_process),
        _rate("the same, unprotected", processes["unprotected, two processes"], processes["unprotected"]),
    ]


def _of_challenges(results: Results) -> list[Row]:
    without = "requests a second without a token"
    unprotected = results.challenges["unprotected"]
    return [
        _rate(f"{without}, middleware to unprotected", results.challenges["middleware"], unprotected, 1.1, 1.3),
        _rate(f"{without}, decorator to unprotected", results.challenges["decorator"], unprotected, 0.85, 0.95),
    ]


def _of_growth(results: Results) -> list[Row]:
    few, *more = sorted(results.keytabs)
    small, large = min(results.tokens), max(results.tokens)
    growth, ratio = "growth of an accept's CPU from", "to that of GSSAPI alone"
    own = {keys: takings["one host"] for keys, takings in results.keytabs.items() if keys in (few, *more[-2:])}
    sizes = _growth(results.tokens[small], results.tokens[large])
    signed_in = results.plan.growth
    memory = Spread.of([(results.memory[-1] - results.memory[0]) / 2**20])
    imports = Spread.of([seconds * 1000 for seconds in results.imports])
    return [
        *(_cpu(f"CPU of an accept, {many:,} keys to {few}", own[many], own[few], 1.05, 1.0) for many in more[-2:]),
        *_of_forged(results.forged),
        Row(f"{growth} tokens of {small:,} bytes to {large:,}, {ratio}", sizes, 1.0),
        Row(f"memory after {10 * signed_in:,} sign-ins, over that after {signed_in:,}", memory, 1, 0, unit=" MiB"),
        Row("time to import, over gssapi, anyio and asyncio", imports, 15, 5, unit=" ms"),
    ]


def _cpu(what: str, ours: Rounds, theirs: Rounds | None, must: float | None = None, aim: float | None = None) -> Row:
    return Row(what, None if theirs is None else compare_cpu(ours, theirs), must, aim)


def _of_forged(forged: Mapping[int, Takings]) -> list[Row]:
    few, many = FORGED_KEYS
    what = f"{many} keys to {few}"
    one: Name = "forged, one host"
    any_host: Name = "forged, any host"
    return [
        _cpu(f"CPU of a forged token, one host, {what}", forged[many][one], forged[few][one], 1.1, 1.0),
        _cpu(f"CPU of a forged token, any host, {what}", forged[many][any_host], forged[few][any_host], 5),
    ]


def _rate(what: str, ours: Rounds, theirs: Rounds, must: float | None = None, aim: float | None = None) -> Row:
    return Row(what, compare_rate(ours, theirs), must, aim, at_least=True)


def _p99(rounds: Sequence[Sequence[float]]) -> list[float]:
    return [percentile(late, 99) for late in rounds]


def _growth(before: Takings, after: Takings) -> Spread:
    """By how much more ours has grown than GSSAPI alone: the ratio of both after, by that before."""
    ratio = compare_cpu(before["one host"], before["bare accept"]).median
    bare = [taken.cpu * ratio for taken in after["bare accept"]]
    return compare([taken.cpu for taken in after["one host"]], bare)


def comparisons(results: Results) -> Lines:
    """All comparisons as a table."""
    return [["", "median", "rounds", "must", "aim", "verdict"], *(row.cells() for row in rows(results))]


def figures(results: Results) -> Lines:
    """What was measured: medians in microseconds, and per second."""
    groups = {
        "in a loop": results.accepts,
        "on threads": results.threads,
        "a site, 16 connections": results.sites,
        "a site, no token": results.challenges,
        "a site of several processes": results.processes,
        "Flask on gunicorn": results.flask,
    }
    lines = [
        [where, name, f"{cpu(rounds):,.0f}", f"{rate(rounds):,.0f}"]
        for where, takings in groups.items()
        for name, rounds in takings.items()
    ]
    return [["measured", "what", "CPU, µs", "a second"], *lines]


def lag(results: Results) -> Lines:
    """The lag of the event loop, in milliseconds: medians of the rounds' percentiles."""

    def median(rounds: list[list[float]], percent: float) -> str:
        return f"{statistics.median(percentile(late, percent) for late in rounds) * 1000:.2f}"

    lines = [[name, median(rounds, 50), median(rounds, 99)] for name, rounds in results.late.items()]
    return [["", "median, ms", "p99, ms"], *lines]


def text(lines: Lines) -> str:
    """A table in columns, for a terminal."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def markdown(lines: Lines) -> str:
    """A table in Markdown."""
    head, *body = lines
    ruled = [head, ["---"] * len(head), *body]
    return "\n".join(f"| {' | '.join(line)} |" for line in ruled)
