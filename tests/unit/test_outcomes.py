"""Identities, reasons and outcomes: plain values."""

import base64
import copy
import dataclasses
import functools
import inspect
import pickle

import pytest
from gssapi.raw import SecurityContext

from async_kerberos import AuthRequest, Denied, Identity, Kerberos, Reason
from async_kerberos._decision.answers import plain_denial
from async_kerberos._gss.acceptor import Acceptor
from async_kerberos._gss.steps import Continued, Established
from async_kerberos.methods.tickets import Leg

from ..support.asking import auth_request, found


@pytest.mark.parametrize(
    ("principal", "name", "realm"),
    [
        ("alice@EXAMPLE.COM", "alice", "EXAMPLE.COM"),
        ("alice/admin@EXAMPLE.COM", "alice/admin", "EXAMPLE.COM"),
        ("alice", "alice", ""),
        ("alice\\@home@EXAMPLE.COM", "alice\\@home", "EXAMPLE.COM"),
        ("back\\\\@EXAMPLE.COM", "back\\\\", "EXAMPLE.COM"),
        ("odd@REALM\\@X", "odd", "REALM\\@X"),
        ("alice\\@home", "alice\\@home", ""),
    ],
)
def test_identity(principal: str, name: str, realm: str) -> None:
    """An identity knows its name and realm, and reads as its principal."""
    identity = Identity(principal)
    assert (identity.name, identity.realm, str(identity)) == (name, realm, principal)


def test_reasons() -> None:
    """Each reason has its own remedy, in one sentence, and reads as words."""
    remedies = [reason.remedy for reason in Reason]
    assert len(set(remedies)) == len(remedies)
    assert all(remedy.endswith(".") for remedy in remedies)
    for reason in Reason:
        assert all(word.islower() or word in ("TLS", "DNS", "PAC") for word in reason.value.split()), reason


def test_body() -> None:
    """The body for a client is the status in words."""
    assert plain_denial(403, Reason.REPLAY).body == b"Forbidden"
    assert plain_denial(431, Reason.TOO_LARGE).body == b"Request Header Fields Too Large"


def test_no_secret_in_reprs() -> None:
    """Neither the token a result was made from nor the reply token shows in a repr."""
    accepted = found(Identity("alice@X"), (), Kerberos(), ("Negotiate c2VjcmV0",))
    denied = Denied(401, Reason.CONTINUE, (("WWW-Authenticate", "Negotiate c2VjcmV0"),))
    assert "c2VjcmV0" not in repr(accepted) + repr(denied)


def test_what_a_request_is_made_of() -> None:
    """A request is a value like any that a dataclass makes: with the defaults it declares, and not to be changed."""
    request = auth_request()
    declared = {field.name: field.default for field in dataclasses.fields(AuthRequest)}
    assert vars(request) == {**declared, "fields": {}}
    assert list(inspect.signature(AuthRequest).parameters) == list(declared)
    other = dataclasses.replace(request, secure=True)
    assert (other.secure, other == request, copy.copy(other) == other) == (True, False, True)
    with pytest.raises(dataclasses.FrozenInstanceError):
        # What a type checker would refuse too.
        other.secure = False  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]


def test_no_secret_in_what_a_request_becomes() -> None:
    """The token is not shown by what the decision makes of a request, nor by the call that a worker is given."""
    secret = b"\x6e" + b"secret"
    request = auth_request((f"Negotiate {base64.b64encode(secret).decode()}",))
    leg = Leg(Acceptor("HTTP", ("www.example.test",), None), secret, None, True)
    steps = [Established(Identity("alice@X"), secret), Continued(SecurityContext(), secret)]
    shown = repr((request, leg, leg.step, functools.partial(leg.step), *steps))
    assert leg.token == secret
    assert "secret" not in shown
    assert base64.b64encode(secret).decode() not in shown


def test_values() -> None:
    """Outcomes are values: equal when they say the same, and copied as such."""
    assert found(Identity("alice@X")) == copy.copy(found(Identity("alice@X")))
    assert Denied(403, Reason.REPLAY) != Denied(403, Reason.EXPIRED)


def test_what_does_not_leave_the_process() -> None:
    """What a later check may count on has the token in it: it cannot be pickled, alone or with what it is a part of."""
    accepted = found(Identity("alice@X"), (), Kerberos(), ("Negotiate c2VjcmV0",))
    for value in (accepted, accepted.checked):
        with pytest.raises(TypeError, match="cannot be pickled: it counts only in the process"):
            pickle.dumps(value)
