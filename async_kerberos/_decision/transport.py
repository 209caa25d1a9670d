"""How a request came: over TLS or not, and through which proxies."""

from __future__ import annotations

from .._checks import check_flag, check_networks
from .._protocol.forwarded import disbelief, says_https
from ..reasons import Reason, Refusal
from ..request import AuthRequest


class Transport:
    """The stage that refuses requests without TLS.

    A server that ends TLS itself says whether there was TLS. If a proxy ends it, ``X-Forwarded-Proto`` says so.

    Args:
        require_tls: the option of this name.
        trusted: the option ``trusted_proxies``.
        channel_bindings: the option of this name.

    Attributes:
        requires_bindings: whether a ticket must have been made for the TLS connection that it comes on.
        proxies: the networks of ``trusted``.

    Raises:
        ConfigurationError: an option is wrong.
    """

    def __init__(self, require_tls: object, trusted: object, channel_bindings: object) -> None:
        check_flag("require_tls", require_tls)
        self._require_tls = require_tls
        self.proxies = check_networks("trusted_proxies", trusted)
        self.requires_bindings = channel_bindings == "require"

    def check(self, request: AuthRequest) -> None:
        """Refuse a request that did not come over TLS.

        Raises:
            Refusal: NOT_TLS.
        """
        if self._require_tls and not request.secure:
            problem = self.objection(request)
            if problem:
                raise Refusal(Reason.NOT_TLS, problem)

    def objection(self, request: AuthRequest) -> str:
        """Why a request counts as plain HTTP, for the log; empty if a trusted proxy says that it came over TLS."""
        forwarded_proto = request.fields.get("x-forwarded-proto", ())
        if not forwarded_proto:
            return "the scheme is http"
        problem = disbelief(request.peer, request.forwarded_for, self.proxies)
        if problem:
            return f"X-Forwarded-Proto {problem}"
        return "" if says_https(forwarded_proto) else "the scheme before the proxy was http"
