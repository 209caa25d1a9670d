"""The server's own faults: what is wrong with it goes into the log, and nothing of it to the client."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from async_kerberos import WorkerLimits

from ..support import HOSTNAME
from ..support.deployments import ADAPTERS, ALL, DEFAULT_VARIANT, ONE_SERVER, Deployment, Running, on
from ..support.held import HeldFile
from ..support.http import Response
from ..support.initiator import Initiator, fresh, reply_token

ASYNC_DOOR = [
    Deployment(adapter, server)
    for adapter in ADAPTERS.values()
    if adapter.name not in ("flask-sync", "flask-async", "flask-in-asgi", "quart-sync", "quart-trio-sync")
    for server in adapter.servers
    if server in ("uvicorn-h11", "hypercorn-trio")
]


@on(ALL)
@pytest.mark.parametrize(
    ("variant", "target", "cause"),
    [
        ("no-keytab", "HTTP@www.example.test", "no-such-keytab"),
        ("no-principal", "HTTP@nokey.example.test", "nokey.example.test"),
    ],
    ids=["no-keytab", "no-principal"],
)
def test_misconfigured(
    deployed: Running, user: str, variant: str, target: str, cause: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Without a keytab, or without the principal in it: 500, a body that says nothing, and the cause in the log."""
    caplog.clear()
    response = deployed.get("/hello", fresh(target), variant=variant)
    assert (response.status, response.challenges) == (500, [])
    assert response.message == "Internal Server Error"
    log = deployed.logged(caplog)
    assert "server misconfigured" in log
    assert cause in log
    # A request without a token is still challenged: nothing has to be acquired for that.
    assert deployed.get("/hello", variant=variant).status == 401


@on(ONE_SERVER)
def test_replay_cache_unwritable(
    deployed: Running, user: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Where the replay cache cannot be written to, nobody is let in: 500, and the cause in the log."""
    authorization = fresh()
    monkeypatch.setenv("KRB5RCACHEDIR", "/no/such/folder")
    response = deployed.get("/hello", authorization)
    assert (response.status, response.challenges) == (500, [])
    assert response.message == "Internal Server Error"
    log = deployed.logged(caplog)
    assert "server fault" in log
    assert "/no/such/folder" in log
    monkeypatch.undo()
    assert deployed.get("/hello", fresh()).status == 200


@pytest.mark.parametrize("deployment", ONE_SERVER, ids=str)
def test_replay_cache_full(
    deployment: Deployment, user: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Where the replay cache's disk is full, nobody is let in: 500, and the cause in the log."""
    # A credential remembers the cache that it was acquired with.
    monkeypatch.setenv("KRB5RCACHENAME", "file2:/dev/full")
    with deployment.run_one({"hostname": HOSTNAME}) as running:
        response = running.get("/hello", fresh())
        assert (response.status, response.challenges) == (500, [])
        assert response.message == "Internal Server Error"
        assert "server fault (No space left on device)" in running.logged(caplog)


@on(ONE_SERVER)
def test_defaults(deployed: Running, this_host: str, user: str) -> None:
    """An application that configures nothing serves HTTP on this host's name, with the environment's keytab."""
    initiator = Initiator(f"HTTP@{this_host}")
    # FastAPI's dependency can add the reply to what FastAPI encodes, and to nothing else.
    response = deployed.get("/who", initiator.header, variant=DEFAULT_VARIANT)
    assert response.status == 200
    assert user in response.text
    initiator.verify(reply_token(response.challenges))
    assert deployed.get("/hello", fresh(), variant=DEFAULT_VARIANT).status == 403


@pytest.mark.parametrize("deployment", ASYNC_DOOR, ids=str)
def test_workers_hang(
    deployment: Deployment,
    user: str,
    replay_cache: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """When a worker hangs, requests are answered 503 at the deadline, or at once where the queue is full.

    The loop goes on meanwhile, and the service recovers.
    """
    options = {"hostname": HOSTNAME, "workers": WorkerLimits(threads=1, queue=1, seconds=4.0)}
    tokens = [fresh() for _ in range(4)]
    responses: list[Response] = []
    with deployment.run_one(options) as running:

        def ask(authorization: str) -> None:
            responses.append(running.get("/hello", authorization))

        asking = [threading.Thread(target=ask, args=[token]) for token in tokens[:3]]
        with HeldFile(replay_cache) as held:
            asking[0].start()
            held.wait_for_accepts()
            for thread in asking[1:]:
                thread.start()
            assert running.get("/hello").status == 401
            for thread in asking:
                thread.join()
        assert len(responses) == 3
        for response in responses:
            assert (response.status, response.challenges) == (503, [])
            assert response.message == "Service Unavailable"
            assert response.values("retry-after") == ["1"]
        log = running.logged(caplog)
        assert log.count("overloaded") == 1
        assert log.count("timed out") == 2
        assert running.get("/hello", tokens[3]).text == user
