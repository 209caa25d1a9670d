"""Identities, reasons and outcomes: plain values."""

import copy

import pytest

from async_kerberos import Accepted, Denied, Identity, Kerberos, Reason


@pytest.mark.parametrize(
    ("principal", "name", "realm"),
    [
        ("alice@EXAMPLE.COM", "alice", "EXAMPLE.COM"),
        ("alice/admin@EXAMPLE.COM", "alice/admin", "EXAMPLE.COM"),
        ("alice", "alice", ""),
        ("alice\\@home@EXAMPLE.COM", "alice\\@home", "EXAMPLE.COM"),
        ("back\\\\@EXAMPLE.COM", "back\\\\", "EXAMPLE.COM"),
        ("odd@REALM\\@X", "odd", "REALM\\@X"),
    ],
)
def test_identity(principal: str, name: str, realm: str) -> None:
    """An identity knows its name and realm, and reads as its principal."""
    identity = Identity(principal)
    assert (identity.name, identity.realm, str(identity)) == (name, realm, principal)


def test_reasons() -> None:
    """Each reason has a remedy of its own, in one sentence, and reads as words."""
    remedies = [reason.remedy for reason in Reason]
    assert len(set(remedies)) == len(remedies)
    assert all(remedy.endswith(".") for remedy in remedies)
    assert all(reason.value.replace("TLS", "tls") == reason.value.lower() for reason in Reason)


def test_body() -> None:
    """The body for a client is the status in words."""
    assert Denied(403, Reason.REPLAY).body == "Forbidden"
    assert Denied(431, Reason.TOO_LARGE).body == "Request Header Fields Too Large"


def test_no_secret_in_reprs() -> None:
    """Neither the token a result was made from nor the reply token shows in a repr."""
    accepted = Accepted(Identity("alice@X"), (), Kerberos(), ("Negotiate c2VjcmV0",))
    denied = Denied(401, Reason.CONTINUE, (("WWW-Authenticate", "Negotiate c2VjcmV0"),))
    assert "c2VjcmV0" not in repr(accepted) + repr(denied)


def test_values() -> None:
    """Outcomes are values: equal when they say the same, and copied as such."""
    assert Accepted(Identity("alice@X")) == copy.copy(Accepted(Identity("alice@X")))
    assert Denied(403, Reason.REPLAY) != Denied(403, Reason.EXPIRED)
