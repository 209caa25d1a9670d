"""Properties that hold for all inputs, tried with many: the same ones in every run (the fuzzers try new ones)."""

from hypothesis import settings

SETTINGS = settings(derandomize=True, database=None, deadline=None)
