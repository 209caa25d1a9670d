"""What the middlewares of ASGI and WSGI have in common: which service they were given, and what they say of it."""

from __future__ import annotations

from typing import ClassVar

from .._checks import check_flag
from .._decision.guard import Guard
from .._never_sent import NeverSent
from ..errors import ConfigurationError
from ..kerberos import Kerberos, default_kerberos
from ..options import AllOptions
from .nearest import Protection, warn_of_other_options


class Middleware(NeverSent):
    """Stands around an application, and lets none but authenticated requests reach it.

    Args:
        kerberos: the service; None for one with the options or, without any, for the nearest.
        options: those of :class:`~async_kerberos.Kerberos`; ``cross_site`` and ``access`` also beside ``kerberos``.
        hide_authorization: whether the application does not see the credentials.

    Attributes:
        kerberos: the middleware's own service; None where the nearest counts.
        adapter: the adapter's name in events.

    Raises:
        ConfigurationError: an option is wrong, or stands beside ``kerberos``.
    """

    adapter: ClassVar[str]

    def __init__(self, kerberos: Kerberos | None, options: AllOptions, hide_authorization: bool) -> None:
        check_flag("hide_authorization", hide_authorization)
        own = [name for name in options if name not in ("cross_site", "access")]
        for name in own:
            if name not in AllOptions.__annotations__:
                raise ConfigurationError(name, "is no option of this middleware")
        if kerberos is not None and own:
            raise ConfigurationError("kerberos", f"has its own options: give it, or {', '.join(own)}, not both")
        self.kerberos: Kerberos | None = Kerberos(**options) if own else kerberos
        # A service of the middleware's own has these options itself.
        access = None if own else options.get("access")
        guard = Guard(cross_site=options.get("cross_site"), access=access, adapter=self.adapter, whole=True)
        self._protection = Protection(self.kerberos, guard)
        self._hides_authorization = hide_authorization
        self._has_options = bool(own)
        self._is_new = True

    def _log_setup(self, decider: Kerberos | None, application: Kerberos | None) -> None:
        """Log, once, the service that decides, and warn of an application that was configured otherwise."""
        self._is_new = False
        (decider or default_kerberos()).log_setup_once()
        if self._has_options and self.kerberos is not None and application is not None:
            warn_of_other_options(self.kerberos, application)
