"""When another check of the same request counts here: a token is good for one step only."""

from __future__ import annotations

from collections.abc import Callable

from ..outcomes import Checked, Rules, SignedIn
from ..reasons import Reason, Refusal
from ..request import AuthRequest


class Reuse:
    """The stage that takes what an earlier check of a request has found.

    Args:
        rules: by what this service judges a ticket.
        serves: whether a ticket for a service principal is one for this service.

    Attributes:
        rules: by what this service judges a ticket.
    """

    def __init__(self, rules: Rules, serves: Callable[[str], bool]) -> None:
        self.rules = rules
        self._serves = serves

    def of_this(self, request: AuthRequest) -> Checked | None:
        """What an earlier check of this very request has found; None where it had other credentials then."""
        earlier = request.earlier
        return None if earlier is None or earlier.authorization != request.authorization else earlier

    def is_ours(self, earlier: Checked) -> bool:
        """Whether this very service has checked."""
        return earlier.by is self.rules

    def take(self, earlier: Checked) -> SignedIn:
        """What another service's check is worth here.

        Raises:
            Refusal: WRONG_SERVICE; that service has other rules, and has used up the token.
        """
        if not self._trusts(earlier):
            principal = earlier.identity.service_principal
            detail = f"an outer check, by other rules, has used the ticket for {principal}"
            raise Refusal(Reason.WRONG_SERVICE, detail)
        return SignedIn(earlier.identity)

    def _trusts(self, earlier: Checked) -> bool:
        ours, theirs = self.rules, earlier.by
        # A key of another keytab, another realm's say, has proved nothing to this service.
        if theirs.keytab != ours.keytab:
            return False
        if not ours.raw_kerberos and not earlier.spnego:
            return False
        # A binding to another certificate has proved nothing either.
        if ours.certificate is not None and theirs.certificate != ours.certificate:
            return False
        if (theirs.service, theirs.hostname) == (ours.service, ours.hostname):
            return True
        return self._serves(earlier.identity.service_principal)
