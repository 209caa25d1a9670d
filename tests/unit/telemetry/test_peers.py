"""Which clients count as one."""

from __future__ import annotations

import pytest

from async_kerberos.telemetry.peers import group_of


@pytest.mark.parametrize(
    ("address", "group"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::", "2001:db8:1:3::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("fe80::1%eth0", "fe80::/64"),
        ("192.0.2.7%ethernet0", "192.0.2.7%ethernet0"),
        ("a:b", "a:b"),
        ("0:0:0:0:0:0:0:0:0:0", "0:0:0:0:0:0:0:0:0:0"),
        ("a text of a proxy's", "a text of a proxy's"),
        ("000192.000000.00002.7", "000192.000000.00002.7"),
        ("x" * 100_000, "x" * 64),
        ("", ""),
    ],
)
def test_group(address: str, group: str) -> None:
    """An address stands for itself, one of IPv6 for its /64; what is no address is taken as it is, and short."""
    assert group_of((address, 40_000)) == group


def test_nobody() -> None:
    """Where the server names nobody, all are one."""
    assert group_of(None) == ""
