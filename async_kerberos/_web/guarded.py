"""What ``requires_authentication`` of every adapter is."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from typing import Any, cast

from .._decision.guard import Guard
from .._never_sent import NeverSent, resolved_signature
from ..kerberos import Kerberos
from ..options import CrossSite
from .nearest import Protection


class Guarded(NeverSent, ABC):
    """Decorates views; called with options and without a view, it makes another one, with its own options where none is
    given.

    Each adapter has a class of this kind, and one object of it. The class types what its ``__call__`` takes, and makes
    what stands in the place of a view.
    """

    def __init__(self, protection: Protection | None = None) -> None:
        self._protection = protection or Protection()
        # It is taken for a function by those who read a signature: FastAPI refuses it as a dependency by that.
        self.__name__ = self.__qualname__ = "requires_authentication"
        self.__signature__: inspect.Signature = resolved_signature(cast("Any", self).__call__)

    def decorate(self, view: Any, kerberos: Kerberos | None, cross_site: CrossSite | None) -> Any:
        """Decorate a view, or make a decorator with these options where there is none.

        Raises:
            ConfigurationError: an option is wrong.
            TypeError: it is no view, or has no parameter that could take the user.
        """
        ours = self._protection
        protection = Protection(
            ours.kerberos if kerberos is None else kerberos,
            Guard(cross_site=ours.guard.cross_site if cross_site is None else cross_site),
        )
        return type(self)(protection) if view is None else self.protect(view, protection)

    @abstractmethod
    def protect(self, view: Any, protection: Protection) -> Any:
        """What stands in the place of a view."""
