"""What tests are built from: a GSSAPI initiator, a raw HTTP client, servers, applications and guards."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
"""The top folder of the repository."""

HOSTNAME = "www.example.test"
"""The host of the service that most tests sign in to; see the fixture ``www``."""

LOCAL_NAMES = [r"RULE:[1:$1@$0](alice@KRBTEST\.COM)s/.*/al/", "DEFAULT"]
"""The realm's rules ``auth_to_local``: Alice has another name on this host."""
