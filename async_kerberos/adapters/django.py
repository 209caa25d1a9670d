"""Kerberos for Django: whom a ``KerberosMiddleware`` around the application has let in is Django's user."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .._never_sent import NeverSent
from .._web.asgi import state_of
from .._web.nearest import IDENTITY

try:
    import django as django  # others bring asgiref, too
    from asgiref.sync import iscoroutinefunction, markcoroutinefunction
except ImportError as _error:
    raise ImportError("this adapter needs Django: pip install 'async-kerberos[django]'") from _error

if TYPE_CHECKING:
    from django.http import HttpRequest

__all__ = ["KerberosRemoteUserMiddleware"]

# Where Django's middleware looks: on a thread, and on an event loop, where a client's header comes.
_KEYS = ("REMOTE_USER", "HTTP_REMOTE_USER")


class KerberosRemoteUserMiddleware(NeverSent):
    """Sign in to Django whoever has signed in by Kerberos; takes the place of Django's ``RemoteUserMiddleware``.

    Put it into ``MIDDLEWARE`` below ``AuthenticationMiddleware``, and Django's ``RemoteUserBackend``, or one of its
    kind, into ``AUTHENTICATION_BACKENDS``. Around the application goes the ``KerberosMiddleware`` of ``adapters.asgi``
    or ``adapters.wsgi``; under WSGI it may also be a web server that sets ``REMOTE_USER``.

    No header that a client sends has a say, as it has under ASGI with Django's own. The user's name is the principal,
    or what the option ``username`` makes of it. A session of Django's ends with the first request that is nobody's, or
    somebody else's.

    Args:
        get_response: the next middleware, or the view.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Any) -> None:
        from django.contrib.auth.middleware import RemoteUserMiddleware  # here: it needs the settings

        asynchronous = iscoroutinefunction(get_response)
        self._sign_in: Any = RemoteUserMiddleware(_forgetting(get_response) if asynchronous else get_response)
        if asynchronous:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> Any:
        """Handle one request, or return a coroutine that does so where the next middleware is async."""
        _name_user(request)
        return self._sign_in(request)


def _forgetting(get_response: Any) -> Any:
    """After the sign-in on a loop: ``request.auser()`` must not give the user whom it found before."""

    async def respond(request: HttpRequest) -> Any:
        vars(request).pop("_acached_user", None)
        return await get_response(request)

    return respond


def _name_user(request: HttpRequest) -> None:
    """Say who the user is where Django looks for it, and let nothing else stand there."""
    scope = getattr(request, "scope", None)  # under ASGI
    if scope is None:
        username = request.META.get("REMOTE_USER")
    else:
        username = state_of(scope).username if IDENTITY in scope else None
    for key in _KEYS:
        request.META.pop(key, None)
        if username:
            request.META[key] = username
