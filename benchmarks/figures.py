"""The figures of a round, and how two things are compared: round by round, since the machine's speed drifts."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Round:
    """What one round of requests, or of accepts, took.

    Attributes:
        cpu: microseconds of CPU for each, user and system together.
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
class Spread:
    """A value of several rounds: the median, the least and the most."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """The spread of the values of all rounds."""
        return cls(statistics.median(values), min(values), max(values))


def compare(ours: Iterable[float], theirs: Iterable[float]) -> Spread:
    """The ratio of two things that were measured in the same rounds: each of our values by the one of theirs."""
    return Spread.of([our / their for our, their in zip(ours, theirs, strict=True)])


def compare_cpu(ours: Rounds, theirs: Rounds) -> Spread:
    """The ratio of our CPU to theirs."""
    return compare((taken.cpu for taken in ours), (taken.cpu for taken in theirs))


def compare_rate(ours: Rounds, theirs: Rounds) -> Spread:
    """The ratio of our rate to theirs."""
    return compare((taken.rate for taken in ours), (taken.rate for taken in theirs))


def compare_added(ours: Rounds, theirs: Rounds, without: Rounds) -> Spread:
    """The ratio of the CPU that ours adds to an application to what theirs adds.

    Each of a round's two differences is small beside what is subtracted, so their ratio can be anything. Therefore the
    median is the ratio of the medians, and the least and the most are those of the middle half of the rounds.

    Args:
        ours: the application with ours.
        theirs: the application with theirs.
        without: the application alone.
    """
    every = zip(ours, theirs, without, strict=True)
    ratios = [(our.cpu - alone.cpu) / (their.cpu - alone.cpu) for our, their, alone in every]
    low, _, high = statistics.quantiles(ratios, n=4)
    return Spread((cpu(ours) - cpu(without)) / (cpu(theirs) - cpu(without)), low, high)


def percentile(values: Sequence[float], percent: float) -> float:
    """The value that so many percent of the values do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]
