"""What ``requires_authentication`` is on every adapter: an object that makes others of its kind."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from async_kerberos import Guard, Kerberos
from async_kerberos import kerberos as kerberos_module
from async_kerberos._web.nearest import Protection
from async_kerberos.adapters import fastapi, flask, quart, starlette

ADMIN = Kerberos(hostname="admin.example.test")
OTHER = Kerberos(hostname="other.example.test")


@pytest.mark.parametrize(
    ("adapter", "name"), [(flask, "flask"), (quart, "quart"), (starlette, "starlette"), (fastapi, "starlette")]
)
def test_options_upon_options(adapter: Any, name: str) -> None:
    """What is given to one that has options replaces those, and no others."""
    strict = adapter.requires_authentication(kerberos=ADMIN)
    lax = adapter.requires_authentication(cross_site="allow")

    def protection(decorator: Any) -> Protection:
        found: Protection = decorator._protection
        return found

    allowing, usual = Guard(cross_site="allow", adapter=name), Guard(adapter=name)
    assert protection(strict(cross_site="allow")) == protection(lax(kerberos=ADMIN)) == Protection(ADMIN, allowing)
    assert protection(strict()) == Protection(ADMIN, usual)
    assert protection(strict(kerberos=OTHER)) == Protection(OTHER, usual)
    assert protection(adapter.requires_authentication) == Protection(None, usual)


def test_one_default() -> None:
    """However many threads ask at once for the default service, they get one object."""
    default: dict[str, Kerberos] = getattr(kerberos_module, "_default")  # noqa: B009 - a private look
    before = dict(default)
    default.clear()
    start = threading.Barrier(8)
    found: list[Kerberos] = []

    def ask() -> None:
        start.wait()
        found.append(kerberos_module.default_kerberos())

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(map(id, found))) == 1
    default.clear()
    default.update(before)
