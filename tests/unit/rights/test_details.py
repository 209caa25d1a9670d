"""The option ``details``: what cannot be read, or is wrong, is refused when it is given."""

from __future__ import annotations

from typing import Any

import pytest

from async_kerberos import ConfigurationError, Kerberos, TicketDetails


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("groups", True),
        ("indicators", True),
        ("group_names", "ldap"),
        ("domain", "EXAMPLE"),
        ("attributes", ["mail"]),
        ("attributes", "mail"),
    ],
)
def test_no_reader(option: str, value: Any) -> None:
    """What no release reads yet is refused, and not left out silently."""
    with pytest.raises(ConfigurationError, match="cannot be read from a ticket in this release") as raised:
        TicketDetails(**{option: value})
    assert raised.value.option == f"details.{option}"


@pytest.mark.parametrize("option", ["groups", "indicators", "local_name"])
@pytest.mark.parametrize("value", ["yes", 1, None])
def test_flags(option: str, value: Any) -> None:
    """Whether something is read is a yes or a no."""
    with pytest.raises(ConfigurationError, match="must be True or False"):
        TicketDetails(**{option: value})


def test_wanted() -> None:
    """What is not asked for is not read."""
    assert TicketDetails().wanted == ()
    assert TicketDetails(groups=False, group_names=None, domain=None, indicators=False, attributes=()).wanted == ()
    assert TicketDetails(local_name=True).wanted == ("local_name",)


def test_local_name_for_a_username() -> None:
    """A name that nobody reads cannot be the user's: the error says what is missing."""
    for details in (None, TicketDetails()):
        with pytest.raises(ConfigurationError, match=r"needs details=TicketDetails\(local_name=True\)"):
            Kerberos(username="local_name", details=details)
    assert Kerberos(username="local_name", details=TicketDetails(local_name=True)).clock_skew == 300
    assert Kerberos(clock_skew=0).clock_skew == 0
