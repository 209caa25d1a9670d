"""Kerberos for Django: whom a ``KerberosMiddleware`` around the application has let in is Django's user."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from .._never_sent import NeverSent
from .._web.asgi import state_of
from .._web.nearest import IDENTITY

try:
    import django as django  # others bring asgiref, too
    from asgiref.sync import iscoroutinefunction, markcoroutinefunction, sync_to_async
except ImportError as _error:
    raise ImportError("this adapter needs Django: pip install 'async-kerberos[django]'") from _error

if TYPE_CHECKING:
    from django.http import HttpRequest

__all__ = ["KerberosRemoteUserMiddleware"]

# Where Django's middleware looks: on a thread, and on an event loop, where a client's header comes.
_KEYS = ("REMOTE_USER", "HTTP_REMOTE_USER")


class KerberosRemoteUserMiddleware(NeverSent):
    """Make the user who has signed in by Kerberos the user of Django's request.

    It takes the place of Django's ``RemoteUserMiddleware``.

    Put it into ``MIDDLEWARE`` below ``AuthenticationMiddleware``, and Django's ``RemoteUserBackend``, or one of its
    kind, into ``AUTHENTICATION_BACKENDS``. Around the application goes the ``KerberosMiddleware`` of ``adapters.asgi``
    or ``adapters.wsgi``; under WSGI it may also be a web server that sets ``REMOTE_USER``.

    No header that a client sends has a say, as it has under ASGI with Django's own. The user's name is the principal,
    or what the option ``username`` makes of it. With the first request of somebody else, a session of Django's ends;
    with one that has passed no ``KerberosMiddleware``, a session that this middleware has begun. Where nobody has to
    sign in (``exempt``, ``optional``), who has no ticket is nobody for this middleware, and the session goes on.

    Args:
        get_response: the next middleware, or the view.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Any) -> None:
        self._sign_in: Any = _middleware()(_forgetting(get_response))
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> Any:
        """Handle one request, or return a coroutine that does so where the next middleware is async."""
        _name_user(request)
        return self._sign_in(request)


@functools.cache
def _middleware() -> type:
    """Django's middleware, with one difference: no session of anybody else's stays beside a ticket."""
    from django.contrib import auth  # all of these here: they need the settings
    from django.contrib.auth.backends import RemoteUserBackend
    from django.contrib.auth.middleware import RemoteUserMiddleware
    from django.contrib.auth.models import AnonymousUser

    theirs: Any = RemoteUserMiddleware

    class SignIn(RemoteUserMiddleware):
        # Django's own keep the sessions of other backends: of somebody who has signed in by a password, say.

        def _remove_invalid_user(self, request: HttpRequest) -> None:
            if _KEYS[0] in request.META:
                auth.logout(request)
            elif not _may_be_nobodys(request):
                theirs._remove_invalid_user(self, request)
            elif isinstance(_backend_of(request.session), RemoteUserBackend):
                _make_nobodys(request)

        async def _aremove_invalid_user(self, request: HttpRequest) -> None:
            if _KEYS[0] in request.META:
                await auth.alogout(request)
            elif not _may_be_nobodys(request):
                await theirs._aremove_invalid_user(self, request)
            elif isinstance(await sync_to_async(_backend_of)(request.session), RemoteUserBackend):
                _make_nobodys(request)

    def _backend_of(session: Any) -> Any:
        return auth.load_backend(session[auth.BACKEND_SESSION_KEY])  # it is there: the session has a user

    def _make_nobodys(request: HttpRequest) -> None:
        nobody = AnonymousUser()

        async def auser() -> Any:
            return nobody

        request.user, request.auser = nobody, auser  # as alogout() does

    return SignIn


def _may_be_nobodys(request: HttpRequest) -> bool:
    """Whether a middleware has let in a request of nobody."""
    return getattr(request, "scope", request.META).get(IDENTITY, request) is None


def _forgetting(get_response: Any) -> Any:
    """After the sign-in: ``request.auser()`` must not give the user whom it found before."""

    def respond(request: HttpRequest) -> Any:
        vars(request).pop("_acached_user", None)
        return get_response(request)

    return markcoroutinefunction(respond) if iscoroutinefunction(get_response) else respond


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
