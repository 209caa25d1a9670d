"""What the decision needs to know of a request: its shape, and how other frameworks make one."""

from __future__ import annotations

from typing import Any

import pytest

from async_kerberos import AuthRequest
from async_kerberos.request import FIELDS, MOST_VALUES


@pytest.mark.parametrize(
    "fields",
    [
        {"Origin": ["https://evil.test"]},
        {"authorization": ["Negotiate YII="], "Host": ["www.example.test"]},
        {"authorization": "Negotiate YII="},
        {"cookie": ["a=b"]},
    ],
)
def test_wrong_fields(fields: Any) -> None:
    """A field of which a rule would see nothing is an error of the developer's, and not a request without it."""
    with pytest.raises(TypeError, match="fields must be sequences of texts"):
        AuthRequest(fields)


def test_from_headers() -> None:
    """Every field that counts is asked for, by its name in small letters, and what did not come is not there."""
    came = {"authorization": ["a", "b"], "host": ["www.example.test"], "origin": []}
    asked: list[str] = []

    def get_all(name: str) -> list[str]:
        asked.append(name)
        return came.get(name, [])

    request = AuthRequest.from_headers(get_all, peer=("192.0.2.1", 5), secure=True, method="POST")
    assert sorted(asked) == sorted(FIELDS)
    assert request.fields == {"authorization": ("a", "b"), "host": ("www.example.test",)}
    assert (request.peer, request.secure, request.method) == (("192.0.2.1", 5), True, "POST")
    assert request.connection is None
    assert AuthRequest.from_headers(get_all, peer=("192.0.2.1", 5), exclusive=True).connection == ("192.0.2.1", 5)


def test_many_values() -> None:
    """Of a field that came very often, as many values are kept as the bridges keep."""
    request = AuthRequest.from_headers(lambda name: ["x"] * 1000)
    assert {len(values) for values in request.fields.values()} == {MOST_VALUES}


def test_looked_up_later() -> None:
    """Fields that most requests need not be asked for are looked up when they are; others never are."""
    came = {"user-agent": ["probe/1"], "accept": ["x"] * 1000, "cookie": ["a=b"], "host": ["evil.test"]}
    request = AuthRequest({"authorization": ["a"]}, later=lambda name: came.get(name, []))
    assert request.values("user-agent") == ("probe/1",)
    assert request.values("accept") == ("x",) * MOST_VALUES
    assert (request.values("accept-language"), request.values("host")) == ((), ())
    assert request.values("authorization") == ("a",)
    assert AuthRequest().values("user-agent") == ()
    # A function of the application's gets all of them, and no credentials.
    assert request.without_credentials().fields == {"user-agent": ("probe/1",), "accept": ("x",) * MOST_VALUES}
