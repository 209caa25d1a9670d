"""What a step of a security context comes to. Imports no gssapi, so that it can be had where there is no Kerberos."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from ..identity import Identity
from ..reasons import Reason

if TYPE_CHECKING:
    from gssapi.raw import SecurityContext as SecurityContext


class Established(NamedTuple):
    """The context is complete, by a mechanism and for a service that are allowed."""

    identity: Identity
    token: bytes | None

    def __repr__(self) -> str:
        return f"<established: {self.identity!r}>"  # a token must not get into a log


class Continued(NamedTuple):
    """Another token is needed."""

    context: SecurityContext
    token: bytes

    def __repr__(self) -> str:
        return "<continued>"  # nor must this one


class Refused(NamedTuple):
    """The token is no good, or this server is not fit to judge it.

    ``detail`` is GSSAPI's message; it may name principals and files, never a token or a key.
    """

    reason: Reason
    detail: str


Step = Established | Continued | Refused


class AcquireError(Exception):
    """No acceptor credential could be had. The text is GSSAPI's message, and what is to be said of it.

    Attributes:
        reason: whether the fault is the configuration's or the system's.
    """

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class Steps(Protocol):
    """What makes the steps for one service: :class:`~async_kerberos._gss.acceptor.Acceptor`."""

    def step(self, token: bytes, context: SecurityContext | None = None) -> Step:
        """Take one token of an exchange. Blocks."""
        ...

    @property
    def waits_for_dns(self) -> bool:
        """Whether a credential is being acquired, and DNS does not answer."""
        ...

    def serves(self, service_principal: str) -> bool:
        """Whether a ticket for this principal is one for this service."""
        ...

    def describe(self) -> str:
        """The service principals that the keytab has keys for. Blocks.

        Raises:
            AcquireError: there is no keytab, or no key of this service is in it.
        """
        ...

    def warnings(self) -> list[str]:
        """What is dangerous in the environment: each a sentence, with what to do. Blocks."""
        ...
