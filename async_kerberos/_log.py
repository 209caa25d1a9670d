"""The package's logger. ``logging`` is imported with the first line there is to say: to import it takes long."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import logging

# The levels of ``logging``.
DEBUG, WARNING, ERROR = 10, 30, 40


@functools.cache
def logger() -> logging.Logger:
    """The logger ``async_kerberos``."""
    import logging

    return logging.getLogger("async_kerberos")
