"""What Flask and Quart have in common: where an application keeps its extensions, and the responses of Werkzeug."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from ..kerberos import Kerberos
from . import asgi, nearest, wsgi
from .state import RequestState
from .whole import Front, Whole, protect_whole

_EXTENSION = "async_kerberos"
_CARRIER = "async_kerberos.carrier"

Carrier = type[asgi.CarrierMiddleware] | type[wsgi.CarrierMiddleware]


def configure(
    app: Any,
    kerberos: Kerberos,
    server_interface: str,
    carrier: Carrier,
    whole: Whole | None,
    fronts: Mapping[str, type[Front]],
) -> None:
    """Make ``kerberos`` the application's, and put its carrier around all that the application answers.

    Args:
        app: the application. The last call for it counts.
        kerberos: the service.
        server_interface: the method that servers call; the documentation of both frameworks says to assign over it.
        carrier: the bridge's middleware.
        whole: what is demanded of all who ask for anything; None for nothing.
        fronts: what asks them, by the name of the method that it stands in front of.
    """
    nearest.configure(app, kerberos)
    app.extensions[_EXTENSION] = kerberos
    if _CARRIER in app.extensions:  # another middleware may stand around it by now
        app.extensions[_CARRIER].kerberos = kerberos
    else:
        app.extensions[_CARRIER] = carrier(getattr(app, server_interface), kerberos)
        setattr(app, server_interface, app.extensions[_CARRIER])
    protect_whole(app, whole, fronts, app.extensions[_CARRIER])
    kerberos.log_setup()


def configured(app: Any) -> Kerberos | None:
    """The application's ``Kerberos``; None where none was configured."""
    kerberos: Kerberos | None = app.extensions.get(_EXTENSION)
    return kerberos


def append_owed(state: RequestState, reply: bool, response: Any) -> Any:
    """The response with what is owed: what a decorated view can do where there is no carrier.

    Args:
        state: the request's.
        reply: whether the reply is this view's to add: it has made the check.
        response: the response of Flask or Quart.
    """
    owed = state.take(response.status_code, response.headers.getlist, reply=reply)
    if not owed.headers:
        return response
    # A copy, since a view may return one object to many users.
    replying = copy.copy(response)
    replying.headers = response.headers.copy()
    if owed.with_vary:
        replying.headers.remove("Vary")
    replying.headers.extend(owed.headers)
    return replying
