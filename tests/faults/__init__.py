"""Faults of the machine around the server, each brought about for real."""
