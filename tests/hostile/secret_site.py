"""The service of the tests of secrets."""

from __future__ import annotations

HOST = "secrets.example.test"
TARGET = f"HTTP@{HOST}"
