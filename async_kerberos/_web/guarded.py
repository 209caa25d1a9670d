"""What ``requires_authentication`` of every adapter is."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from typing import Any, ClassVar, cast

from .._decision.guard import AllGuardOptions, guard_of
from .._never_sent import NeverSent, resolved_signature
from ..kerberos import Kerberos
from .marks import leave_mark
from .nearest import Protection


class Guarded(NeverSent, ABC):
    """Decorates views. Called with options and without a view, it returns another one with
    these options, and with its own for those that are not given.

    Each adapter has a class of this kind, and one object of it. The class says what types of views there are
    (``__call__``), and makes the function that takes a view's place (``protect``).

    Attributes:
        adapter: the adapter's name in events.
    """

    adapter: ClassVar[str]

    def __init__(self, kerberos: Kerberos | None = None, options: AllGuardOptions | None = None) -> None:
        self._kerberos = kerberos
        guard = guard_of(options or AllGuardOptions(), self.adapter)
        # For decorators that are made of this one: as they were checked, whatever becomes of the objects given.
        self._options: AllGuardOptions = {**options} if options else {}
        if guard.access is not None:
            self._options["realms"], self._options["principals"] = guard.access.realms, guard.access.principals
        self._protection = Protection(kerberos, guard)
        # FastAPI reads the signature, as a function's, and refuses this object as a dependency.
        self.__name__ = self.__qualname__ = "requires_authentication"
        self.__signature__: inspect.Signature = resolved_signature(cast("Any", self).__call__)

    def decorate(self, view: Any, kerberos: Kerberos | None, options: AllGuardOptions) -> Any:
        """Decorate a view, or make a decorator with these options where there is none.

        What is given here takes the place of what this decorator has under the same name.

        Raises:
            ConfigurationError: an option is wrong.
            TypeError: it is no view, or has no parameter that could take the user.
        """
        unknown = [name for name in options if name not in AllGuardOptions.__annotations__]
        if unknown:
            raise TypeError(f"requires_authentication() has no option {unknown[0]!r}")
        given = {name: value for name, value in options.items() if name != "cross_site" or value is not None}
        together = cast("AllGuardOptions", {**self._options, **given})
        guarded = type(self)(self._kerberos if kerberos is None else kerberos, together)
        return guarded if view is None else leave_mark(guarded.protect(view, guarded._protection), guarded._protection)

    @abstractmethod
    def protect(self, view: Any, protection: Protection) -> Any:
        """The function that takes a view's place."""
