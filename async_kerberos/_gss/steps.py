"""The results of a step of a security context. Imports no gssapi, so it can be imported where gssapi is missing."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from ..identity import Identity
from ..reasons import Reason


class Established(NamedTuple):
    """The context is complete, and its mechanism and service are allowed."""

    identity: Identity
    token: bytes | None

    def __repr__(self) -> str:
        return f"<established: {self.identity!r}>"  # a token must not get into a log


class Continued(NamedTuple):
    """Another token is needed."""

    context: object
    token: bytes

    def __repr__(self) -> str:
        return "<continued>"  # a token must not get into a log


class Refused(NamedTuple):
    """The token is wrong, or a fault of this server keeps it from checking the token.

    ``detail`` is GSSAPI's message; it may name principals and files, never a token or a key.
    """

    reason: Reason
    detail: str


Step = Established | Continued | Refused


class AcquireError(Exception):
    """The library could not give what a step needs, such as a credential. The text says why, with the likely cause.

    Attributes:
        reason: tells faults of the configuration from faults of the system.
    """

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class Steps(Protocol):
    """Makes the steps for one service, as :class:`~async_kerberos._gss.acceptor.Acceptor` does."""

    def step(self, token: bytes, context: object = None) -> Step:
        """Take one token of an exchange. Blocks."""
        ...

    @property
    def waits_for_dns(self) -> bool:
        """Whether a call that acquires a credential waits for DNS, and has waited for long."""
        ...

    def serves(self, service_principal: str) -> bool:
        """Whether a ticket for this principal is for this service."""
        ...

    def default_realm(self) -> str:
        """The default realm of this host. Blocks.

        Raises:
            AcquireError: ``krb5.conf`` sets none.
        """
        ...

    def local_name(self, principal: str) -> str | None:
        """The name of a user's account on this host, by ``auth_to_local`` in ``krb5.conf``; None for none. Blocks.

        Raises:
            AcquireError: the library cannot tell.
        """
        ...

    def describe(self) -> str:
        """The service principals that the keytab has keys for. Blocks.

        Raises:
            AcquireError: there is no keytab, or no key of this service is in it.
        """
        ...

    def warnings(self) -> list[str]:
        """Dangerous settings in the environment: a sentence for each, with the remedy. Blocks."""
        ...
