"""Every claim of docs/security.md names its tests, and they exist."""

from __future__ import annotations

import re

import pytest

from ..support import ROOT

TEXT = (ROOT / "docs" / "security.md").read_text()
ROWS = [
    line
    for line in TEXT.splitlines()
    if line.startswith("| ") and not line.endswith("| Test |") and not line.startswith("|---")
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.split("|")[1].strip()[:40])
def test_claim(row: str) -> None:
    """A claim names at least one test, in its last column, and each that it names is there."""
    references = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", row.split("|")[-2])
    assert references
    for path, name in references:
        source = (ROOT / path).read_text()
        assert re.search(rf"^(?:async )?def {name or 'test_'}", source, re.MULTILINE), f"{path} has no {name}"


def test_all_claims_are_found() -> None:
    """The tables are read as what they are."""
    assert len(ROWS) > 30
