"""What a decorator, a dependency or a middleware is given."""

from __future__ import annotations

from dataclasses import dataclass, fields

from ._checks import check_cross_site, check_type
from ._kerberos import Kerberos, default_kerberos
from ._log import logger
from ._options import CrossSite
from ._outcomes import Denied, Reason


@dataclass(frozen=True, kw_only=True)
class Guard:
    """By whose rules a view is guarded, and what is different for this view.

    Attributes:
        kerberos: the service; None for the nearest.
        cross_site: instead of the service's option of this name; None for the service's.

    Raises:
        ConfigurationError: one of them is wrong.
    """

    kerberos: Kerberos | None = None
    cross_site: CrossSite | None = None

    def __post_init__(self) -> None:
        if self.kerberos is not None:
            check_type("kerberos", self.kerberos, Kerberos)
        if self.cross_site is not None:
            check_cross_site("cross_site", self.cross_site)


def refuse_second_service(configured: Kerberos, other: Kerberos) -> Denied:
    """The answer to a request for a configured application that another ``Kerberos`` has checked, by nobody's choice.

    That one knows nothing of what the application demands: to go on would be to demand less.

    Args:
        configured: the application's.
        other: the one that a middleware without options took, outside of the application.
    """
    logger().error(
        "Kerberos: 500 for a request that a KerberosMiddleware let in by other settings, %s, than the application's, "
        "%s. It has no options and stands outside of the application, where it cannot find these: add it by the "
        "application's own means, or give it kerberos=, what init_kerberos returned.",
        _options_of(other),
        _options_of(configured),
    )
    return Denied(500, Reason.MISCONFIGURED)


def warn_of_other_options(own: Kerberos, configured: Kerberos) -> None:
    """Say that a middleware with options of its own has none of the application's, if that makes a difference."""
    ours, theirs = _options_of(own), _options_of(configured)
    if ours != theirs:
        logger().warning(
            "Kerberos: a KerberosMiddleware has %s, and nothing of the application's %s. Give all options to "
            "init_kerberos and none to the middleware, or all of them to both.",
            ours,
            theirs,
        )


def _options_of(kerberos: Kerberos) -> str:
    """The options that differ from the defaults."""
    default = default_kerberos()
    given = [option.name for option in fields(Kerberos) if option.init]
    differing = [name for name in given if getattr(kerberos, name) != getattr(default, name)]
    return f"Kerberos({', '.join(f'{name}={getattr(kerberos, name)!r}' for name in differing)})"
