"""What guards note of the places that they guard: ``async-kerberos routes`` reads it.

The note is tied to the very object: decorators that use ``functools.wraps`` copy attributes to what they put around it,
which may never call it.
"""

from __future__ import annotations

import weakref
from typing import Any

from .nearest import Protection

_marked: weakref.WeakKeyDictionary[object, Protection] = weakref.WeakKeyDictionary()


def leave_mark(place: Any, protection: Protection) -> Any:
    """Note that a view, an endpoint or a dependency is guarded, and return it."""
    _marked[place] = protection
    return place


def mark_of(place: object) -> Protection | None:
    """What this very object demands; None of one that no guard has made."""
    try:
        return _marked.get(place)
    except TypeError:  # it cannot be a key
        return None
