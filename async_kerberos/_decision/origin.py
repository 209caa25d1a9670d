"""Whether another site made a browser send a request.

A browser answers a challenge with a ticket, whichever page made the request: any site could act in its visitors' names.
The rule is that of Go's ``http.CrossOriginProtection`` (Go 1.25, ``net/http/csrf.go``), with two differences: the
handshake of a WebSocket is not safe, and a trusted proxy may name the host that the client asked it for.
"""

from __future__ import annotations

from collections.abc import Sequence

from .._checks import check_cross_site, elements
from .._protocol.forwarded import Network, disbelief
from .._protocol.origins import Origin, forwarded_hosts, is_host_of, parse_origin
from ..errors import ConfigurationError
from ..reasons import Reason, Refusal
from ..request import AuthRequest
from .guard import Guard

# RFC 9110, section 9.2.1, and the QUERY method: a request with one of these methods must change nothing.
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "QUERY", "TRACE"})

_LONGEST_QUOTED = 100


class CrossSiteRule:
    """The stage that refuses requests that another site made a browser send.

    Args:
        cross_site: the option of this name.
        trusted: the option ``trusted_origins``.
        proxies: the proxies whose ``X-Forwarded-Host`` is believed.

    Attributes:
        trusted_origins: the option's value, as texts.

    Raises:
        ConfigurationError: an option is wrong.
    """

    def __init__(self, cross_site: object, trusted: object, proxies: Sequence[Network]) -> None:
        check_cross_site("cross_site", cross_site)
        self._refuses = cross_site == "refuse"
        origins = _check_origins("trusted_origins", trusted)
        self.trusted_origins = tuple(origins.values())
        self._trusted = frozenset(origins)
        self._proxies = proxies

    def check(self, request: AuthRequest, guard: Guard, *, judged: bool) -> bool:
        """Refuse a request that another site made a browser send.

        Args:
            request: the request.
            guard: the options of the view.
            judged: whether an earlier check by this service has made sure that no other site made a browser send the
                request. The header fields that tell may be lost by now, in a bridge to WSGI for instance.

        Returns:
            Whether a later check by the same service can skip this stage. It cannot after a safe method or "allow".

        Raises:
            Refusal: CROSS_SITE.
        """
        if is_safe(request):
            return False  # before the next check, a middleware may turn it into a POST
        refuses = self._refuses if guard.cross_site is None else guard.cross_site == "refuse"
        if refuses and not judged:
            problem = self.objection(request)
            if problem:
                raise Refusal(Reason.CROSS_SITE, problem)
        return refuses

    def objection(self, request: AuthRequest) -> str:
        """Why a request that is not safe counts as sent by another site, for the log; empty if it may pass."""
        fields = request.fields
        origins = fields.get("origin", ())
        sites = fields.get("sec-fetch-site", ())
        if len(origins) > 1 or len(sites) > 1:
            return "Origin or Sec-Fetch-Site came twice"
        origin = parse_origin(origins[0]) if origins else None
        if origin is not None and origin in self._trusted:
            return ""
        if sites:
            if sites[0] in ("same-origin", "none"):
                return ""
            return f"Sec-Fetch-Site is {_quoted(sites)}{_from(origins)}"
        if not origins:
            return ""  # No browser: a browser sends one of the two fields with each request that is not safe.
        return self._objection_of_host(request, origin)

    def _objection_of_host(self, request: AuthRequest, origin: Origin | None) -> str:
        """As :meth:`objection`, for a browser that sends no ``Sec-Fetch-Site``: compares ``Origin`` with ``Host``."""
        hosts = request.fields.get("host", ())
        if origin is not None and is_host_of(hosts, origin):
            return ""
        problem = f"Host is {_quoted(hosts)}{_from(request.fields.get('origin', ()))}"
        # No page can make a browser send X-Forwarded-Host to another site, unless that site has allowed it (CORS).
        if origin is None or not is_host_of(forwarded_hosts(request.fields.get("x-forwarded-host", ())), origin):
            return problem
        reason = disbelief(request.peer, request.forwarded_for, self._proxies)
        return f"{problem}, and X-Forwarded-Host {reason}" if reason else ""


def is_safe(request: AuthRequest) -> bool:
    """Whether the request changes nothing. A WebSocket's handshake is a GET, but its messages may change anything."""
    return request.method in SAFE_METHODS and not request.websocket


def _check_origins(option: str, value: object) -> dict[Origin, str]:
    origins: dict[Origin, str] = {}
    for text in elements(option, value, "origins"):
        origin = parse_origin(text) if isinstance(text, str) and text.isascii() else None
        if origin is None or "*" in origin.host:
            problem = f"must be origins such as 'https://app.example.com' or 'app://desk', without a path, not {text!r}"
            raise ConfigurationError(option, problem)
        origins[origin] = str(text)
    return origins


def _from(origins: Sequence[str]) -> str:
    return f", and Origin {_quoted(origins)}" if origins else ""


def _quoted(values: Sequence[str]) -> str:
    return repr(values[0][:_LONGEST_QUOTED]) if values else "missing"
