"""The decision on one request: one sequence of stages, whatever the framework and whichever the door."""
