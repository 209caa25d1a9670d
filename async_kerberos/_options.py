"""The options of :class:`~async_kerberos.Kerberos` as types, for annotations of ``**options``."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Literal, TypedDict

from ._half_open import HalfOpenLimits
from ._workers import WorkerLimits

Hostname = str | Sequence[str] | None
"""One host name, several, ``"*"`` for any, or None for this host's."""

ChannelBindings = Literal["off", "allow", "require"]
"""Whether a ticket must have been presented on the TLS connection that it was made for."""

CrossSite = Literal["refuse", "allow"]
"""What becomes of a request that another site made a browser send."""


class KerberosOptions(TypedDict, total=False):
    """The options of :class:`Kerberos` beside ``service`` and ``hostname``, for annotations of ``**options``."""

    keytab: str | os.PathLike[str] | None
    max_token_size: int
    failure_status: int
    other_challenges: Sequence[str]
    raw_kerberos: bool
    require_tls: bool
    trusted_proxies: Sequence[str]
    channel_bindings: ChannelBindings
    certificate: str | os.PathLike[str] | None
    half_open: HalfOpenLimits
    workers: WorkerLimits
    cross_site: CrossSite
    trusted_origins: Sequence[str]


class AllOptions(KerberosOptions, total=False):
    """The options of :class:`Kerberos`, for annotations of ``**options``."""

    service: str
    hostname: Hostname
