"""What adapters share: the two bridges, the state of a request, and decorated views."""
