"""What comes of a request: values alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NoReturn

from ._never_sent import NeverSent
from .identity import Identity
from .reasons import Reason

Headers = tuple[tuple[str, str], ...]
"""Response headers, to be appended to what a response has; the same name may come twice."""


@dataclass(frozen=True, init=False)
class SignedIn(NeverSent):
    """What a method of signing in has found out.

    Attributes:
        identity: who it is.
        headers: what the response owes the client.
        spnego: whether SPNEGO was around the Kerberos token.
    """

    identity: Identity
    headers: Headers = field(default=(), repr=False)
    spnego: bool = True

    # One of each of these is made for every request that passes. What the dataclass would do takes twice as long.
    def __init__(self, identity: Identity, headers: Headers = (), spnego: bool = True) -> None:
        self.__dict__.update(identity=identity, headers=headers, spnego=spnego)


@dataclass(frozen=True, eq=False)
class Rules(NeverSent):
    """By what one ``Kerberos`` judges a ticket. Two objects are never equal, though all that they say may be."""

    service: str
    hostname: str | tuple[str, ...] | None
    keytab: str | None
    certificate: str | None
    raw_kerberos: bool


@dataclass(frozen=True, init=False)
class Checked(NeverSent):
    """What a check of a request has found, for a later check of the same request: a token is good for one step only.

    Attributes:
        by: the rules of the ``Kerberos`` that checked.
        identity: whom it found.
        spnego: whether SPNEGO was around the Kerberos token.
        authorization: the values of ``Authorization`` that it was made from; it says nothing of any other request.
        judged: whether it was made sure that no other site made a browser send the request (``cross_site``).
    """

    by: Rules
    identity: Identity
    spnego: bool
    authorization: tuple[str, ...] = field(repr=False)
    judged: bool

    def __init__(
        self, by: Rules, identity: Identity, spnego: bool, authorization: tuple[str, ...], judged: bool
    ) -> None:
        self.__dict__.update(by=by, identity=identity, spnego=spnego, authorization=authorization, judged=judged)

    def __reduce__(self) -> NoReturn:
        raise TypeError("what a token was good for does not leave the process that has checked it")


@dataclass(frozen=True, init=False)
class Accepted(NeverSent):
    """The client has proved who it is.

    Attributes:
        identity: who.
        headers: to be appended to whatever response follows: the acceptor's reply, by which the client can make sure
            of the server (mutual authentication). Empty where GSSAPI made no reply, or where another result has
            brought it already.
        checked: what a later check of the same request is given, as ``AuthRequest.earlier``.
    """

    identity: Identity
    headers: Headers = field(default=(), repr=False)
    checked: Checked | None = field(default=None, repr=False, compare=False)

    def __init__(self, identity: Identity, headers: Headers = (), checked: Checked | None = None) -> None:
        self.__dict__.update(identity=identity, headers=headers, checked=checked)


@dataclass(frozen=True)
class Denied(NeverSent):
    """The request must not reach the application; this is the answer to it.

    Attributes:
        status: the HTTP status code.
        reason: why. The client must not learn it.
        headers: ``Content-Type``, and ``WWW-Authenticate`` and ``Retry-After`` where they belong.
        body: the body for the client.
    """

    status: int
    reason: Reason
    headers: Headers = field(default=(), repr=False)
    body: bytes = field(default=b"", repr=False)


Outcome = Accepted | Denied
