"""The options of one view."""

from __future__ import annotations

from dataclasses import dataclass

from .._checks import check_cross_site
from .._never_sent import NeverSent
from ..options import CrossSite


@dataclass(frozen=True, kw_only=True)
class Guard(NeverSent):
    """Options of one decorator, middleware or dependency, which override those of its ``Kerberos``.

    Attributes:
        cross_site: overrides the option of this name; None to keep it.

    Raises:
        ConfigurationError: an option is wrong.
    """

    cross_site: CrossSite | None = None

    def __post_init__(self) -> None:
        if self.cross_site is not None:
            check_cross_site("cross_site", self.cross_site)


NO_GUARD = Guard()
"""Overrides no option."""
