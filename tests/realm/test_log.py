"""Lines that nobody wants to read are not made."""

from __future__ import annotations

import logging

import pytest

from async_kerberos import Accepted, Denied, Kerberos

from ..support import HOSTNAME
from ..support.asking import auth_request
from ..support.initiator import fresh


@pytest.mark.usefixtures("signed_in")
def test_nothing_is_formatted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Below the level of the logger, nothing is put together for a request that is accepted, asked or refused."""

    def fail(*arguments: object) -> str:
        raise AssertionError(arguments)

    def never(*arguments: object) -> bool:
        return False

    monkeypatch.setattr(logging.Logger, "isEnabledFor", never)
    monkeypatch.setattr("async_kerberos.telemetry.log.one_line", fail)
    kerberos = Kerberos(hostname=HOSTNAME)
    peer = ("192.0.2.1", 50000)
    assert isinstance(kerberos.authenticate_blocking(auth_request((fresh(f"HTTP@{HOSTNAME}"),), peer)), Accepted)
    for values, status in (((), 401), (("Negotiate !",), 400)):
        outcome = kerberos.authenticate_blocking(auth_request(values, peer))
        assert isinstance(outcome, Denied)
        assert outcome.status == status
