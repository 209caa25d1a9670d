"""The results of the decision on a request: plain values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NoReturn

from ._never_sent import NeverSent
from .identity import Identity
from .reasons import NO_TIMES, Reason, Times

Headers = tuple[tuple[str, str], ...]
"""Headers to add to those of a response, without replacing any: the same name may come twice."""


@dataclass(frozen=True, init=False)
class SignedIn(NeverSent):
    """The result of a method of signing in.

    Attributes:
        identity: the user.
        headers: the headers to add to the response.
        spnego: whether the Kerberos token was wrapped in SPNEGO.
        times: how long the check took.
    """

    identity: Identity
    headers: Headers = field(default=(), repr=False)
    spnego: bool = True
    times: Times = NO_TIMES

    # Every request that passes makes an object of each such class. A dataclass's own __init__ takes twice as long.
    def __init__(self, identity: Identity, headers: Headers = (), spnego: bool = True, times: Times = NO_TIMES) -> None:
        self.__dict__.update(identity=identity, headers=headers, spnego=spnego, times=times)


@dataclass(frozen=True, eq=False)
class Rules(NeverSent):
    """The options of one ``Kerberos`` that decide which tickets it accepts. Compared by identity, not by value."""

    service: str
    hostname: str | tuple[str, ...] | None
    keytab: str | None
    certificate: str | None
    raw_kerberos: bool


@dataclass(frozen=True, init=False)
class Checked(NeverSent):
    """The result of a check of a request, for a later check of the same request: a token can be used only once.

    Attributes:
        by: the rules of the ``Kerberos`` that made the check.
        identity: the user.
        spnego: whether the Kerberos token was wrapped in SPNEGO.
        authorization: the values of ``Authorization`` that were checked; the result counts for no others.
        judged: whether this check made sure that no other site made a browser send the request (``cross_site``).
        asked_for: the method and the path that ``access`` was asked about; something in between may change them.
    """

    by: Rules
    identity: Identity
    spnego: bool
    authorization: tuple[str, ...] = field(repr=False)
    judged: bool
    asked_for: tuple[str, str] = ("", "")

    def __init__(
        self,
        by: Rules,
        identity: Identity,
        spnego: bool,
        authorization: tuple[str, ...],
        judged: bool,
        asked_for: tuple[str, str] = ("", ""),
    ) -> None:
        self.__dict__.update(
            by=by,
            identity=identity,
            spnego=spnego,
            authorization=authorization,
            judged=judged,
            asked_for=asked_for,
        )

    def __reduce__(self) -> NoReturn:
        raise TypeError("the result of a check cannot be pickled: it counts only in the process that checked the token")


@dataclass(frozen=True, init=False)
class Accepted(NeverSent):
    """The request may reach the application: the client has proved who it is, or need not.

    Attributes:
        identity: the client; None where nobody has signed in, and nobody has to (``Guard.optional``, ``Guard.exempt``).
        headers: the headers to add to the response: the acceptor's reply, which proves to the client who the server is
            (mutual authentication). Empty if GSSAPI made no reply, or if an earlier result has it already.
        checked: pass this to a later check of the same request, as ``AuthRequest.earlier``.
        username: what the option ``username`` makes of the client: the principal, unless it says otherwise. Empty for
            nobody.
        exempt: whether nobody has looked for credentials, so that the response does not depend on them.
        by_function: whether the application's function has exempted it, by whatever it knows of the client: who sends
            the same may have to sign in.
    """

    identity: Identity | None
    headers: Headers = field(default=(), repr=False)
    checked: Checked | None = field(default=None, repr=False, compare=False)
    username: str = ""
    exempt: bool = False
    by_function: bool = False

    def __init__(
        self,
        identity: Identity | None,
        headers: Headers = (),
        checked: Checked | None = None,
        username: str | None = None,
        exempt: bool = False,
        by_function: bool = False,
    ) -> None:
        if username is None:
            username = "" if identity is None else identity.principal
        values = self.__dict__
        values.update(identity=identity, headers=headers, checked=checked, username=username, exempt=exempt)
        values["by_function"] = by_function

    @property
    def authorization(self) -> tuple[str, ...]:
        """The values of ``Authorization`` by which the client has proved who it is; none for nobody."""
        return () if self.checked is None else self.checked.authorization

    @property
    def principal(self) -> str | None:
        """The client's principal; None for nobody."""
        return None if self.identity is None else self.identity.principal


@dataclass(frozen=True)
class Denied(NeverSent):
    """The request must not reach the application; send this answer to it.

    Attributes:
        status: the HTTP status code.
        reason: why. The client must not learn it.
        headers: ``Content-Type``, and for some statuses ``WWW-Authenticate`` or ``Retry-After``.
        body: the body for the client.
        asks_handler: whether a handler that the application has registered for this status may make another body.
    """

    status: int
    reason: Reason
    headers: Headers = field(default=(), repr=False)
    body: bytes = field(default=b"", repr=False)
    asks_handler: bool = field(default=False, repr=False, compare=False)


Outcome = Accepted | Denied
