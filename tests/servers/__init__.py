"""Servers that the contract does not run on, and what only servers can break: bodies of refused requests."""
