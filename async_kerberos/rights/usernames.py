"""What applications call a user: the option ``username``."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Literal

from .._gss.steps import AcquireError, Steps
from .._threads.waits import Waits
from ..errors import ConfigurationError, WorkersError
from ..identity import Identity
from ..reasons import Reason, Refusal

UsernameChoice = Literal["principal", "name", "local_name"] | Callable[[Identity], str | None]
"""What goes into ``REMOTE_USER`` and ``user_header``."""

# Control characters and, of Unicode, halves of characters.
_NO_NAME = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


class Usernames:
    """Gives users the names by which applications know them.

    Args:
        choice: the option ``username``.
        steps: tells the default realm.

    Raises:
        ConfigurationError: the option is wrong.
    """

    def __init__(self, choice: UsernameChoice, steps: Steps) -> None:
        if choice not in ("principal", "name", "local_name") and not callable(choice):
            problem = f"must be 'principal', 'name', 'local_name' or a function of the identity, not {choice!r}"
            raise ConfigurationError("username", problem)
        called = getattr(choice, "__call__", None)  # noqa: B004 - an object's own, which may be async
        if inspect.iscoroutinefunction(choice) or inspect.iscoroutinefunction(called):
            raise ConfigurationError("username", f"must be a function that returns a text, not a coroutine: {choice!r}")
        self._choice = choice
        self._steps = steps
        # Found when it is needed: a file has to be read for it.
        self._realm: str | None = None

    @property
    def are_principals(self) -> bool:
        """Whether the name is the principal, so that nothing has to be asked."""
        return self._choice == "principal"

    async def of(self, identity: Identity, waits: Waits) -> str:
        """The name of a user.

        Args:
            identity: the user.
            waits: how the default realm is waited for.

        Raises:
            Refusal: NOT_AUTHORISED: without the realm, the name could be that of another user; or the application's
                function, or ``krb5.conf``, has no name for this one. APPLICATION_FAULT: the function failed. Others:
                the default realm is not known.
        """
        if callable(self._choice):
            return _called(self._choice, identity)
        if self._choice == "local_name":
            return _local_name(identity)
        if identity.realm != await self._default_realm(waits):
            raise Refusal(
                Reason.NOT_AUTHORISED,
                f"{identity.principal} is not of the realm {self._realm} (default_realm in krb5.conf), and with "
                "username='name' could be taken for a user of that realm",
            )
        return identity.name

    def warnings(self) -> list[str]:
        """What is wrong with the configuration: a sentence for each thing, with the remedy. Blocks."""
        if self._choice not in ("name", "local_name"):
            return []
        try:
            self._steps.default_realm()
        except AcquireError as error:
            return [f"username={self._choice!r}: {error}. {error.reason.remedy}"]
        return []

    async def _default_realm(self, waits: Waits) -> str:
        if self._realm is None:
            try:
                self._realm = await waits.compute(self._steps.default_realm)
            except AcquireError as error:
                raise Refusal(error.reason, f"username='name': {error}") from None
            except WorkersError as error:
                raise Refusal(error.reason, str(error)) from None
        return self._realm


def _local_name(identity: Identity) -> str:
    name = identity.local_name
    if name is None:
        raise Refusal(
            Reason.NOT_AUTHORISED,
            f"{identity.principal} has no local name: no rule of auth_to_local in krb5.conf gives it one",
        )
    if _NO_NAME.search(name):
        what = f"has characters that no name has, {name!a}"
        raise Refusal(Reason.NOT_AUTHORISED, f"the local name of {identity.principal} {what}")
    return name


def _called(function: Callable[[Identity], object], identity: Identity) -> str:
    try:
        username = function(identity)
    except Exception as error:
        raise Refusal(Reason.APPLICATION_FAULT, f"username, for {identity.principal}") from error
    if username is None:
        raise Refusal(Reason.NOT_AUTHORISED, f"username has no name for {identity.principal}")
    if not isinstance(username, str):
        what = f"an object of type {type(username).__name__}, and no text"
    elif not username:
        what = "an empty text"
    elif _NO_NAME.search(username):
        what = f"a text with characters that no name has, {username!a}"
    else:
        return username
    raise Refusal(Reason.APPLICATION_FAULT, f"username returned {what}, for {identity.principal}")
