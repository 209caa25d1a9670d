"""Who somebody is: a value, whatever was read from the ticket."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from async_kerberos import Identity

ENDS = 1_800_000_000

PLAIN = Identity("alice@X", "HTTP/www@X")
FULL = Identity(
    "alice@X", "HTTP/www@X", mechanism="other", method="session", until=ENDS, details={"local_name": "alice"}
)


def test_defaults() -> None:
    """An identity that is made by hand is one of a ticket, of which nothing else is known."""
    assert (PLAIN.mechanism, PLAIN.method, PLAIN.until, PLAIN.details) == ("krb5", "ticket", None, {})


def test_until() -> None:
    """When the ticket ends is a time in UTC, given as such or in seconds."""
    expected = datetime.fromtimestamp(ENDS, timezone.utc)
    for given in (ENDS, float(ENDS), expected):
        until = Identity("alice@X", until=given).until
        assert until == expected
        assert until is not None
        assert until.utcoffset() == timedelta(0)
    assert Identity("alice@X", until=0).until == datetime(1970, 1, 1, tzinfo=timezone.utc)


def test_what_was_not_asked_for() -> None:
    """To read what was not asked for is an error that names the option; None is a name that the user does not have."""
    assert FULL.local_name == "alice"
    assert Identity("alice@X", details={"local_name": None}).local_name is None
    told = r"local_name was not read from the ticket: give Kerberos details=TicketDetails\(local_name=True\)"
    with pytest.raises(AttributeError, match=told):
        _ = PLAIN.local_name
    assert not hasattr(PLAIN, "local_name")


def test_equality() -> None:
    """Identities are compared by who it is, for which service, and whether bound to the connection; nothing else."""
    assert FULL == PLAIN
    assert hash(FULL) == hash(PLAIN)
    assert len({FULL, PLAIN}) == 1
    for other in (
        Identity("bob@X", "HTTP/www@X"),
        Identity("alice@X", "HTTP/other@X"),
        Identity("alice@X", "HTTP/www@X", channel_bound=True),
    ):
        assert other != PLAIN


@pytest.mark.parametrize("identity", [PLAIN, FULL], ids=["plain", "full"])
def test_copies(identity: Identity) -> None:
    """A copy of any kind knows the same, and making it asks for nothing that was not read."""
    copies = [
        copy.copy(identity),
        copy.deepcopy(identity),
        dataclasses.replace(identity),
        *(pickle.loads(pickle.dumps(identity, protocol)) for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1)),
    ]
    for same in copies:
        assert {name: getattr(same, name) for name in fields(same)} == {
            name: getattr(identity, name) for name in fields(identity)
        }
        assert repr(same) == repr(identity)
    assert dataclasses.asdict(identity).keys() == set(fields(identity))
    assert dataclasses.replace(identity, principal="bob@X").until == identity.until


def fields(identity: Identity) -> list[str]:
    return [field.name for field in dataclasses.fields(identity)]


def test_subclass() -> None:
    """An application's own dataclass below it has all that an identity has, and is as frozen."""

    @dataclasses.dataclass(frozen=True)
    class Employee(Identity):
        room: str = ""

    expected = datetime.fromtimestamp(ENDS, timezone.utc)
    employee = Employee("alice@X", room="7", until=expected, details={"local_name": "alice"})
    assert (employee.room, employee.until, employee.local_name) == ("7", expected, "alice")
    assert Employee("alice@X").until is None
    assert dataclasses.replace(employee, room="8").until == expected
    with pytest.raises(dataclasses.FrozenInstanceError):
        employee.until = None  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]


def test_frozen() -> None:
    """An identity cannot be changed, nor by the mapping that it was made from."""
    given: dict[str, Any] = {"local_name": "alice"}
    identity = Identity("alice@X", details=given)
    given["local_name"] = "root"
    assert identity.local_name == "alice"
    for name in (*fields(identity), "local_name"):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(identity, name, "root")


def test_declared() -> None:
    """The constructor takes the fields, in their order, as any dataclass's does."""
    assert list(inspect.signature(Identity).parameters) == fields(PLAIN)
