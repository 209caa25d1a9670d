"""What the tests of faults share: requests that go on meanwhile, a server apart."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, cast

import pytest

from async_kerberos import Denied, Kerberos, Reason
from async_kerberos.testing import Realm, Service, User

from ..support import ROOT
from ..support.asking import auth_request
from ..support.held import replay_cache as replay_cache
from ..support.http import SECONDS
from ..support.initiator import fresh
from ..support.keytabs import keytab_option
from ..support.waiting import wait_until
from .acceptor_main import decide

DOORS = ("blocking", "asyncio", "trio")

# Any but root's; nobody has to have it.
UNPRIVILEGED = 65_534

_numbers = itertools.count(1)

THIS_HOST = "this host's"
"""In place of a host name: none is configured."""

Answer = Reason | None
"""Why a request was refused; None if it was not."""


@pytest.fixture
def service(realm: Realm, tmp_path: Path) -> Service:
    """A service for this test alone, in its own keytab."""
    name = f"HTTP/n{next(_numbers)}-{os.getpid()}.faults.test"
    return realm.service(name, keytab=tmp_path / "keytab")


@pytest.fixture(scope="session")
def users(realm: Realm) -> tuple[User, User]:
    """Two users: one may have tickets for old keys, and the other for new ones."""
    return realm.user("faults-early"), realm.user("faults-late")


@pytest.fixture
def make_kerberos() -> Generator[Callable[..., Kerberos], None, None]:
    """Make ``Kerberos`` objects whose threads end with the test."""
    made: list[Kerberos] = []

    def make(**options: Any) -> Kerberos:
        made.append(Kerberos(**options))
        return made[-1]

    yield make
    for kerberos in made:
        kerberos.close()


def host_of(service: Service) -> str:
    """The host name in the service's principal."""
    return service.principal.partition("@")[0].partition("/")[2]


def target_of(service: Service) -> str:
    """The service as clients name it."""
    return f"HTTP@{host_of(service)}"


def ask(kerberos: Kerberos, authorization: str, door: str = "blocking") -> Answer:
    """What comes of one request."""
    outcome = decide(kerberos, auth_request((authorization,)), door)
    return outcome.reason if isinstance(outcome, Denied) else None


class Traffic:
    """Requests that go on while something changes: for each user one after the other by each door, all at once.

    Args:
        kerberos: who decides on them.
        service: the service.
        ccaches: the users' ticket caches, by a name for the user.
    """

    def __init__(self, kerberos: Kerberos, service: Service, ccaches: Mapping[str, Path]) -> None:
        self._kerberos = kerberos
        self._target = target_of(service)
        self._over = threading.Event()
        self._failures: list[BaseException] = []
        self._answers: dict[tuple[str, str], list[Answer]] = {(user, door): [] for user in ccaches for door in DOORS}
        self._threads = [
            threading.Thread(target=self._go_on, args=[ccaches[user], door, answers])
            for (user, door), answers in self._answers.items()
        ]

    def __enter__(self) -> Traffic:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _go_on(self, ccache: Path, door: str, answers: list[Answer]) -> None:
        try:
            while not self._over.is_set():
                answers.append(ask(self._kerberos, fresh(self._target, ccache=ccache), door))
        except BaseException as error:
            self._failures.append(error)

    def settled(self) -> dict[str, Answer]:
        """What each user gets now: the same at every door, several times over."""
        # The first answer from now on may be to a request of before.
        marks = {client: len(answers) + 1 for client, answers in self._answers.items()}

        def served() -> bool:
            assert not self._failures, self._failures
            return all(len(answers) >= marks[client] + 3 for client, answers in self._answers.items())

        wait_until(served, "requests are answered at every door")
        settled: dict[str, Answer] = {}
        for (user, door), answers in self._answers.items():
            now = set(answers[marks[user, door] :])
            assert len(now) == 1, f"{user} gets {now} at the door {door}"
            settled.setdefault(user, *now)
            assert now == {settled[user]}, f"{user} gets {now} at the door {door}, and {settled[user]} at others"
        return settled

    def become(self, expected: dict[str, Answer]) -> None:
        """Return when each user gets this at every door: what the keytab says counts a second later at the latest."""

        def served() -> bool:
            assert not self._failures, self._failures
            return all(answers and answers[-1] is expected[user] for (user, _), answers in self._answers.items())

        wait_until(served, f"the answers are {expected}")
        assert self.settled() == expected

    def history(self, *, but: Answer = None) -> dict[str, set[tuple[Answer, ...]]]:
        """What each user got, door by door, as the answers followed upon each other.

        Args:
            but: a reason to leave out.
        """
        histories: dict[str, set[tuple[Answer, ...]]] = {}
        for (user, _), answers in self._answers.items():
            kept = [answer for answer in answers if but is None or answer is not but]
            histories.setdefault(user, set()).add(tuple(answer for answer, _ in itertools.groupby(kept)))
        return histories


@dataclass(frozen=True)
class Reply:
    """What a server apart has answered.

    Attributes:
        reason: the name of the reason; None if the request was let through.
        status: the status.
        headers: the headers, but those of every plain answer.
        log: what it logged.
    """

    reason: str | None
    status: int
    headers: list[tuple[str, str]]
    log: str


class Apart:
    """A server without HTTP in a separate process; see ``acceptor_main``.

    Args:
        service: the service.
        hostname: the host name, or several, if it is not the service's; or ``THIS_HOST``.
        keytab: the keytab, if it is not the service's.
        uid: whose rights it goes down to, if this process has root's.
        seconds: how long a request may wait for a worker.
        env: variables for the process, added to this one's.
        within: a command to run it by.
    """

    def __init__(
        self,
        service: Service,
        *,
        hostname: str | list[str] | None = None,
        keytab: Path | str | None = None,
        uid: int | None = None,
        seconds: float = SECONDS,
        env: Mapping[str, str] | None = None,
        within: Sequence[str] = (),
    ) -> None:
        options = {
            "hostname": None if hostname is THIS_HOST else hostname or host_of(service),
            "keytab": str(keytab or keytab_option(service.keytab)),
            "uid": uid,
            "seconds": seconds,
        }
        self._process = subprocess.Popen(
            [*within, sys.executable, "-W", "error", "-m", "tests.faults.acceptor_main", json.dumps(options)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            env={**os.environ, **(env or {})},
            text=True,
            bufsize=1,
        )
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def __enter__(self) -> Apart:
        try:
            assert self._lines.get(timeout=SECONDS) == "ready\n", "the server apart does not start"
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._end()

    @property
    def pid(self) -> int:
        """The process."""
        return self._process.pid

    def begin(self, authorization: str, door: str = "blocking", peer: tuple[str, int] | None = None) -> None:
        """Make a request."""
        line = json.dumps({"authorization": authorization, "door": door, "peer": peer})
        cast("IO[str]", self._process.stdin).write(line + "\n")

    def finish(self) -> Reply:
        """The answer to it."""
        try:
            line = self._lines.get(timeout=SECONDS)
        except queue.Empty:
            raise AssertionError("the server apart hangs") from None
        assert line, "the server apart has ended"
        return Reply(**json.loads(line))

    def ask(self, authorization: str, door: str = "blocking", peer: tuple[str, int] | None = None) -> Reply:
        """Make a request and return the answer to it."""
        self.begin(authorization, door, peer)
        return self.finish()

    def _read(self) -> None:
        for line in cast("IO[str]", self._process.stdout):
            self._lines.put(line)
        self._lines.put("")

    def _end(self) -> None:
        with contextlib.suppress(BrokenPipeError):
            cast("IO[str]", self._process.stdin).close()
        try:
            self._process.wait(SECONDS)
        finally:
            self._process.kill()
            self._process.wait()
            self._reader.join()
            cast("IO[str]", self._process.stdout).close()


@pytest.fixture
def open_folder(realm: Realm, monkeypatch: pytest.MonkeyPatch) -> Generator[Path, None, None]:
    """A folder that every user can look into, with the realm's configuration in it.

    For children of this process, the configuration there is the one in use.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        configuration = folder / "krb5.conf"
        shutil.copy(os.environ["KRB5_CONFIG"], configuration)
        configuration.chmod(0o644)
        monkeypatch.setenv("KRB5_CONFIG", str(configuration))
        yield folder


def someone_else() -> int | None:
    """A user without root's rights to go down to; None where the tests have no such rights themselves."""
    return UNPRIVILEGED if os.geteuid() == 0 else None


def readable_copy(service: Service, folder: Path) -> Path:
    """A copy of the service's keytab in this folder, which every user may read."""
    keytab = folder / "keytab"
    keytab.write_bytes(service.keytab.read_bytes())
    keytab.chmod(0o644)
    return keytab
