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
    """Decorates views. Called with options and without a view, it returns another one with
    these options, and with its own for those that are not given.

    Each adapter has a class of this kind, and one object of it. The class says what types of views there are
    (``__call__``), and makes the function that takes a view's place (``protect``).
    """

    def __init__(self, protection: Protection | None = None) -> None:
        self._protection = protection or Protection()
        # FastAPI reads the signature, as a function's, and refuses this object as a dependency.
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
        """The function that takes a view's place."""
