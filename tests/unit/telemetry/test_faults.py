"""Faults of the application's own functions fill no log."""

from __future__ import annotations

import itertools
from typing import Any

from async_kerberos import AuthRequest, Kerberos, Pages
from async_kerberos._web import nearest
from async_kerberos.telemetry import log
from async_kerberos.telemetry.faults import Faults

from ...support.asking import auth_request, denied
from .conftest import Clock, Written


def test_page_that_fails(written: Written, clock: Clock, monkeypatch: Any) -> None:
    """However often strangers have a page made that cannot be made, each kind of error is logged once a minute."""
    monkeypatch.setattr(log, "_page_faults", Faults(clock))
    errors = itertools.cycle([LookupError, ValueError])

    def broken(request: AuthRequest) -> str:
        raise next(errors)

    kerberos = Kerberos(pages=Pages(challenge=broken))

    def ask() -> None:
        for _ in range(1000):
            assert denied(kerberos.authenticate_blocking(auth_request())).status == 401

    ask()
    assert written.lines == ["Kerberos: pages.challenge failed; the built-in body of the 401 was sent"] * 2
    clock.now += 60
    ask()
    assert len(written.lines) == 4


def test_second_service(written: Written, clock: Clock, monkeypatch: Any) -> None:
    """A middleware that stands in the wrong place answers each request so, and the log says it once a minute."""
    monkeypatch.setattr(nearest, "_second_services", Faults(clock))
    configured, other = Kerberos(hostname="www.example.test"), Kerberos()
    for _ in range(100):
        assert nearest.refuse_second_service(configured, other).status == 500
    (line,) = written.lines
    assert line.startswith("Kerberos: 500 for a request that a KerberosMiddleware let in by other settings")
    clock.now += 60
    nearest.refuse_second_service(configured, other)
    assert len(written.lines) == 2
