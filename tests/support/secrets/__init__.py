"""A guard that fails a test if a secret is shown anywhere."""

from .find import Secrets
from .guard import SecretsGuard
from .keys import ccache_keys, keytab_keys

__all__ = ["Secrets", "SecretsGuard", "ccache_keys", "keytab_keys"]
