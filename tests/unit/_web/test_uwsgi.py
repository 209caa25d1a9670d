"""What is believed of uWSGI: the scheme of a request, and the client's port; and how a body is read there."""

from __future__ import annotations

import io
import socket
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from async_kerberos import DrainLimits
from async_kerberos._web.drain import drop_from_socket
from async_kerberos._web.uwsgi import peer_port, scheme_is_hearsay

UWSGI = {"uwsgi.version": b"2.0.30"}


@pytest.mark.parametrize(
    ("environ", "hearsay"),
    [
        ({"uwsgi.version": b"2"}, False),
        ({"uwsgi.version": b"2", "HTTP_X_FORWARDED_FOR": "192.0.2.1"}, False),
        ({"uwsgi.version": b"2", "HTTP_X_FORWARDED_PROTO": "https"}, True),
        ({"uwsgi.version": b"2", "HTTP_X_FORWARDED_PROTO": ""}, True),
        ({"uwsgi.version": b"2", "HTTP_X_FORWARDED_SSL": "on", "HTTPS": "on"}, True),
        ({"HTTP_X_FORWARDED_PROTO": "https", "HTTP_X_FORWARDED_SSL": "on"}, False),
        ({}, False),
    ],
)
def test_scheme_is_hearsay(environ: dict[str, Any], hearsay: bool) -> None:
    """On uWSGI, and nowhere else, a client's header may have set the scheme."""
    assert scheme_is_hearsay(environ) is hearsay


@pytest.fixture
def current(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], int]], None]:
    """Stands in for the module that uWSGI makes: says which connection the thread's request came on."""

    def be(connection_fd: Callable[[], int]) -> None:
        module: Any = ModuleType("uwsgi")
        module.connection_fd = connection_fd
        monkeypatch.setitem(sys.modules, "uwsgi", module)

    return be


@pytest.mark.parametrize(("host", "address"), [("127.0.0.1", "127.0.0.1"), ("::1", "::1"), ("::", "127.0.0.1")])
def test_peer_port(host: str, address: str, current: Callable[[Callable[[], int]], None]) -> None:
    """The port is that of the connection, if this comes from the address that uWSGI says."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with (
        socket.create_server((host, 0), family=family, dualstack_ipv6=host == "::") as server,
        socket.create_connection((address, server.getsockname()[1])) as client,
        server.accept()[0] as accepted,
    ):
        current(accepted.fileno)
        assert peer_port({**UWSGI, "REMOTE_ADDR": address}) == client.getsockname()[1]
        assert peer_port({**UWSGI, "REMOTE_ADDR": "192.0.2.1"}) == peer_port(UWSGI) == 0
        assert peer_port({"REMOTE_ADDR": address}) == 0
        accepted.getpeername()  # the connection is still open


def test_no_peer_port(current: Callable[[Callable[[], int]], None]) -> None:
    """There is none on a Unix socket, where the connection is gone, off a request's thread, and outside of uWSGI."""
    environ = {**UWSGI, "REMOTE_ADDR": "127.0.0.1"}
    assert peer_port(environ) == 0
    one, other = socket.socketpair()
    with one, other:
        current(one.fileno)
        assert peer_port({**UWSGI, "REMOTE_ADDR": "0.0.0.0"}) == 0  # what uWSGI makes of it
    current(one.fileno)
    assert peer_port(environ) == 0
    with socket.socket() as unconnected:
        current(unconnected.fileno)
        assert peer_port(environ) == 0

    def refuse() -> int:
        raise ValueError("you can call uwsgi api function only from the main callable")

    current(refuse)
    assert peer_port(environ) == 0


@pytest.mark.parametrize("chunked", [False, True])
def test_rest_of_a_body(chunked: bool, current: Callable[[Callable[[], int]], None]) -> None:
    """The rest of a refused body is read as uWSGI has it: chunks by a function of its module, all else as anywhere."""
    pieces = [b"x" * 100, b"x" * 100, b""]
    one, other = socket.socketpair()
    with one, other:
        current(one.fileno)
        sys.modules["uwsgi"].__dict__["chunked_read"] = lambda: pieces.pop(0)
        body = io.BytesIO(bytes(200))
        environ: dict[str, Any] = {**UWSGI, "wsgi.input": body}
        environ["HTTP_TRANSFER_ENCODING" if chunked else "CONTENT_LENGTH"] = "chunked" if chunked else "200"
        drop_from_socket(environ, DrainLimits())
        assert (len(pieces), body.tell()) == ((0, 0) if chunked else (3, 200))
        other.send(b"x")
        assert one.recv(1) == b"x"  # the connection is still open
