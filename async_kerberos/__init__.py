"""Kerberos sign-in (HTTP ``Negotiate``) for asynchronous Python.

The core: it imports no web framework. What a framework needs is in ``async_kerberos.adapters``.
"""

from ._errors import ConfigurationError, KerberosError, Overloaded, TimedOut, UnsupportedScopeError, WorkersError
from ._half_open import HalfOpenLimits
from ._kerberos import Kerberos
from ._options import KerberosOptions
from ._outcomes import Accepted, Denied, Headers, Identity, Outcome, Reason
from ._request import AuthRequest
from ._workers import WorkerLimits

__version__ = "0.1.0.dev0"

__all__ = [
    "Accepted",
    "AuthRequest",
    "ConfigurationError",
    "Denied",
    "HalfOpenLimits",
    "Headers",
    "Identity",
    "Kerberos",
    "KerberosError",
    "KerberosOptions",
    "Outcome",
    "Overloaded",
    "Reason",
    "TimedOut",
    "UnsupportedScopeError",
    "WorkerLimits",
    "WorkersError",
]
