"""The options of one view."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from .._checks import check_cross_site, check_type
from .._never_sent import NeverSent
from ..errors import ConfigurationError
from ..options import CrossSite
from ..rights.access import LEFT_OUT, Access, AccessOptions


class GuardOptions(AccessOptions, total=False):
    """The keywords of decorators, for annotations of ``**options``."""

    cross_site: CrossSite | None


@dataclass(frozen=True, kw_only=True)
class Guard(NeverSent):
    """Options of one decorator, middleware or dependency, beside those of its ``Kerberos``.

    Attributes:
        cross_site: overrides the option of this name; None to keep it.
        access: who may enter here; the option of this name has to let them in as well.
        adapter: the name by which events call the code that asks.
        whole: whether it guards a whole application, as a middleware does, and ``protect="all"``.

    Raises:
        ConfigurationError: an option is wrong.
    """

    cross_site: CrossSite | None = None
    access: Access | None = None
    adapter: str = ""
    whole: bool = False

    def __post_init__(self) -> None:
        if self.cross_site is not None:
            check_cross_site("cross_site", self.cross_site)
        if self.access is not None:
            check_type("access", self.access, Access)
        check_type("adapter", self.adapter, str)


def guard_of(options: GuardOptions, adapter: str) -> Guard:
    """The guard that a decorator's keywords come to.

    Args:
        options: the keywords.
        adapter: whose decorator it is.

    Raises:
        ConfigurationError: an option is wrong.
    """
    rules = {name: value for name, value in options.items() if name != "cross_site" and value is not LEFT_OUT}
    if "authorize" in rules and rules["authorize"] is None:
        raise ConfigurationError("authorize", "is None, which lets nobody in: leave it out to let all in")
    access = Access(**cast("AccessOptions", rules)) if rules else None
    return Guard(cross_site=options.get("cross_site"), access=access, adapter=adapter)


NO_GUARD = Guard()
"""Changes nothing."""
