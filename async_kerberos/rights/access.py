"""Who may enter, of those who have signed in."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TypedDict

from .._checks import elements
from .._never_sent import NeverSent
from .._protocol.principals import PrincipalPattern, components_of, split_realm
from .._threads.waits import Waits
from ..errors import ConfigurationError
from ..identity import Identity
from ..reasons import Reason, Refusal
from ..request import AuthRequest
from .consult import answer_of

Authorize = Callable[[Identity, AuthRequest], bool | Awaitable[bool]]
"""Says whether a user may make a request."""

_logger = logging.getLogger("async_kerberos")

# To look at the rules again takes microseconds: what is remembered need not be much.
_MOST_REMEMBERED = 1024
_LONGEST_REMEMBERED = 256


class _LeftOut(tuple[str, ...]):
    """What a rule is where none is given. An empty list, or None, may come of a setting that is missing."""

    def __repr__(self) -> str:
        return "LEFT_OUT"


LEFT_OUT: Sequence[str] = _LeftOut()


class AccessOptions(TypedDict, total=False):
    """The arguments of :class:`Access`, for annotations of ``**options``."""

    realms: Sequence[str]
    principals: Sequence[str]
    groups: Sequence[str]
    indicators: Sequence[str]
    authorize: Authorize


@dataclass(frozen=True, kw_only=True)
class Access(NeverSent):
    """Who may enter: every rule that is given has to let the user in.

    Attributes:
        realms: the users of these realms, such as ``EXAMPLE.COM``. Without this, those of every realm that the KDC
            trusts.
        principals: these users. Each is exact, such as ``alice@EXAMPLE.COM``, or has ``*`` for any characters within
            one component: ``*@EXAMPLE.COM``, ``*/admin@EXAMPLE.COM``. Case counts. A backslash escapes as in
            ``Identity.principal``, and an asterisk as well.
        groups: not in this release.
        indicators: not in this release.
        authorize: called with the user and the request, which has no credentials. What it returns is awaited if it can
            be. Only True lets the user in; False answers 403, anything else, and whatever it raises, 500. A function
            that is not async is called on the event loop, where it may not wait, or on the thread of the request. On
            such a thread (WSGI, sync views of Quart), an async one is awaited on a loop of asyncio of its own, which
            below gevent's patches is not possible: there, give a function that is not async.

    Raises:
        ConfigurationError: a rule is wrong, or lets nobody in.
    """

    realms: Sequence[str] = LEFT_OUT
    principals: Sequence[str] = LEFT_OUT
    groups: Sequence[str] = LEFT_OUT
    indicators: Sequence[str] = LEFT_OUT
    authorize: Authorize | None = None
    _patterns: tuple[PrincipalPattern, ...] = field(init=False, repr=False, compare=False, default=())
    # By principal, the rule that keeps them out; empty where none does. `authorize` is asked each time.
    _verdicts: dict[str, str] = field(init=False, repr=False, compare=False, default_factory=dict[str, str])

    def __post_init__(self) -> None:
        for option in ("groups", "indicators"):
            if getattr(self, option) is not LEFT_OUT:
                raise ConfigurationError(option, "cannot be read from a ticket in this release: leave this out")
        if self.authorize is not None and not callable(self.authorize):
            raise ConfigurationError(
                "authorize", f"must be a function of the user and the request, not {self.authorize!r}"
            )
        realms, principals = _texts("realms", self.realms), _texts("principals", self.principals)
        for realm in realms:
            if "@" in realm or "*" in realm:
                raise ConfigurationError("realms", f"must be names of realms such as 'EXAMPLE.COM', not {realm!r}")
        try:
            patterns = tuple(map(PrincipalPattern, principals))
        except ValueError as error:
            raise ConfigurationError("principals", str(error)) from None
        vars(self).update(realms=realms, principals=principals, _patterns=patterns)

    @property
    def names_realms(self) -> bool:
        """Whether users of other realms than those that are named never get in."""
        return bool(self.realms or self.principals)

    async def check(self, identity: Identity, request: AuthRequest, waits: Waits) -> None:
        """Refuse a user who may not enter.

        Args:
            identity: the user.
            request: the request.
            waits: how ``authorize`` is waited for.

        Raises:
            Refusal: NOT_AUTHORISED. APPLICATION_FAULT: ``authorize`` has failed.
        """
        rule = self._verdicts.get(identity.principal)
        if rule is None:
            rule = self._judge(identity.principal)
        if rule:
            raise _refused(identity, rule)
        if self.authorize is not None:
            args, about = (identity, request.without_credentials()), identity.principal
            if not await answer_of("authorize", self.authorize, *args, waits=waits, about=about):
                raise _refused(identity, "authorize")

    def _judge(self, principal: str) -> str:
        """The rule that keeps a principal out, which is remembered; empty where none does."""
        components, realm = components_of(principal)
        rule = ""
        if self.realms and realm not in self.realms:
            rule = "realms"
        elif self._patterns and not any(pattern.matches(components, realm) for pattern in self._patterns):
            rule = "principals"
        if len(principal) <= _LONGEST_REMEMBERED:
            if len(self._verdicts) >= _MOST_REMEMBERED:
                self._verdicts.clear()
            self._verdicts[principal] = rule
        return rule


class ForeignRealms:
    """Logs the first user of another realm, where no rule says of which realms users may be."""

    def __init__(self) -> None:
        self._logged = False
        self._last: tuple[str, str] = "", ""  # a service principal, and how the principals of its realm end

    def note(self, identity: Identity) -> None:
        """Look at a user who gets in."""
        if self._logged:
            return
        service, end = self._last
        if identity.service_principal != service:
            service = identity.service_principal
            end = f"@{split_realm(service)[1]}"
            self._last = service, end
        principal = identity.principal
        if principal.endswith(end) and "\\" not in principal:  # nearly all: an escaped "@" belongs to a name
            return
        ours = end[1:]
        if ours and identity.realm != ours:
            self._logged = True
            _logger.warning(
                "Kerberos: %a is the first user of another realm than this service's, %s: users of all realms that the "
                "KDC trusts get in. If that is not meant, name the realms that may: access=Access(realms=[%r]).",
                identity.principal,
                ours,
                ours,
            )


def _refused(identity: Identity, rule: str) -> Refusal:
    return Refusal(Reason.NOT_AUTHORISED, f"{identity.principal}, by the rule {rule}")


def _texts(option: str, value: object) -> Sequence[str]:
    if value is LEFT_OUT:
        return LEFT_OUT
    if value is None:
        raise ConfigurationError(option, "is None, which names nobody: leave it out to let all in")
    texts: list[str] = []
    for text in elements(option, value, "texts"):
        if not isinstance(text, str) or not text:
            raise ConfigurationError(option, f"must be texts, not {text!r}")
        texts.append(text)
    if not texts:
        raise ConfigurationError(option, "names nobody, so that nobody could enter: leave it out to let all in")
    return tuple(texts)
