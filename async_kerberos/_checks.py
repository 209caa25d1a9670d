"""Checks of options, made where the option is given."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable
from typing import cast

from .errors import ConfigurationError


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


def check_path(option: str, value: object) -> str:
    """Refuse what cannot name a file, and return it as text."""
    path = os.fspath(cast("os.PathLike[str]", value)) if isinstance(value, (str, os.PathLike)) else None
    if not isinstance(path, str) or not path or "\0" in path:
        raise ConfigurationError(option, f"must be a path, not {value!r}")
    return path


def elements(option: str, value: object, what: str) -> tuple[object, ...]:
    """Refuse what is no collection, as a lone string is none, and return what is in it."""
    if not isinstance(value, Iterable) or isinstance(value, (str, bytes)):
        raise ConfigurationError(option, f"must be a sequence of {what}, not {value!r}")
    return tuple(cast("Iterable[object]", value))
