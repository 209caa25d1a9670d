"""What a client would rather have, by ``Accept`` and ``Accept-Language`` (RFC 9110, section 12.5)."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Literal

Kind = Literal["html", "json", "text"]
"""What a body is written in."""

# No browser sends half of that. Who sends more gets what those get who send nothing.
_LONGEST = 1000
_MOST = 32

# weight = OWS ";" OWS "q=" qvalue
_WEIGHT = re.compile(r"(?:^|;)[ \t]*q[ \t]*=[ \t]*([^;]*?)[ \t]*(?:;|$)")
_QVALUE = re.compile(r"0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?")

_HTML = ("text/html", "application/xhtml+xml")


def is_long(values: Sequence[str]) -> bool:
    """Whether a field is longer than any that is read."""
    return sum(map(len, values)) > _LONGEST


def kind_of(accept: Sequence[str]) -> Kind:
    """What a client asks for by the values of ``Accept``: only who names HTML, or JSON, gets it."""
    for name in _wanted(accept):
        if name in _HTML:
            return "html"
        if name == "application/json" or name.endswith("+json"):
            return "json"
        if name in ("text/plain", "text/*", "*/*"):
            return "text"
    return "text"


def language_of(accept_language: Sequence[str], known: Collection[str], default: str) -> str:
    """The known language that a client would rather have: ``de-AT`` takes ``de`` (RFC 4647, section 3.4)."""
    for name in _wanted(accept_language):
        while name:
            if name in known:
                return name
            name = name.rpartition("-")[0]
    return default


def _wanted(values: Sequence[str]) -> list[str]:
    """The names that a field lists, in small letters: the most wanted first, and of those, ``*`` last."""
    if is_long(values):
        return []
    text = ",".join(values)
    found: list[tuple[float, bool, str]] = []
    for element in text.lower().split(",")[:_MOST]:
        name, _, parameters = element.partition(";")
        weight = _weight(parameters)
        if weight:
            found.append((-weight, "*" in name, name.strip(" \t")))
    return [name for _, _, name in sorted(found, key=lambda one: one[:2])]


def _weight(parameters: str) -> float:
    match = _WEIGHT.search(parameters) if parameters else None
    if match is None:
        return 1.0
    return float(match[1]) if _QVALUE.fullmatch(match[1]) else 0.0
