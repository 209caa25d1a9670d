"""The options of :class:`~async_kerberos.Kerberos` as types, for annotations of ``**options``."""

from __future__ import annotations

import os
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypedDict, cast

from ._checks import check_count, check_seconds, elements
from ._never_sent import NeverSent
from ._protocol.principals import ANY_HOST
from ._threads.workers import WorkerLimits
from .errors import ConfigurationError
from .methods.half_open import HalfOpenLimits
from .request import AuthRequest
from .rights.access import LEFT_OUT as LEFT_OUT
from .rights.access import Access
from .rights.access import Authorize as Authorize
from .rights.details import TicketDetails
from .rights.usernames import UsernameChoice
from .telemetry.events import OnEvent

if TYPE_CHECKING:
    from ._decision.pages import Pages

# Printable ASCII without the asterisk, the colon, and what separates or escapes in a principal (RFC 1964, 2.1.1).
_HOSTNAME = r"[!-)+-.0-9;-?A-\[\]-~]+"
_SERVICE = _HOSTNAME

Hostname = str | Sequence[str] | None
"""One host name, several, ``"*"`` for any, or None for this host's name."""

ChannelBindings = Literal["off", "allow", "require"]
"""Whether a ticket must have been presented on the TLS connection that it was made for."""

CrossSite = Literal["refuse", "allow"]
"""Whether to refuse a request that another site made a browser send."""


@dataclass(frozen=True, kw_only=True)
class DrainLimits(NeverSent):
    """How much of a refused request's body is read and dropped, so that the answer reaches the client.

    Attributes:
        bytes: how much, in bytes; 0 for nothing. Sixteen million are more than nearly every upload by a browser has.
        seconds: for how long. What has not come by then is left unread.

    Raises:
        ConfigurationError: a number is too small, or not a number.
    """

    bytes: int = 16 * 1024 * 1024
    seconds: float = 10.0

    def __post_init__(self) -> None:
        check_count("drain.bytes", self.bytes, least=0)
        check_seconds("drain.seconds", self.seconds)


ChallengeWhen = Callable[[AuthRequest], bool | Awaitable[bool]]
"""Says whether the client that makes a request is asked for a ticket."""


class KerberosOptions(TypedDict, total=False):
    """The options of :class:`Kerberos` without ``service`` and ``hostname``, for annotations of ``**options``."""

    keytab: str | os.PathLike[str] | None
    max_token_size: int
    failure_status: int
    other_challenges: Sequence[str]
    challenge_when: ChallengeWhen | None
    raw_kerberos: bool
    require_tls: bool
    trusted_proxies: Sequence[str]
    channel_bindings: ChannelBindings
    certificate: str | os.PathLike[str] | None
    half_open: HalfOpenLimits
    workers: WorkerLimits
    cross_site: CrossSite
    trusted_origins: Sequence[str]
    drain: DrainLimits
    access: Access | None
    pages: Pages | None
    username: UsernameChoice
    details: TicketDetails | None
    clock_skew: float
    on_event: OnEvent


class AllOptions(KerberosOptions, total=False):
    """The options of :class:`Kerberos`, for annotations of ``**options``."""

    service: str
    hostname: Hostname


def check_service(option: str, value: object) -> None:
    """Refuse a value that cannot be the first component of a service principal."""
    if not isinstance(value, str):
        kind = type(value).__name__
        raise ConfigurationError(option, f"must be a service's name such as 'HTTP', not an object of type {kind}")
    if not re.fullmatch(_SERVICE, value):
        raise ConfigurationError(option, f"must be a service's name such as 'HTTP', not {value!r}")


def check_hostnames(option: str, value: object) -> tuple[str, ...]:
    """Refuse a value that is no host name; return the host names. An empty tuple stands for this host's name."""
    if value is None:
        return ()
    names = (value,) if isinstance(value, str) else elements(option, value, "host names")
    if not names:
        raise ConfigurationError(option, f"must be a host name, several, '*' or None, not {value!r}")
    hostnames: list[str] = []
    for name in names:
        if not isinstance(name, str) or not (name == ANY_HOST or re.fullmatch(_HOSTNAME, name)):
            raise ConfigurationError(option, f"must be host names as in a URL, without port, '/' or '@', not {name!r}")
        hostnames.append(name)
    if ANY_HOST in hostnames and len(hostnames) > 1:
        raise ConfigurationError(option, "'*' takes every host name: leave out the others")
    return tuple(hostnames)


def check_keytab(option: str, value: object) -> str | None:
    """Refuse a value that cannot name a keytab; return the name as text."""
    if value is None:
        return None
    path = os.fspath(cast("os.PathLike[str]", value)) if isinstance(value, (str, os.PathLike)) else None
    if not isinstance(path, str) or not path or path.endswith(":") or "\0" in path:
        raise ConfigurationError(option, f"must be a path, 'TYPE:name' or None, not {value!r}")
    return path
