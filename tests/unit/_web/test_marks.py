"""Marks of guards."""

from __future__ import annotations

import functools
import gc
import weakref

from async_kerberos import Kerberos
from async_kerberos._web.marks import leave_mark, mark_of
from async_kerberos._web.nearest import Protection


def view() -> None:
    """A view."""


def test_tied_to_the_object() -> None:
    """A wrapper that has all of a guarded view's attributes has no mark, and neither has what cannot have one."""
    protection = Protection(Kerberos(hostname="www.example.test"))

    def guarded() -> None: ...

    @functools.wraps(guarded)
    def around() -> None: ...

    assert leave_mark(guarded, protection) is guarded
    assert mark_of(guarded) is protection
    others: list[object] = [around, view, None, 7, []]
    assert [mark_of(place) for place in others] == [None] * 5


def test_keeps_nothing() -> None:
    """A mark does not keep the view."""

    def guarded() -> None: ...

    reference = weakref.ref(leave_mark(guarded, Protection()))
    del guarded
    gc.collect()
    assert reference() is None
