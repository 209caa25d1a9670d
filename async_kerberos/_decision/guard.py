"""What is different for one view."""

from __future__ import annotations

from dataclasses import dataclass

from .._checks import check_cross_site
from .._never_sent import NeverSent
from ..options import CrossSite


@dataclass(frozen=True, kw_only=True)
class Guard(NeverSent):
    """What a decorator, a middleware or a dependency asks for beside the options of its ``Kerberos``.

    Attributes:
        cross_site: instead of the option of this name; None for the option.

    Raises:
        ConfigurationError: it is wrong.
    """

    cross_site: CrossSite | None = None

    def __post_init__(self) -> None:
        if self.cross_site is not None:
            check_cross_site("cross_site", self.cross_site)


NO_GUARD = Guard()
"""Asks for nothing."""
