"""Who somebody is."""

from __future__ import annotations

from dataclasses import dataclass

from ._never_sent import NeverSent
from ._protocol.principals import split_realm

_ANONYMOUS = "WELLKNOWN/ANONYMOUS"


@dataclass(frozen=True, init=False)
class Identity(NeverSent):
    """A user who has proved, by a Kerberos ticket, who they are.

    Attributes:
        principal: the client principal in its text form (RFC 1964, section 2.1.1), such as ``alice@EXAMPLE.COM``.
            A backslash escapes each ``/``, ``@`` and ``\\`` within a component.
        service_principal: the principal that the ticket was made for, such as ``HTTP/www.example.com@EXAMPLE.COM``.
            The realm may be missing where ``Kerberos`` has one host name or none: the credential tells, not the ticket.
        channel_bound: whether the ticket was presented on the TLS connection that it was made for: the client's
            channel bindings (RFC 5929) are those of the configured certificate.
    """

    principal: str
    service_principal: str = ""
    channel_bound: bool = False

    # As in outcomes.py: the dataclass's own __init__ takes twice as long.
    def __init__(self, principal: str, service_principal: str = "", channel_bound: bool = False) -> None:
        self.__dict__.update(principal=principal, service_principal=service_principal, channel_bound=channel_bound)

    def __str__(self) -> str:
        return self.principal

    @property
    def name(self) -> str:
        """The principal without its realm: ``alice``, or ``alice/admin``."""
        return split_realm(self.principal)[0]

    @property
    def realm(self) -> str:
        """The realm: ``EXAMPLE.COM``; empty where the principal has none."""
        return split_realm(self.principal)[1]

    @property
    def anonymous(self) -> bool:
        """Whether the KDC vouches for somebody without saying whom (RFC 8062, section 3); never let in."""
        return self.principal.startswith(_ANONYMOUS) and self.name == _ANONYMOUS
