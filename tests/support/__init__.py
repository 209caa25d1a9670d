"""What tests are built from: a GSSAPI initiator, a raw HTTP client, servers, applications and guards."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
"""The top folder of the repository."""

HOSTNAME = "www.example.test"
"""The host of the service that most tests sign in to; see the fixture ``www``."""
