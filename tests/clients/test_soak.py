"""Many users at once, on many connections."""

from __future__ import annotations

import itertools
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from async_kerberos.testing import Realm, User

from ..support.deployments import Deployment, Running, chosen
from ..support.guards import ThreadGuard
from ..support.http import SECONDS
from ..support.initiator import Initiator, reply_token
from ..support.servers import Gunicorn
from .counted import THREADS

REQUESTS = 2_000
USERS = 8
CONNECTIONS = 32
# On each connection: enough for every thread that the server and the workers keep to have started.
WARM_UP = 4

DEPLOYMENTS = chosen(
    {
        "flask-sync": "gunicorn",
        "quart-async": "uvicorn-httptools",
        "starlette-async": "uvicorn-httptools",
        "fastapi-async": "uvicorn-httptools",
        "asgi": "uvicorn-httptools",
    }
)


CountThreads = Callable[[], int]


@pytest.fixture(params=DEPLOYMENTS, ids=str)
def served(
    request: pytest.FixtureRequest, realm: Realm, www: object, thread_guard: ThreadGuard
) -> Generator[tuple[Running, CountThreads], None, None]:
    """A deployment, and what counts the threads of its process."""
    deployment: Deployment = request.param
    if deployment.in_process:
        with deployment.run(realm.folder, thread_guard) as running:
            yield running, threading.active_count
        return
    env = {"CONTRACT_FOLDER": str(realm.folder), "CONTRACT_ADAPTER": deployment.adapter.name}
    with Gunicorn("tests.clients.counted:application", realm.folder, env=env) as server:
        running = Running(deployment, server.address)

        def count() -> int:
            with ThreadPoolExecutor(THREADS) as askers:
                answers = list(askers.map(running.get, ["/threads"] * THREADS))
            return max(int(answer.text) for answer in answers)

        yield running, count


@pytest.fixture(scope="session")
def users(realm: Realm, www: object) -> list[User]:
    """Eight users, each with a ticket."""
    return [realm.user(f"soaked-{number}") for number in range(USERS)]


@dataclass(frozen=True)
class Request:
    """A request whose token is made.

    Attributes:
        user: the principal of the user who makes it.
        initiator: the user's side of it, which waits for the server's proof.
        authorization: its field.
    """

    user: str
    initiator: Initiator
    authorization: str


def prepare(users: Iterator[User], count: int) -> deque[Request]:
    """Requests each with its own token, of one user after the other."""
    requests: deque[Request] = deque()
    for user in itertools.islice(users, count):
        initiator = Initiator(ccache=user.ccache)
        requests.append(Request(user.principal, initiator, initiator.header))
    return requests


class Soak:
    """Connections that are all open at once, and share out the requests between them.

    Attributes:
        wrong: what was answered otherwise than by 200, the user's own name and the server's proof for that user.
        answered: how many requests were answered.
        threads: how many threads the server's process had, with all connections open: after the warm-up and at the
            end. Where the clients are in the same process, theirs are among them, the same number both times.
    """

    def __init__(
        self, deployed: Running, count_threads: CountThreads, warm_up: deque[Request], requests: deque[Request]
    ) -> None:
        self.wrong: list[str] = []
        self.answered: deque[Request] = deque()
        self.threads: list[int] = []
        self._deployed = deployed
        self._warm_up = warm_up
        self._requests = requests
        self._barrier = threading.Barrier(CONNECTIONS, lambda: self.threads.append(count_threads()))

    def run(self) -> None:
        """Make all requests."""
        with ThreadPoolExecutor(CONNECTIONS) as clients:
            for client in [clients.submit(self._talk) for _ in range(CONNECTIONS)]:
                client.result()

    def _talk(self) -> None:
        try:
            with self._deployed.connect() as connection:

                def ask(request: Request) -> None:
                    response = connection.request("/hello", request.authorization)
                    if (response.status, response.text) == (200, request.user):
                        request.initiator.verify(reply_token(response.challenges))
                        self.answered.append(request)
                    else:
                        self.wrong.append(f"{request.user}: {response.status} {response.text}")

                for _ in range(WARM_UP):
                    ask(self._warm_up.popleft())
                self._barrier.wait(SECONDS)
                while True:
                    try:
                        request = self._requests.popleft()
                    except IndexError:
                        break
                    ask(request)
                self._barrier.wait(SECONDS)
        except BaseException:
            # Nobody shall wait for a client that has failed.
            self._barrier.abort()
            raise


def test_soak(served: tuple[Running, CountThreads], users: list[User]) -> None:
    """Two thousand requests by eight users on 32 connections: each gets its own user's name, and no thread is added."""
    turns = itertools.cycle(users)
    soak = Soak(*served, prepare(turns, CONNECTIONS * WARM_UP), prepare(turns, REQUESTS))
    soak.run()
    assert soak.wrong == []
    assert len(soak.answered) == CONNECTIONS * WARM_UP + REQUESTS
    warm, end = soak.threads
    assert end <= warm
