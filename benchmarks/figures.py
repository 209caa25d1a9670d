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


def compare(value: Callable[[Round], float], ours: Rounds, theirs: Rounds) -> Ratio:
    """Compare a figure of two things that were measured in the same rounds.

    Args:
        value: which figure.
        ours: what stands above the line.
        theirs: what stands below it.
    """
    return Ratio.of([value(our) / value(their) for our, their in zip(ours, theirs, strict=True)])


def compare_added(ours: Rounds, theirs: Rounds, without: Rounds) -> Ratio:
    """Compare the CPU that two things add to a third, by the medians of all three.

    A single round's two differences are small beside what is taken off, and their ratio can be anything; so the least
    and the most are those of the middle half of the rounds.

    Args:
        ours: what stands above the line.
        theirs: what stands below it.
        without: the third.
    """
    every = zip(ours, theirs, without, strict=True)
    ratios = [(our.cpu - spare.cpu) / (their.cpu - spare.cpu) for our, their, spare in every]
    low, _, high = statistics.quantiles(ratios, n=4)
    return Ratio((cpu(ours) - cpu(without)) / (cpu(theirs) - cpu(without)), low, high)


def percentile(values: Sequence[float], percent: float) -> float:
    """The value that so many percent of the values do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]
