"""pypiserver, a WSGI application that somebody else wrote, below the middleware, on waitress."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from ..support import HOSTNAME, ROOT
from ..support.http import Connection
from ..support.initiator import Initiator, reply_token
from ..support.servers import listening_socket

ON_WAITRESS = """
import socket, sys, pypiserver, waitress
from async_kerberos.adapters.wsgi import KerberosMiddleware

app = pypiserver.app(roots=[sys.argv[2]], disable_fallback=True)
listening = socket.socket(fileno=int(sys.argv[1]))
waitress.serve(KerberosMiddleware(app, hostname=sys.argv[3]), sockets=[listening], _quiet=True)
"""


@pytest.fixture
def waitress_server(tmp_path: Path) -> Generator[Any, None, None]:
    """pypiserver, which somebody else wrote, on waitress: in a process of its own, since it changes imports."""
    (tmp_path / "package-1.0.tar.gz").write_bytes(b"a package")
    with listening_socket() as listening:
        listening.listen()
        program = [sys.executable, "-W", "ignore", "-c", ON_WAITRESS, str(listening.fileno()), str(tmp_path), HOSTNAME]
        with subprocess.Popen(program, pass_fds=[listening.fileno()], cwd=ROOT) as process:
            yield listening.getsockname()
            process.terminate()


def test_pypiserver_on_waitress(waitress_server: Any, user: str) -> None:
    """An index of packages is closed to strangers, and open to users; uploads that are refused break nothing."""
    with Connection(waitress_server) as connection:
        assert connection.request("/simple/").challenges == ["Negotiate"]
        assert connection.request("/", method="POST", body=bytes(1_000_000)).status == 401
    with Connection(waitress_server) as connection:
        initiator = Initiator()
        response = connection.request("/simple/package/", initiator.header)
        assert (response.status, "package-1.0.tar.gz" in response.text) == (200, True)
        initiator.verify(reply_token(response.challenges))
