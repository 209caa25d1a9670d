"""The demo: a realm, an example application, and one sign-in, step by step."""

from __future__ import annotations

import contextlib
import logging
import os
import shlex
import signal
import tempfile
import threading
import time
from collections.abc import Generator
from typing import TYPE_CHECKING
from urllib.request import getproxies_environment

from ._screen import Screen, logging_to, printable
from ._server import DemoError, Example, listen, serving
from ._sign_in import Answer, Client, masked
from ._signals import EndingSignals

if TYPE_CHECKING:
    from ..testing import Service, User

_HOST = "localhost"
_POLL_SECONDS = 0.1  # too short to notice after Ctrl-C, and long enough to take no CPU time
_ACCESS_LOGS = ("uvicorn.access", "werkzeug")
# The client shows the whole sign-in; the server's access log would only interrupt that.
_LEVELS = {"async_kerberos": logging.INFO, **dict.fromkeys(_ACCESS_LOGS, logging.WARNING)}


def run_demo(example: Example, *, port: int, once: bool, screen: Screen) -> None:
    """Run the demo, on the main thread. It cleans up after itself, also after an error.

    Args:
        example: the application.
        port: the port of 127.0.0.1 to serve on; 0 for any.
        once: whether to return after the sign-in. Otherwise it returns at Ctrl-C.
        screen: where to show it.

    Raises:
        DemoError: the sign-in did not work, or a step before it.
        RealmError: the realm did not start.
        Signalled: a signal ended it; but Ctrl-C while it serves is the normal end.
    """
    signals = EndingSignals()
    # The first call writes a file and removes it, to try the folder out: a signal between the two would leave the file.
    tempfile.gettempdir()
    stack = contextlib.ExitStack()
    try:
        signals.arm()
        _run(example, port, once, screen, signals, stack)
    finally:
        signals.disarm()
        stack.close()


def _run(
    example: Example, port: int, once: bool, screen: Screen, signals: EndingSignals, stack: contextlib.ExitStack
) -> None:
    from ..testing import Realm  # The command has to work where the extra `testing` is missing.

    listener = stack.enter_context(listen(port))
    port = listener.getsockname()[1]
    url = f"http://{_HOST}:{port}/"
    screen.title(f"{example.title} behind Kerberos")
    realm = stack.enter_context(Realm())
    user = realm.user("alice")
    service = realm.service(f"HTTP/{_HOST}")
    screen.fields(
        realm=f"{realm.name}, its KDC on 127.0.0.1 port {realm.port}",
        user=user.principal,
        service=service.principal,
        app=f"{example.path}, on {example.server}",
        url=url,
    )
    stack.enter_context(logging_to(screen, _LEVELS))
    # GSSAPI reads the environment of the process, in the server and in the client alike.
    stack.enter_context(realm.environ(user, service))
    stack.enter_context(_variable("KERBEROS_HOSTNAME", _HOST))
    server = stack.enter_context(serving(example, example.load(), listener))
    _sign_in(Client(_HOST, port), user, service, screen)
    signals.check()
    if not once:
        _serve(server, signals, user, url, screen)


def _sign_in(client: Client, user: User, service: Service, screen: Screen) -> None:
    screen.title("1. A request without a ticket")
    answer = client.get()
    _show(screen, None, answer)
    if answer.status != 401 or answer.negotiate is None:
        raise DemoError(f"the server should have answered 401 and Negotiate, not {answer.status}")

    screen.title("2. A ticket from the KDC")
    authorization, expires = client.begin()
    screen.fields(
        client=user.principal, service=service.principal, expires=f"{expires.astimezone():%Y-%m-%d %H:%M:%S %Z}"
    )

    screen.title("3. The same request with the ticket")
    answer = client.get(authorization)
    _show(screen, authorization, answer)
    if answer.status != 200:
        raise DemoError(f"the sign-in failed: the server answered {answer.status} {answer.reason}; its log is above")

    screen.title("4. The server's reply")
    if answer.negotiate is None:
        raise DemoError("the sign-in failed: the server did not prove who it is")
    client.verify(answer.negotiate)
    screen.line(f"mutual authentication verified: the server has the key of {service.principal}", "green")


def _show(screen: Screen, authorization: str | None, answer: Answer) -> None:
    screen.line("> GET / HTTP/1.1")
    if authorization is not None:
        screen.line(f"> Authorization: {masked(authorization)}")
    screen.line(f"< {answer.status} {printable(answer.reason)}", "green" if answer.status == 200 else "yellow")
    for challenge in answer.challenges:
        screen.line(f"< WWW-Authenticate: {printable(masked(challenge))}")
    screen.line("<")
    for line in answer.body.splitlines():
        screen.line(f"< {printable(line)}")


def _serve(server: threading.Thread, signals: EndingSignals, user: User, url: str, screen: Screen) -> None:
    signals.disarm()
    screen.title("Try it by hand, in another terminal:")
    screen.command(_curl(user, url))
    for name in _ACCESS_LOGS:
        logging.getLogger(name).setLevel(logging.INFO)
    screen.line("Serving until Ctrl-C.")
    while server.is_alive():
        if signals.received == signal.SIGINT:
            screen.end()
            return
        signals.check()
        # Not server.join(): a signal that comes just before a thread begins to wait for a lock does not wake it.
        time.sleep(_POLL_SECONDS)
    raise DemoError("the server ended by itself; its log is above")


def _curl(user: User, url: str) -> str:
    """The command that signs in as the user, from any directory of any shell on this machine."""
    variables = [f"{name}={shlex.quote(user.env[name])}" for name in ("KRB5_CONFIG", "KRB5CCNAME")]
    # IPv4: localhost may also be ::1, and another server may listen there.
    options = ["--negotiate", "-u", ":", "--ipv4"]
    if getproxies_environment().keys() & {"http", "all"}:
        options += ["--noproxy", _HOST]
    return " ".join([*variables, "curl", *options, url])


@contextlib.contextmanager
def _variable(name: str, value: str) -> Generator[None, None, None]:
    """Set an environment variable. A value from the developer's shell is meant for another server."""
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before
