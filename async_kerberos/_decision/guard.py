"""The options of one view, or of one place."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import cast

from .._checks import check_cross_site, check_flag, check_type, elements
from .._never_sent import NeverSent
from .._protocol.paths import PathPattern
from .._threads.waits import Waits
from ..errors import ConfigurationError
from ..options import CrossSite
from ..request import AuthRequest
from ..rights.access import LEFT_OUT, Access, AccessOptions
from ..rights.consult import answer_of

Exempt = Sequence[str] | Callable[[AuthRequest], bool | Awaitable[bool]]
"""The paths for which nobody has to sign in, or a function that says whether one has to for a request."""


class GuardOptions(AccessOptions, total=False):
    """The keywords of decorators but ``optional``, for annotations of ``**options``.

    ``optional`` says of which type the user is, so type checkers have to see it by itself.
    """

    cross_site: CrossSite | None


class AllGuardOptions(GuardOptions, total=False):
    """All keywords of decorators."""

    optional: bool


@dataclass(frozen=True, kw_only=True)
class Guard(NeverSent):
    """Options of one decorator, middleware or dependency, beside those of its ``Kerberos``.

    Attributes:
        cross_site: overrides the option of this name; None to keep it.
        access: who may enter here; the option of this name has to let them in as well.
        optional: whether a request without a ticket passes, as nobody's. What another site made a browser send passes
            if it has no credentials at all.
        exempt: the paths for which nobody has to sign in: ``/health``, or ``/static/*`` for all that is below. A path
            is one within the application, as the client wrote it. One that could be read in two ways is never exempt.
            Or a function of the request, which has no credentials (``AuthRequest.plain_path`` is the path that is
            compared): only True exempts; False does not; anything else, and what it raises, is answered 500. Responses
            to whom it exempts are ``private``, unless they say something else: others may need a ticket.
        whole: whether it guards a whole application, as a middleware does, and ``protect="all"``.
        adapter: the name by which events call the code that asks.
        exempts_some: whether ``exempt`` is given; not an option itself.

    Raises:
        ConfigurationError: an option is wrong.
    """

    cross_site: CrossSite | None = None
    access: Access | None = None
    optional: bool = False
    exempt: Exempt = ()
    whole: bool = False
    adapter: str = ""
    exempts_some: bool = field(init=False, repr=False, compare=False, default=False)
    _patterns: tuple[PathPattern, ...] = field(init=False, repr=False, compare=False, default=())

    def __post_init__(self) -> None:
        if self.cross_site is not None:
            check_cross_site("cross_site", self.cross_site)
        if self.access is not None:
            check_type("access", self.access, Access)
        check_flag("optional", self.optional)
        check_flag("whole", self.whole)
        check_type("adapter", self.adapter, str)
        if callable(self.exempt):
            vars(self).update(exempts_some=True)
        else:
            vars(self).update(_checked_paths(self.exempt))

    async def exempts(self, request: AuthRequest, waits: Waits) -> bool:
        """Whether nobody has to sign in for a request.

        Args:
            request: the request.
            waits: how the function is waited for.

        Raises:
            Refusal: APPLICATION_FAULT: the function has failed.
        """
        if callable(self.exempt):
            return await answer_of("exempt", self.exempt, request.without_credentials(), waits=waits)
        path = request.plain_path
        return bool(path) and any(pattern.matches(path) for pattern in self._patterns)


def _checked_paths(value: object) -> dict[str, object]:
    paths = elements("exempt", value, "paths")
    try:
        patterns = tuple(PathPattern(path if isinstance(path, str) else repr(path)) for path in paths)
    except ValueError as error:
        raise ConfigurationError("exempt", str(error)) from None
    return {"exempt": paths, "exempts_some": bool(paths), "_patterns": patterns}


def guard_of(options: AllGuardOptions | GuardOptions, adapter: str) -> Guard:
    """The guard that a decorator's keywords come to.

    Args:
        options: the keywords.
        adapter: whose decorator it is.

    Raises:
        ConfigurationError: an option is wrong.
    """
    given = cast("AllGuardOptions", options)
    rules = {name: value for name, value in given.items() if name in _RULES and value is not LEFT_OUT}
    if "authorize" in rules and rules["authorize"] is None:
        raise ConfigurationError("authorize", "is None, which lets nobody in: leave it out to let all in")
    access = Access(**cast("AccessOptions", rules)) if rules else None
    optional = given.get("optional", False)
    return Guard(cross_site=given.get("cross_site"), access=access, optional=optional, adapter=adapter)


_RULES = frozenset(AccessOptions.__annotations__)

NO_GUARD = Guard()
"""Changes nothing."""
