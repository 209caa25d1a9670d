"""The decision on one request: the same sequence of stages for every framework, on event loops and on threads."""
