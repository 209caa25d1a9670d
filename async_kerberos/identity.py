"""Who somebody is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import cast

from ._never_sent import NeverSent
from ._protocol.principals import split_realm

_ANONYMOUS = "WELLKNOWN/ANONYMOUS"


@dataclass(frozen=True, init=False)
class Identity(NeverSent):
    """A user who has proved, by a Kerberos ticket, who they are.

    Two are equal if they have the same principal, service principal and ``channel_bound``.

    Attributes:
        principal: the client principal in its text form (RFC 1964, section 2.1.1), such as ``alice@EXAMPLE.COM``.
            A backslash escapes each ``/``, ``@`` and ``\\`` within a component.
        service_principal: the principal that the ticket was made for, such as ``HTTP/www.example.com@EXAMPLE.COM``.
            The realm may be missing where ``Kerberos`` has one host name or none: the credential tells, not the ticket.
        channel_bound: whether the ticket was presented on the TLS connection that it was made for: the client's
            channel bindings (RFC 5929) are those of the configured certificate.
        mechanism: the mechanism of GSSAPI, by the name of its OID: ``krb5`` (RFC 1964, section 1).
        method: how the user signed in: ``ticket``.
        until: when the ticket ends, in UTC. The library accepts a ticket for the time of the clock skew longer, so this
            may have just passed. None if it is not known. The constructor takes it also in seconds since 1970.
        details: what the option ``details`` had read from the ticket, by name. The attributes of these names, such as
            ``local_name``, are the way to read it.
    """

    principal: str
    service_principal: str = ""
    channel_bound: bool = False
    mechanism: str = field(default="krb5", compare=False, kw_only=True)
    method: str = field(default="ticket", compare=False, kw_only=True)
    until: datetime | None = field(default=None, compare=False, kw_only=True)
    details: Mapping[str, object] = field(default_factory=dict[str, object], compare=False, repr=False, kw_only=True)

    # As in outcomes.py: the dataclass's own __init__ takes twice as long.
    def __init__(
        self,
        principal: str,
        service_principal: str = "",
        channel_bound: bool = False,
        *,
        mechanism: str = "krb5",
        method: str = "ticket",
        until: datetime | float | None = None,
        details: Mapping[str, object] | None = None,
    ) -> None:
        self.__dict__.update(
            principal=principal,
            service_principal=service_principal,
            channel_bound=channel_bound,
            mechanism=mechanism,
            method=method,
            until=until,
            details={**details} if details else {},
        )

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

    @property
    def local_name(self) -> str | None:
        """The name of the user's account on this host, by the rules ``auth_to_local`` in ``krb5.conf``.

        None if they give the user no name.

        Raises:
            AttributeError: ``details=TicketDetails(local_name=True)`` has not asked for it.
        """
        return cast("str | None", self._detail("local_name", "TicketDetails(local_name=True)"))

    def _detail(self, name: str, option: str) -> object:
        try:
            return self.details[name]
        except KeyError:
            raise AttributeError(f"{name} was not read from the ticket: give Kerberos details={option}") from None


def _until(identity: Identity) -> datetime | None:
    until: datetime | float | None = vars(identity)["until"]
    return datetime.fromtimestamp(until, timezone.utc) if isinstance(until, (int, float)) else until


def _set_until(identity: Identity, until: datetime | float | None) -> None:
    """For the constructors of subclasses that are dataclasses. Others do not get here: the class is frozen."""
    vars(identity)["until"] = until


# Every sign-in has it, and few applications read it: the number becomes a datetime when it is read. Set afterwards,
# since a property within the class would be the field's default; checkers see the field, and not this.
Identity.until = property(_until, _set_until, doc="When the ticket ends.")  # type: ignore[assignment]  # pyright: ignore[reportAttributeAccessIssue]
