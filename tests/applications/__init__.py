"""Frameworks and applications without an adapter, each in its current release."""
