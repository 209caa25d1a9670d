"""The errors this package raises. A client's mistake is none of them: it leads to :class:`~async_kerberos.Denied`."""

from ._never_sent import NeverSent
from .reasons import Reason


class KerberosError(NeverSent, Exception):
    """Base of every error raised by ``async_kerberos``.

    The text is for operators and developers; no adapter ever sends it to a client.
    """


class ConfigurationError(KerberosError, ValueError):
    """An option is wrong. Raised where the option is given, never while a request is served.

    Attributes:
        option: the name of the option.
    """

    def __init__(self, option: str, problem: str) -> None:
        super().__init__(f"{option}: {problem}")
        self.option = option


class UnsupportedScopeError(KerberosError):
    """An ASGI scope of a type this package cannot authenticate; the application did not see it.

    Attributes:
        scope_type: the ``type`` of the scope.
    """

    def __init__(self, scope_type: str) -> None:
        super().__init__(f"cannot authenticate an ASGI scope of type {scope_type!r}, so it does not reach the app")
        self.scope_type = scope_type


class WorkersError(KerberosError):
    """A call could not be made on a worker thread.

    Attributes:
        reason: why, as a :class:`~async_kerberos.Reason`.
    """

    reason: Reason


class Overloaded(WorkersError):  # noqa: N818 (a condition of the server, named as operators name it)
    """The queue of the workers is full."""

    reason = Reason.OVERLOADED


class TimedOut(WorkersError):  # noqa: N818 (a condition of the server, named as operators name it)
    """The deadline passed before a worker had the result."""

    reason = Reason.TIMED_OUT
