"""Checks of options, made where the option is given."""

from __future__ import annotations

import ipaddress
import os
import re
import threading
from collections.abc import Iterable
from typing import cast

from ._errors import ConfigurationError
from ._origin import Origin, parse_origin
from ._proxies import Network

ANY_HOST = "*"

# Printable ASCII less what separates or escapes in a principal (RFC 1964, section 2.1.1), the asterisk and the colon.
_HOSTNAME = r"[!-)+-.0-9;-?A-\[\]-~]+"
_SERVICE = _HOSTNAME
# RFC 9110, section 11.6.1: challenge = auth-scheme [ 1*SP ( token68 / #auth-param ) ]
_CHALLENGE = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+(?: +[!-~][ -~]*)?"
_NEGOTIATE = r"(?i)(?:^|,)\s*negotiate\b"


def check_count(option: str, value: object, least: int = 1) -> None:
    """Refuse what is not a whole number, or too small a one."""
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ConfigurationError(option, f"must be a whole number of at least {least}, not {value!r}")


def check_flag(option: str, value: object) -> None:
    """Refuse what is neither True nor False: a text, say, which counts as true even when it says no."""
    if not isinstance(value, bool):
        raise ConfigurationError(option, f"must be True or False, not {value!r}")


def check_cross_site(option: str, value: object) -> None:
    """Refuse what is neither of the two."""
    if value not in ("refuse", "allow"):
        raise ConfigurationError(option, f"must be 'refuse' or 'allow', not {value!r}")


def check_seconds(option: str, value: object) -> None:
    """Refuse what is not a positive, finite number."""
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not 0 < value <= threading.TIMEOUT_MAX:
        raise ConfigurationError(option, f"must be a positive number of seconds, not {value!r}")


def check_type(option: str, value: object, wanted: type) -> None:
    """Refuse what is not of the option object's type."""
    if not isinstance(value, wanted):
        raise ConfigurationError(option, f"must be {wanted.__name__}(...), not {value!r}")


def check_service(option: str, value: object) -> None:
    """Refuse what cannot be the first component of a service principal."""
    if not isinstance(value, str) or not re.fullmatch(_SERVICE, value):
        raise ConfigurationError(option, f"must be a service's name such as 'HTTP', not {value!r}")


def check_hostnames(option: str, value: object) -> tuple[str, ...]:
    """Refuse what is no host name, and return the host names; none of them means this host's."""
    if value is None:
        return ()
    names = (value,) if isinstance(value, str) else _elements(value)
    if not names:
        raise ConfigurationError(option, f"must be a host name, several, '*' or None, not {value!r}")
    hostnames: list[str] = []
    for name in names:
        if not isinstance(name, str) or not (name == ANY_HOST or re.fullmatch(_HOSTNAME, name)):
            raise ConfigurationError(option, f"must be host names as in a URL, without port, '/' or '@', not {name!r}")
        hostnames.append(name)
    if ANY_HOST in hostnames and len(hostnames) > 1:
        raise ConfigurationError(option, "'*' takes every host name: name no other beside it")
    return tuple(hostnames)


def check_keytab(option: str, value: object) -> str | None:
    """Refuse what cannot name a keytab, and return it as text."""
    if value is None:
        return None
    path = os.fspath(cast("os.PathLike[str]", value)) if isinstance(value, (str, os.PathLike)) else None
    if not isinstance(path, str) or not path or path.endswith(":") or "\0" in path:
        raise ConfigurationError(option, f"must be a path, 'TYPE:name' or None, not {value!r}")
    return path


def check_proxies(option: str, value: object) -> tuple[Network, ...]:
    """Refuse what is no IP address and no network, and return the networks."""
    networks: list[Network] = []
    for proxy in _elements(value):
        try:
            if not isinstance(proxy, str):
                raise ValueError
            networks.append(ipaddress.ip_network(proxy))
        except ValueError:
            raise ConfigurationError(
                option, f"must be addresses or networks such as '10.0.0.7' or '10.0.0.0/8', not {proxy!r}"
            ) from None
        if getattr(networks[-1].network_address, "ipv4_mapped", None) is not None:
            raise ConfigurationError(option, f"write {proxy!r} as an address of IPv4")
    if not _is_collection(value):
        raise ConfigurationError(option, f"must be a sequence of addresses or networks, not {value!r}")
    return tuple(networks)


def check_origins(option: str, value: object) -> dict[Origin, str]:
    """Refuse what is no origin, and return the origins with their texts."""
    origins: dict[Origin, str] = {}
    for text in _elements(value):
        origin = parse_origin(text) if isinstance(text, str) and text.isascii() else None
        if origin is None or "*" in origin.host:
            problem = f"must be origins such as 'https://app.example.com' or 'app://desk', without a path, not {text!r}"
            raise ConfigurationError(option, problem)
        origins[origin] = str(text)
    if not _is_collection(value):
        raise ConfigurationError(option, f"must be a sequence of origins, not {value!r}")
    return origins


def check_path(option: str, value: object) -> str:
    """Refuse what cannot name a file, and return it as text."""
    path = os.fspath(cast("os.PathLike[str]", value)) if isinstance(value, (str, os.PathLike)) else None
    if not isinstance(path, str) or not path or "\0" in path:
        raise ConfigurationError(option, f"must be a path, not {value!r}")
    return path


def check_challenges(option: str, value: object) -> tuple[str, ...]:
    """Refuse what cannot stand in ``WWW-Authenticate`` beside Negotiate, and return the values."""
    challenges: list[str] = []
    for challenge in _elements(value):
        if not isinstance(challenge, str) or not re.fullmatch(_CHALLENGE, challenge):
            raise ConfigurationError(
                option, f"must be header values such as 'Basic realm=\"intranet\"', not {challenge!r}"
            )
        if re.search(_NEGOTIATE, challenge):
            raise ConfigurationError(option, "Negotiate is offered already: name the other schemes alone")
        challenges.append(challenge)
    if not _is_collection(value):
        raise ConfigurationError(option, f"must be a sequence of header values, not {value!r}")
    return tuple(challenges)


def _elements(value: object) -> tuple[object, ...]:
    """The elements of a collection; none of a string or of what is no collection."""
    return tuple(cast("Iterable[object]", value)) if _is_collection(value) else ()


def _is_collection(value: object) -> bool:
    return isinstance(value, Iterable) and not isinstance(value, (str, bytes))
