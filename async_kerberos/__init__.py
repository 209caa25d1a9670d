"""Kerberos sign-in (HTTP ``Negotiate``) for asynchronous Python."""

__version__ = "0.1.0.dev0"
