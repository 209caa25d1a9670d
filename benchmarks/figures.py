"""What is measured, and how two things are compared: round by round, since the machine's speed drifts."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Round:
    """What one round of requests, or accepts, took.

    Attributes:
        cpu: microseconds of CPU for each, by user and system.
        rate: how many a second.
    """

    cpu: float
    rate: float


Rounds = Sequence[Round]


def cpu(rounds: Rounds) -> float:
    """The median of the rounds' CPU."""
    return statistics.median(taken.cpu for taken in rounds)


def rate(rounds: Rounds) -> float:
    """The median of the rounds' rates."""
    return statistics.median(taken.rate for taken in rounds)


@dataclass(frozen=True)
class Ratio:
    """The ratio of two things that were measured in turn: the median of the rounds' ratios, the least and the most."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Ratio:
        """Of the ratios of all rounds."""
        return cls(statistics.median(values), min(values), max(values))


def compare(value: Callable[[Round], float], ours: Rounds, theirs: Rounds, *less: Rounds) -> Ratio:
    """Compare a figure of two things that were measured in the same rounds.

    Args:
        value: which figure.
        ours: what stands above the line.
        theirs: what stands below it.
        less: what is taken off both, round by round: the cost of what is no concern.
    """
    spared = (
        [sum(value(taken) for taken in takens) for takens in zip(*less, strict=True)] if less else [0.0] * len(ours)
    )
    return Ratio.of(
        [(value(our) - spare) / (value(their) - spare) for our, their, spare in zip(ours, theirs, spared, strict=True)]
    )


def percentile(values: Sequence[float], percent: float) -> float:
    """The value that so many percent of the values do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]
