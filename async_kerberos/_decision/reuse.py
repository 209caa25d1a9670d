"""When an earlier check of the same request counts here: a token cannot be checked twice."""

from __future__ import annotations

from collections.abc import Callable

from .._threads.waits import Waits
from ..outcomes import Checked, Rules, SignedIn
from ..reasons import Reason, Refusal
from ..request import AuthRequest
from ..rights.details import MissingDetails


class Reuse:
    """The stage that takes over the result of an earlier check of a request.

    Args:
        rules: the options that decide which tickets this service accepts.
        serves: tells whether a ticket for a service principal is for this service.
        missing: reads what the other check has not read from the ticket.

    Attributes:
        rules: the argument of this name.
    """

    def __init__(self, rules: Rules, serves: Callable[[str], bool], missing: MissingDetails) -> None:
        self.rules = rules
        self._serves = serves
        self._missing = missing

    def of_this(self, request: AuthRequest) -> Checked | None:
        """The result of an earlier check of this request; None if the request had other credentials then."""
        earlier = request.earlier
        return None if earlier is None or earlier.authorization != request.authorization else earlier

    def is_ours(self, earlier: Checked) -> bool:
        """Whether this same ``Kerberos`` made the earlier check."""
        return earlier.by is self.rules

    async def take(self, earlier: Checked, waits: Waits) -> SignedIn:
        """Take over the result of another service's check.

        Args:
            earlier: the result.
            waits: how the library is waited for.

        Raises:
            Refusal: WRONG_SERVICE: the other service has other rules, and the token cannot be checked again. Others:
                what this service wants to know of the user cannot be read.
        """
        if not self._trusts(earlier):
            principal = earlier.identity.service_principal
            detail = f"an outer check with other options has already used the ticket for {principal}"
            raise Refusal(Reason.WRONG_SERVICE, detail)
        return SignedIn(await self._missing.added(earlier.identity, waits))

    def _trusts(self, earlier: Checked) -> bool:
        ours, theirs = self.rules, earlier.by
        # A ticket for a key of another keytab, which may be of another realm, proves nothing to this service.
        if theirs.keytab != ours.keytab:
            return False
        if not ours.raw_kerberos and not earlier.spnego:
            return False
        # Nor do channel bindings to another certificate.
        if ours.certificate is not None and theirs.certificate != ours.certificate:
            return False
        if (theirs.service, theirs.hostname) == (ours.service, ours.hostname):
            return True
        return self._serves(earlier.identity.service_principal)
