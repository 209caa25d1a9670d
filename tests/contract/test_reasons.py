"""Every reason that the library knows is met on every adapter, by HTTP and by the handshake of a WebSocket."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from http import HTTPStatus
from pathlib import Path

import pytest

from async_kerberos import Reason, WorkerLimits
from async_kerberos.testing import Realm, Service, User

from ..support import HOSTNAME
from ..support.crossing import Crossing
from ..support.deployments import ALL, INTRANET, ONE_SERVER, WEBSOCKETS, Deployment, Running, binding, on
from ..support.forge import break_pac, edit_ticket
from ..support.held import HeldFile
from ..support.http import Fields, Response
from ..support.initiator import KRB5, NTLM, TWO_LEGS, Initiator, fresh, negotiate, reply_token, shift_clock
from ..support.waiting import WITHOUT_CONFIGURATION, free_credentials, wait_until

# A warning of the implementation that uvicorn and websockets are about to remove.
pytestmark = [
    pytest.mark.filterwarnings("ignore:remove second argument of ws_handler:DeprecationWarning"),
    WITHOUT_CONFIGURATION,
]

ONE_SERVER_WITH_WEBSOCKETS = [deployment for deployment in ONE_SERVER if deployment.adapter.websockets]

# What the server's clock may be wrong by, in seconds, where a test waits for a ticket to expire.
CLOCK_SKEW = 1


@dataclass(frozen=True)
class Bench:
    """What makes the requests of a test.

    Attributes:
        deployed: what they are for.
        realm: where the tickets are from.
        user: whose tickets they are.
        www: the service that most are for.
        crossing: gives the realms that somebody else's tickets cross.
        anonymous: a cache with a ticket for the service, of nobody.
        expired: gives a cache with a ticket that has expired, and a time at which it had not.
        folder: an empty one.
        patch: changes the server's environment, for this test.
    """

    deployed: Running
    realm: Realm
    user: User
    www: Service
    crossing: Callable[[], Crossing]
    anonymous: Path
    expired: Callable[[], tuple[Path, float]]
    folder: Path
    patch: pytest.MonkeyPatch


@dataclass(frozen=True)
class Case:
    """A request that is refused.

    Attributes:
        status: that of the answer.
        authorization: makes the value of ``Authorization``, once for each request.
        variant: which of the applications it is for.
        challenges: those of the answer.
        fields: other header fields of the request.
    """

    status: int
    authorization: Callable[[Bench], str | None]
    variant: str = ""
    challenges: Sequence[str] = ()
    fields: Fields = ()


def _none(bench: Bench) -> None:
    return None


def _good(bench: Bench) -> str:
    return fresh()


def _used(bench: Bench) -> str:
    authorization = fresh()
    assert bench.deployed.get("/hello", authorization).status == 200
    return authorization


def _skewed(bench: Bench) -> str:
    fresh()  # so that there is a ticket for the service in the cache
    ccache = Path(shutil.copy(bench.user.ccache, bench.folder / "ccache"))
    shift_clock(ccache, 3600)
    return fresh(ccache=ccache)


def _expired(bench: Bench) -> str:
    original, valid = bench.expired()
    ccache = Path(shutil.copy(original, bench.folder / "ccache"))
    shift_clock(ccache, int(valid - time.time()))  # its user takes the ticket for a good one
    authorization = fresh(ccache=ccache)
    _prepend(bench, f"[libdefaults]\nclockskew = {CLOCK_SKEW}\n")
    return authorization


def _of_no_version(bench: Bench) -> str:
    token = Initiator(mech=KRB5).step()
    # The AP-REQ's pvno and msg-type (RFC 4120, section 5.5.1); the former is 5.
    head, found, rest = token.partition(b"\xa0\x03\x02\x01\x05\xa1\x03\x02\x01\x0e")
    assert found
    return negotiate(head + found.replace(b"\x05", b"\x06") + rest)


def _of_forbidden_type(bench: Bench) -> str:
    bench.patch.undo()
    authorization = fresh("HTTP@camellia.example.test")
    _prepend(bench, "[libdefaults]\npermitted_enctypes = aes256-cts aes128-cts\n")
    return authorization


def _with_a_broken_pac(bench: Bench) -> str:
    return negotiate(edit_ticket(Initiator().step(), bench.www, break_pac))


def _without_configuration(bench: Bench) -> str:
    bench.patch.undo()  # the client reads the same one
    authorization = fresh()
    free_credentials()
    _prepend(bench, "this is no configuration\n[libdefaults]\nneither is this\n")
    return authorization


def _prepend(bench: Bench, text: str) -> None:
    """Have the server's configuration begin with this."""
    file = bench.folder / "krb5.conf"
    file.write_text(text)
    bench.patch.setenv("KRB5_CONFIG", f"{file}:{bench.realm.env['KRB5_CONFIG']}")


def _bound_to_another(bench: Bench) -> str:
    return fresh(bindings=b"tls-server-end-point:" + bytes(32))


def _without_replay_cache(bench: Bench) -> str:
    authorization = fresh()
    bench.patch.setenv("KRB5RCACHEDIR", "/no/such/folder")
    return authorization


CASES: dict[Reason, list[Case]] = {
    Reason.NO_CREDENTIALS: [
        Case(401, _none, challenges=["Negotiate"]),
        Case(401, lambda _: "Basic YWxpY2U6c2VjcmV0", challenges=["Negotiate"]),
    ],
    Reason.NOT_ASKED: [
        Case(403, _none, "not-asked"),
        Case(403, lambda _: "Basic YWxpY2U6c2VjcmV0", "not-asked-retry"),
        Case(401, _none, "not-asked-intranet", challenges=[INTRANET]),
    ],
    Reason.CONTINUE: [Case(401, lambda _: fresh(flags=TWO_LEGS))],
    Reason.MALFORMED_HEADER: [Case(400, lambda _: "Negotiate")],
    Reason.MALFORMED: [
        Case(403, lambda _: negotiate(b"garbage")),
        Case(403, lambda _: negotiate(b"\x60garbage")),
    ],
    Reason.TOO_LARGE: [Case(431, _good, "tiny")],
    Reason.WRONG_MECHANISM: [
        Case(403, lambda _: negotiate(NTLM)),
        Case(403, lambda _: fresh(mech=KRB5), "spnego-only"),
    ],
    Reason.REPLAY: [Case(403, _used)],
    Reason.CLOCK_SKEW: [Case(403, _skewed)],
    Reason.EXPIRED: [Case(403, _expired)],
    Reason.WRONG_SERVICE: [
        Case(403, lambda _: fresh("cifs@www.example.test")),
        Case(403, lambda _: fresh("cifs@www.example.test"), "any-host"),
    ],
    Reason.KEY_VERSION: [Case(403, lambda _: fresh("HTTP@stale.example.test"), "stale")],
    Reason.UNKNOWN_KEY: [Case(403, lambda _: fresh("HTTP@wrongkey.example.test"), "wrong-key")],
    Reason.KEY_TYPE: [Case(403, lambda _: fresh("HTTP@notype.example.test"), "no-type")],
    Reason.FORBIDDEN_ENCRYPTION: [Case(403, _of_forbidden_type, "forbidden-type")],
    Reason.TRANSIT: [Case(403, lambda bench: bench.crossing().fresh(), "crossing")],
    Reason.BAD_PAC: [Case(403, _with_a_broken_pac)],
    Reason.BAD_BINDINGS: [
        Case(403, _good, "bound"),
        Case(403, _bound_to_another, "bound"),
        Case(403, _bound_to_another, "may-be-bound"),
    ],
    Reason.NOT_TLS: [Case(403, _good, "tls"), Case(403, _none, "tls"), Case(403, lambda _: "Negotiate", "tls-proxy")],
    Reason.NOT_AUTHORISED: [Case(403, lambda bench: fresh(ccache=bench.anonymous))],
    Reason.HALF_OPEN_LOST: [Case(403, lambda _: negotiate(b"\xa1\x07\x30\x05\xa0\x03\x0a\x01\x00"))],
    Reason.MISCONFIGURED: [
        Case(500, _good, "no-keytab"),
        Case(500, lambda _: fresh("HTTP@nokey.example.test"), "no-principal"),
    ],
    Reason.SERVER_FAULT: [Case(500, _without_replay_cache)],
    Reason.KRB5_CONF: [Case(500, _without_configuration)],
    Reason.OTHER: [Case(403, _of_no_version)],
    Reason.APPLICATION_FAULT: [Case(500, _good, "no-username"), Case(500, _none, "not-told")],
}

REPLIES = {Reason.NOT_AUTHORISED, Reason.APPLICATION_FAULT}
"""With these, the ticket was good: the answer has the reply, which proves the server."""

BUSY = {Reason.OVERLOADED, Reason.TIMED_OUT, Reason.DNS}
"""By HTTP, see test_faults.test_workers_hang; DNS has to be another for a whole process, see tests/faults/test_dns.py.
A thread that may wait takes its own step, and meets none of them."""


@pytest.fixture(scope="session")
def anonymous(realm: Realm, services: None) -> Path:
    """A cache with a ticket for the service, of the realm's own anonymous principal (RFC 8062, section 3).

    A client gets none by a password; a service gets one to itself on anybody's behalf (S4U2Self, [MS-SFU]).
    """
    principal, service = f"WELLKNOWN/ANONYMOUS@{realm.name}", f"HTTP/{HOSTNAME}"
    realm.kadmin("addprinc", "-randkey", principal)
    own, ccache = (realm.folder / f"{name}.ccache" for name in ("www-itself", "anonymous"))
    commands: list[list[str | Path]] = [
        ["kinit", "-k", "-t", realm.keytab, "-c", own, service],
        ["kvno", "-q", "-c", own, "-I", principal, "--out-cache", ccache, service],
    ]
    for command in commands:
        subprocess.run(command, env={**os.environ, **realm.env}, check=True, stdin=subprocess.DEVNULL)
    return ccache


@pytest.fixture(scope="session")
def expired(realm: Realm, services: None) -> Callable[[], tuple[Path, float]]:
    """Gives a cache with a ticket that has expired, and when it was valid; the first call waits for the end."""
    made: list[tuple[Path, float]] = []

    def take() -> tuple[Path, float]:
        if not made:
            user = realm.user("user-of-an-expired-ticket", ticket=False)
            lifetime = 6  # seconds: a ticket for the service has to be had meanwhile
            begun = time.time()
            user.kinit(lifetime=timedelta(seconds=lifetime))
            fresh(ccache=user.ccache)  # so that there is a ticket for the service in the cache
            over = time.time() + lifetime + CLOCK_SKEW + 1  # tickets are dated in whole seconds
            wait_until(lambda: time.time() > over, "the ticket's time is over")
            made.append((user.ccache, begun))
        return made[0]

    return take


@pytest.fixture(scope="session")
def crossing(realm: Realm, services: None) -> Generator[Callable[[], Crossing], None, None]:
    """Gives the realms of a crossing, its service in the realm's keytab; the first call starts them."""
    made: list[Crossing] = []
    with contextlib.ExitStack() as stack:

        def take() -> Crossing:
            if not made:
                made.append(stack.enter_context(Crossing(realm.keytab)))
            return made[0]

        yield take


@pytest.fixture
def bench(
    deployed: Running,
    realm: Realm,
    signed_in: User,
    www: Service,
    crossing: Callable[[], Crossing],
    anonymous: Path,
    expired: Callable[[], tuple[Path, float]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Bench:
    """What makes the requests of a test."""
    return Bench(deployed, realm, signed_in, www, crossing, anonymous, expired, tmp_path, monkeypatch)


ELSEWHERE = BUSY | {Reason.CROSS_SITE}
"""A safe method is never another site's doing: see test_cross_site."""


def test_closed_list() -> None:
    """There is no reason but those that are met, and each is met by one of the tests."""
    assert CASES.keys() | ELSEWHERE == set(Reason)
    assert not CASES.keys() & ELSEWHERE


def _met(reason: Reason, *, connection: bool) -> tuple[Reason, list[Case]]:
    """The reason that these cases are refused for: where the connection is not known, there is no second leg."""
    if reason is Reason.CONTINUE and not connection:
        return Reason.HALF_OPEN_LOST, [replace(case, status=403) for case in CASES[reason]]
    return reason, CASES[reason]


def _check(response: Response, case: Case, reason: Reason, caplog: pytest.LogCaptureFixture) -> None:
    """Make sure that the answer is the case's, and that this reason was decided upon, and nothing else."""
    assert response.status == case.status
    if reason is Reason.CONTINUE or (reason in REPLIES and case.authorization is not _none):
        assert reply_token(response.challenges)
    else:
        assert response.challenges == list(case.challenges)
    # A middleware logs its set-up with its first request.
    (decision,) = [text for text in caplog.messages if re.match(r"Kerberos: \d+ for ", text)]
    assert decision.startswith(f"Kerberos: {case.status} for 127.0.0.1: {reason.value}")
    assert decision.endswith(f". {reason.remedy}")


@on(ONE_SERVER)
@pytest.mark.parametrize("reason", CASES, ids=lambda reason: reason.name)
def test_http(bench: Bench, reason: Reason, caplog: pytest.LogCaptureFixture) -> None:
    """A request is refused for the reason, whatever its method: no view runs, and the next request is served."""
    caplog.set_level("DEBUG", "async_kerberos")
    met, cases = _met(reason, connection=bench.deployed.adapter.two_legs)
    for case in cases:
        for method in ("GET", "HEAD", "OPTIONS"):
            authorization = case.authorization(bench)
            caplog.clear()
            response = bench.deployed.get(
                "/hello", authorization, variant=case.variant, method=method, fields=case.fields, new_port=True
            )
            _check(response, case, met, caplog)
            # Of a view, it would have the principal.
            assert response.message == ("" if method == "HEAD" else HTTPStatus(case.status).phrase)
    bench.patch.undo()
    assert bench.deployed.get("/hello", fresh()).text == bench.user.principal


@on(ONE_SERVER_WITH_WEBSOCKETS)
@pytest.mark.parametrize("reason", CASES, ids=lambda reason: reason.name)
def test_websocket(bench: Bench, reason: Reason, caplog: pytest.LogCaptureFixture) -> None:
    """A handshake is refused for the reason: no view runs, and the next one is accepted."""
    caplog.set_level("DEBUG", "async_kerberos")
    met, cases = _met(reason, connection=False)
    for case in cases:
        authorization = case.authorization(bench)
        caplog.clear()
        with bench.deployed.websocket("/ws", authorization, variant=case.variant, fields=case.fields) as client:
            _check(client.response, case, met, caplog)
            assert client.response.message == HTTPStatus(case.status).phrase
    bench.patch.undo()
    with bench.deployed.websocket("/ws", fresh()) as client:
        assert client.receive_text() == bench.user.principal


@pytest.mark.parametrize("deployment", ONE_SERVER_WITH_WEBSOCKETS, ids=str)
@pytest.mark.usefixtures("services")
def test_busy(deployment: Deployment, signed_in: User, replay_cache: Path, caplog: pytest.LogCaptureFixture) -> None:
    """While the workers hang, handshakes are answered 503: at once where the queue is full, else at the deadline."""
    limits = WorkerLimits(threads=1, queue=1, seconds=4.0)
    responses: list[Response] = []
    with deployment.run_one({"hostname": HOSTNAME, "workers": limits}) as running:

        def ask(authorization: str) -> None:
            with running.websocket("/ws", authorization) as client:
                responses.append(client.response)

        asking = [threading.Thread(target=ask, args=[fresh()]) for _ in range(3)]
        with HeldFile(replay_cache) as held:
            asking[0].start()
            held.wait_for_accepts()
            for thread in asking[1:]:
                thread.start()
            for thread in asking:
                thread.join()
        assert [response.status for response in responses] == [503] * 3
        for response in responses:
            assert (response.challenges, response.values("retry-after")) == ([], ["1"])
            assert response.message == "Service Unavailable"
        log = running.logged(caplog)
        assert log.count(Reason.OVERLOADED.value) == 1
        assert log.count(Reason.TIMED_OUT.value) == 2
        with running.websocket("/ws", fresh()) as client:
            assert client.receive_text() == signed_in.principal


def _answer(
    running: Running, authorization: str | None, *, websocket: bool, variant: str, fields: Fields = ()
) -> tuple[int, list[str], str]:
    """Status, challenges and text of the answer to a request, or to a handshake."""
    if not websocket:
        response = running.get("/hello", authorization, variant=variant, fields=fields)
        return response.status, response.challenges, response.message
    with running.websocket("/ws", authorization, variant=variant, fields=fields) as client:
        response = client.response
        text = client.receive_text() if response.status == 101 else response.message
        return response.status, response.challenges, text


@on(ONE_SERVER)
def test_options_let_in(deployed: Running, realm: Realm, user: str) -> None:
    """The options that refuse one client let in the other: channel bindings that are right, and tokens of SPNEGO."""
    bindings = binding(realm.folder)
    for variant, bound in [
        ("bound", bindings),
        ("may-be-bound", bindings),
        ("may-be-bound", None),
        ("spnego-only", None),
    ]:
        for websocket in (False, True) if deployed.adapter.websockets else (False,):
            status, challenges, text = _answer(deployed, fresh(bindings=bound), websocket=websocket, variant=variant)
            assert (status, len(challenges), text) == (101 if websocket else 200, 1, user)


HTTPS, HTTP = ("X-Forwarded-Proto", "https"), ("X-Forwarded-Proto", "http")

PROXIED: list[tuple[str, list[tuple[str, str]], bool | None]] = [
    ("tls-proxy", [], False),
    ("tls-proxy", [HTTPS], True),
    ("tls-proxy", [HTTP], False),
    ("tls-proxy", [HTTPS, ("X-Forwarded-For", "192.0.2.7")], True),
    ("tls-proxy", [HTTPS, ("X-Forwarded-For", "127.0.0.1")], None),
    ("tls", [HTTPS], None),
]
"""Whether a request counts as one that came over TLS; None where it does not, unless the server says so itself."""


def _says_so_itself(deployment: Deployment) -> bool:
    """Whether the server takes the scheme from a proxy on this host: uvicorn and gunicorn do, unless told not to."""
    return deployment.server.startswith(("uvicorn", "gunicorn"))


@on(list(dict.fromkeys([*ALL, *WEBSOCKETS])))
def test_proxied(deployed: Running, user: str) -> None:
    """With require_tls, what a proxy says counts where the operator or the server trusts it; else nobody is let in."""
    deployment = deployed.deployment
    itself = _says_so_itself(deployment)
    # Nobody is known for a proxy where the port is not known: it is what a bridge from ASGI to WSGI does not pass on.
    knows = deployment.adapter.two_legs
    for variant, fields, told in PROXIED:
        secure = itself if told is None else told and (itself or knows)
        for websocket in (False, True) if deployment in WEBSOCKETS else (False,):
            answer = _answer(deployed, fresh(), websocket=websocket, variant=variant, fields=fields)
            if secure:
                assert (answer[0], answer[2]) == (101 if websocket else 200, user), (fields, answer)
            else:
                assert answer == (403, [], "Forbidden"), (fields, answer)
            answer = _answer(deployed, None, websocket=websocket, variant=variant, fields=fields)
            assert answer[:2] == ((401, ["Negotiate"]) if secure else (403, [])), (fields, answer)
