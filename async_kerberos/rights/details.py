"""What else to read from a ticket: the option ``details``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from .._checks import check_flag
from .._gss.steps import AcquireError, Steps
from .._never_sent import NeverSent
from .._threads.waits import Waits
from ..errors import ConfigurationError, WorkersError
from ..identity import Identity
from ..reasons import Refusal


@dataclass(frozen=True, kw_only=True)
class TicketDetails(NeverSent):
    """What else to read from a ticket. Each becomes an attribute of the :class:`Identity`.

    Attributes:
        groups: not in this release.
        group_names: not in this release.
        domain: not in this release.
        indicators: not in this release.
        local_name: whether to read the name of the user's account on this host, which the rules ``auth_to_local`` in
            ``krb5.conf`` give a principal. They may give several principals one name: a rule for another realm can make
            ``root`` of ``root@OTHER``.
        attributes: not in this release.

    Raises:
        ConfigurationError: a value is wrong, or asks for what is not in this release.
    """

    groups: bool = False
    group_names: Any = None
    domain: Any = None
    indicators: bool = False
    local_name: bool = False
    attributes: Sequence[str] = ()

    def __post_init__(self) -> None:
        for option in ("groups", "indicators", "local_name"):
            check_flag(f"details.{option}", getattr(self, option))
        for option in ("groups", "group_names", "domain", "indicators", "attributes"):
            value = getattr(self, option)
            if not (value is False or value is None or value == ()):
                raise ConfigurationError(
                    f"details.{option}", "cannot be read from a ticket in this release: leave this out"
                )

    @property
    def wanted(self) -> tuple[str, ...]:
        """The names of what is read."""
        return ("local_name",) if self.local_name else ()


class MissingDetails:
    """Reads what another service's check of the same request has not read.

    Args:
        details: the option ``details``.
        steps: reads it.
    """

    def __init__(self, details: TicketDetails | None, steps: Steps) -> None:
        self._wants_local_name = details is not None and details.local_name
        self._steps = steps

    async def added(self, identity: Identity, waits: Waits) -> Identity:
        """The identity with all that the option asks for.

        Args:
            identity: the user.
            waits: how the library is waited for.

        Raises:
            Refusal: the library cannot tell.
        """
        if not self._wants_local_name or "local_name" in identity.details:
            return identity
        # It depends on nothing but the principal, so the ticket is not needed again.
        try:
            name = await waits.compute(lambda: self._steps.local_name(identity.principal))
        except (AcquireError, WorkersError) as error:
            raise Refusal(error.reason, str(error)) from None
        return replace(identity, details={**identity.details, "local_name": name})
