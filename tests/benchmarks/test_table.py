"""How figures are compared, and judged."""

from __future__ import annotations

import pytest

from benchmarks.figures import Round, Spread, compare_added, compare_cpu, compare_rate, cpu, percentile, rate
from benchmarks.results import Name, Plan, Results
from benchmarks.table import Row, comparisons, figures, lag, markdown, rows, text


def rounds(*cpus: float) -> list[Round]:
    """Rounds of so much CPU each, and a rate to match."""
    return [Round(taken, 1_000_000 / taken) for taken in cpus]


def test_compare() -> None:
    """Rounds are compared one by one: what slows both of a round down changes nothing."""
    ours, theirs = rounds(100, 400, 110), rounds(200, 800, 200)
    assert compare_cpu(ours, theirs) == Spread(0.5, 0.5, 0.55)
    assert compare_rate(ours, theirs).median == 2
    assert (cpu(ours), rate(ours)) == (110, 1_000_000 / 110)


def test_compare_what_is_added() -> None:
    """What both would cost anyway is taken off both, and one odd round changes nothing."""
    added = compare_added(rounds(150, 151, 149, 950), rounds(200, 201, 201, 101), rounds(100, 101, 99, 100))
    assert added.median == pytest.approx(0.5, rel=0.02)


def test_percentile() -> None:
    """Of a hundred values 99 do not exceed the 99th percentile's neighbours; that of one value is the value."""
    assert percentile([float(number) for number in range(100)], 99) == 99
    assert percentile([3.0, 1.0, 2.0], 50) == 2
    assert percentile([1.0], 99) == 1


@pytest.mark.parametrize(
    ("value", "at_least", "verdict"),
    [
        (0.9, False, "aim met"),
        (1.1, False, "met"),
        (1.16, False, "missed"),
        (1.16, True, "aim met"),
        (1.01, True, "missed"),
    ],
)
def test_verdict(value: float, at_least: bool, verdict: str) -> None:
    """A row says whether its median reaches the bound, and the aim."""
    must, aim = (1.1, 1.15) if at_least else (1.15, 1.0)
    assert Row("a row", Spread(value, value, value), must, aim, at_least=at_least).verdict == verdict


def test_verdict_without_bounds() -> None:
    """A row without a bound is shown; one that could not be measured says so, and is never met."""
    assert Row("a row", Spread(1, 1, 1), None, None).verdict == "shown"
    assert Row("a row", None, 1, 1).verdict == "not measured"


def results() -> Results:
    """Results in which everything of ours costs half of everything else."""
    ours, others = rounds(*[100.0] * 5), rounds(*[200.0] * 5)
    loops: list[Name] = ["one host", "any host", "several hosts", "blocking", "async", "async, inline"]
    on_threads: list[Name] = ["bare accept, one thread", "bare accept, two threads"]
    sites: list[Name] = [
        "unprotected",
        "async-kerberos, on the loop",
        "async-kerberos, files read",
        "ASGI-GSSAPI",
        "fastapi-spnego",
        "fastapi-spnego, FastAPI",
        "Apache mod_auth_gssapi",
        "bare accept",
    ]
    return Results(
        Plan(),
        accepts={"bare accept": others, **dict.fromkeys(loops, ours)},
        threads={"one thread": ours, "two threads": [Round(100, 17_000)] * 5, **dict.fromkeys(on_threads, others)},
        sites={
            **dict.fromkeys(["async-kerberos", "async-kerberos, FastAPI", "async-kerberos, rules"], ours),
            **dict.fromkeys(sites, others),
        },
        challenges={"unprotected": others, "middleware": ours, "decorator": ours},
        processes={
            "unprotected": ours,
            "unprotected, two processes": [Round(100, 19_000)] * 5,
            "async-kerberos": ours,
            "async-kerberos, two processes": [Round(100, 18_000)] * 5,
        },
        flask={"unprotected": ours, "async-kerberos": others, "Flask-GSSAPI": others},
        late={"async-kerberos": [[0.001] * 100] * 5, "ASGI-GSSAPI": [[0.010] * 100] * 5},
        throughput={},
        keytabs={
            2: {"one host": ours, "bare accept": ours},
            100: {},
            1000: {"one host": ours},
            9000: {"one host": others},
        },
        forged={
            2: {"forged, one host": ours, "forged, any host": ours},
            602: {"forged, one host": ours, "forged, any host": others},
        },
        tokens={700: {"one host": ours, "bare accept": ours}, 12_000: {"one host": others, "bare accept": ours}},
        memory=[50 * 1024 * 1024, 51 * 1024 * 1024],
        imports=[0.012, 0.013, 0.020],
    )


def test_rows() -> None:
    """Every row is computed from what it says."""
    found = {row.what: row for row in rows(results())}
    values = {what: row.value.median for what, row in found.items() if row.value is not None}
    assert values["CPU of an accept, one host, to GSSAPI alone"] == 0.5
    assert values["accepts a second, two threads to one"] == pytest.approx(1.7)
    assert values["CPU of a request, to unprotected app and bare accept"] == 0.25
    assert values["requests a second, to ASGI-GSSAPI"] == 2
    assert values["lag of the event loop, p99, to ASGI-GSSAPI"] == pytest.approx(0.1)
    assert values["CPU that signing in adds to a Flask view, to Flask-GSSAPI"] == 1
    assert values["requests a second, two processes to one"] == pytest.approx(1.8)
    assert values["the same, unprotected"] == pytest.approx(1.9)
    assert values["CPU of an accept, 1,000 keys to 2"] == 1
    assert values["CPU of a forged token, one host, 602 keys to 2"] == 1
    assert values["CPU of a forged token, any host, 602 keys to 2"] == 2
    assert values["growth of an accept's CPU from tokens of 700 bytes to 12,000, to that of GSSAPI alone"] == 2
    assert values["memory after 200,000 sign-ins, over that after 20,000"] == 1
    assert values["time to import, over gssapi, anyio and asyncio"] == pytest.approx(13)
    missed = [what for what, row in found.items() if row.verdict == "missed"]
    assert missed == [
        "CPU of a request, to fastapi-spnego",  # a half is too much there
        "CPU that signing in adds to a Flask view, to Flask-GSSAPI",
        "CPU of an accept, 9,000 keys to 2",
        "growth of an accept's CPU from tokens of 700 bytes to 12,000, to that of GSSAPI alone",
    ]


def test_without_apache() -> None:
    """Where Apache is not installed, its row says that it was not measured."""
    without = results()
    del without.sites["Apache mod_auth_gssapi"]
    (row,) = (row for row in rows(without) if "Apache" in row.what)
    assert row.verdict == "not measured"


def test_as_text() -> None:
    """The table comes in columns for a terminal, and as Markdown."""
    lines = comparisons(results())
    head, first, *_ = text(lines).splitlines()
    assert head.index("verdict") == first.index("aim met")
    assert markdown(lines).splitlines()[2].startswith("| CPU of an accept, one host, to GSSAPI alone | 0.50 |")
    assert ["a site, 16 connections", "async-kerberos", "100", "10,000"] in figures(results())
    assert ["async-kerberos", "1.00", "1.00"] in lag(results())
