"""Checks of options. They run when the developer gives the option."""

from __future__ import annotations

import ipaddress
import os
import threading
from collections.abc import Iterable
from typing import cast

from ._protocol.forwarded import Network
from .errors import ConfigurationError


def check_count(option: str, value: object, least: int = 1) -> None:
    """Refuse a value that is no whole number, or a number that is too small."""
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ConfigurationError(option, f"must be a whole number of at least {least}, not {value!r}")


def check_flag(option: str, value: object) -> None:
    """Refuse any value but True and False: Python would take the text "no" for true."""
    if not isinstance(value, bool):
        raise ConfigurationError(option, f"must be True or False, not {value!r}")


def check_cross_site(option: str, value: object) -> None:
    """Refuse any value but ``"refuse"`` and ``"allow"``."""
    if value not in ("refuse", "allow"):
        raise ConfigurationError(option, f"must be 'refuse' or 'allow', not {value!r}")


def check_seconds(option: str, value: object, *, or_zero: bool = False) -> None:
    """Refuse a value that is not a positive, finite number; 0 passes if ``or_zero``."""
    if (
        not isinstance(value, (int, float))
        or isinstance(value, bool)
        or not 0 <= value <= threading.TIMEOUT_MAX
        or (value == 0 and not or_zero)
    ):
        wanted = "number of seconds, 0 or more" if or_zero else "positive number of seconds"
        raise ConfigurationError(option, f"must be a {wanted}, not {value!r}")


def check_type(option: str, value: object, wanted: type) -> None:
    """Refuse a value that is not an object of the wanted type."""
    if not isinstance(value, wanted):
        raise ConfigurationError(option, f"must be {wanted.__name__}(...), not {value!r}")


def check_path(option: str, value: object) -> str:
    """Refuse a value that cannot name a file; return the name as text."""
    path = os.fspath(cast("os.PathLike[str]", value)) if isinstance(value, (str, os.PathLike)) else None
    if not isinstance(path, str) or not path or "\0" in path:
        raise ConfigurationError(option, f"must be a path, not {value!r}")
    return path


def elements(option: str, value: object, what: str) -> tuple[object, ...]:
    """Refuse a value that is no collection; return its elements. A single string does not count as a collection."""
    if not isinstance(value, Iterable) or isinstance(value, (str, bytes)):
        raise ConfigurationError(option, f"must be a sequence of {what}, not {value!r}")
    return tuple(cast("Iterable[object]", value))


def check_networks(option: str, value: object) -> tuple[Network, ...]:
    """Refuse a value that is no collection of addresses and networks; return these."""
    networks: list[Network] = []
    for text in elements(option, value, "addresses or networks"):
        try:
            if not isinstance(text, str):
                raise ValueError
            networks.append(ipaddress.ip_network(text))
        except ValueError:
            problem = f"must be addresses or networks such as '10.0.0.7' or '10.0.0.0/8', not {text!r}"
            raise ConfigurationError(option, problem) from None
        if getattr(networks[-1].network_address, "ipv4_mapped", None) is not None:
            raise ConfigurationError(option, f"write {text!r} as an IPv4 address")
    return tuple(networks)
