"""Clients of other projects, and many users at once."""
