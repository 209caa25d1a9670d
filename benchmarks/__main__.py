"""Measures everything, prints the table, and writes the page: ``python -m benchmarks [--quick]``."""

from __future__ import annotations

import argparse
import signal
import sys

from . import charts, report, suite
from .results import QUICK, Plan
from .scene import open_scene
from .servers import ROOT
from .table import comparisons, text


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two minutes, rough figures, written to build/bench/")
    quick: bool = parser.parse_args().quick
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the servers, and the KDC, end with it
    folder = ROOT / "build" / "bench" if quick else ROOT / "docs"
    with open_scene() as scene:
        results = suite.run(scene, QUICK if quick else Plan())
    print(text(comparisons(results)))
    page = folder / "performance.md"
    report.write(results, page, charts.draw(results, folder / "performance"))
    print(f"\nwritten: {page.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
