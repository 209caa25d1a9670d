"""Which ``Kerberos`` decides on a request: a place's own, or the nearest that an application was configured with."""

from __future__ import annotations

import logging
import weakref
from collections.abc import MutableMapping
from dataclasses import dataclass, fields
from typing import Any

from .._checks import check_type
from .._decision.answers import plain_denial
from .._decision.guard import NO_GUARD, Guard
from ..kerberos import Kerberos, default_kerberos
from ..outcomes import Denied
from ..reasons import Reason
from ..telemetry.faults import Faults

Scope = MutableMapping[str, Any]

NEAREST = "async_kerberos.nearest"
"""The key of the ``Kerberos`` that a carrier has set, in an ASGI scope or a WSGI environ."""

IDENTITY = "kerberos"
"""The key of the signed-in user's identity there."""

_logger = logging.getLogger("async_kerberos")

_second_services = Faults()

_NONE: tuple[Kerberos | None, object] = (None, None)
_configured: weakref.WeakKeyDictionary[object, Kerberos] = weakref.WeakKeyDictionary()


@dataclass(frozen=True)
class Protection:
    """What a decorator, a middleware or a dependency was given.

    Attributes:
        kerberos: the service; None for the nearest.
        guard: what is different for this place.

    Raises:
        ConfigurationError: ``kerberos`` is no ``Kerberos``.
    """

    kerberos: Kerberos | None = None
    guard: Guard = NO_GUARD

    def __post_init__(self) -> None:
        if self.kerberos is not None:
            check_type("kerberos", self.kerberos, Kerberos)


def configure(app: object, kerberos: Kerberos) -> None:
    """Make ``kerberos`` the service of an application, which is known by ``scope["app"]``."""
    _configured[app] = kerberos


def nearest_of(scope: Scope) -> tuple[Kerberos | None, object]:
    """The ``Kerberos`` that a carrier has set here, and the application (``scope["app"]``) that the carrier stood in.

    A carrier that sets another one puts this back afterwards: around a mounted application, the outer one's handlers of
    errors still run.
    """
    nearest: tuple[Kerberos | None, object] = scope.get(NEAREST, _NONE)
    return nearest


def configured(app: object) -> Kerberos | None:
    """The ``Kerberos`` of an application that :func:`configure` has seen; None of any other."""
    try:
        return _configured.get(app)
    except TypeError:  # there is none, or one that cannot be a key, and is not ours
        return None


def decider_of(scope: Scope, protection: Protection, application: Kerberos | None = None) -> Kerberos | None:
    """The ``Kerberos`` that decides: the place's own, or else the nearest; None for the default.

    Args:
        scope: the scope.
        protection: what the place demands.
        application: that of the application, where the scope does not tell it.
    """
    own = protection.kerberos or application
    if own is not None:
        return own
    app = scope.get("app")
    kerberos, carried_in = nearest_of(scope)
    if kerberos is None or carried_in is not app:
        # No carrier within this application has set one yet. Its own service is nearer than one from outside.
        return configured(app) or kerberos
    return kerberos


def refuse_second_service(configured: Kerberos, other: Kerberos) -> Denied:
    """The answer where a middleware without options has checked a request by other settings than the application's.

    It stood outside and did not find these. To go on could be to demand less than the application does. Every request
    is answered so, and the log says it once a minute.

    Args:
        configured: the application's.
        other: the one that the middleware took.
    """
    if not _second_services.is_new(id(configured), "second service") and not _logger.isEnabledFor(logging.DEBUG):
        return plain_denial(500, Reason.MISCONFIGURED)
    _logger.error(
        "Kerberos: 500 for a request that a KerberosMiddleware let in by other settings, %s, than the application's, "
        "%s. It has no options and stands outside of the application, where it cannot find these: add it by the "
        "application's own means, or give it kerberos=, what init_kerberos returned.",
        _options_of(other),
        _options_of(configured),
    )
    return plain_denial(500, Reason.MISCONFIGURED)


def warn_of_other_options(own: Kerberos, configured: Kerberos) -> None:
    """Warn of a middleware that was given options, and so has none of the application's, if that makes a difference."""
    ours, theirs = _options_of(own), _options_of(configured)
    if ours != theirs:
        _logger.warning(
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
