"""An application whose ``Kerberos`` has been used, by both doors, before the server forks its workers."""

from __future__ import annotations

import os
import threading
from typing import Any

from flask import Flask, request

from async_kerberos import Accepted, Denied, Reason

from ..support.asking import auth_request
from ..support.initiator import TWO_LEGS, fresh
from .acceptor_main import decide
from .server_main import flask


def preloaded() -> Flask:
    """The application: with a credential, worker threads, and an exchange that waits for its second leg."""
    app, kerberos = flask()
    target = f"HTTP@{os.environ['FAULTS_HOSTNAME']}"
    for door in ("blocking", "asyncio", "trio"):
        assert isinstance(decide(kerberos, auth_request((fresh(target),)), door), Accepted)
    begun = decide(kerberos, auth_request((fresh(target, flags=TWO_LEGS),), ("192.0.2.1", 40_000)), "blocking")
    assert isinstance(begun, Denied)
    assert begun.reason is Reason.CONTINUE
    assert any(thread.name.startswith("async-kerberos-") for thread in threading.enumerate())

    @app.get("/async")
    def by_the_other_door() -> Any:  # pyright: ignore[reportUnusedFunction] (flask calls it)
        outcome = decide(kerberos, auth_request((request.headers["Authorization"],)), "asyncio")
        assert isinstance(outcome, Accepted)
        return f"{outcome.identity} {os.getpid()}", 200, list(outcome.headers)

    return app
