"""Kerberos sign-in (HTTP ``Negotiate``) for asynchronous Python.

The core: it imports no web framework. What a framework needs is in ``async_kerberos.adapters``.
"""

from ._decision.challenges import NotFor, not_for
from ._decision.guard import Guard
from ._decision.pages import Pages
from ._threads.workers import WorkerLimits
from .errors import ConfigurationError, KerberosError, Overloaded, TimedOut, UnsupportedScopeError, WorkersError
from .identity import Identity
from .kerberos import Kerberos
from .methods.half_open import HalfOpenLimits
from .options import DrainLimits, KerberosOptions
from .outcomes import Accepted, Checked, Denied, Headers, Outcome
from .reasons import Reason
from .request import AuthRequest
from .rights.access import Access
from .rights.details import TicketDetails
from .telemetry.events import Event

__version__ = "0.1.0.dev0"

__all__ = [
    "Accepted",
    "Access",
    "AuthRequest",
    "Checked",
    "ConfigurationError",
    "Denied",
    "DrainLimits",
    "Event",
    "Guard",
    "HalfOpenLimits",
    "Headers",
    "Identity",
    "Kerberos",
    "KerberosError",
    "KerberosOptions",
    "NotFor",
    "Outcome",
    "Overloaded",
    "Pages",
    "Reason",
    "TicketDetails",
    "TimedOut",
    "UnsupportedScopeError",
    "WorkerLimits",
    "WorkersError",
    "not_for",
]
