"""nginx, in front of another server."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from .thread import SECONDS, Server, listening_socket

_CONFIGURATION = """
daemon off;
worker_processes 1;
{user}
pid {folder}/nginx.pid;
error_log stderr notice;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    proxy_cache_path {folder}/cache keys_zone=cache:1m;
    client_max_body_size 0;
    server {{
        listen 127.0.0.1:{port};
        {server}
    }}
}}
"""


class Nginx(Server):
    """nginx, in a process of its own.

    Args:
        program: the program.
        folder: an empty one, for its files.
        server: the directives of its ``server``. There is a cache, ``cache``.
    """

    def __init__(self, program: Path, folder: Path, server: str) -> None:
        self._program = program
        self._socket = listening_socket()
        self.address = self._socket.getsockname()
        self._configuration = folder / "nginx.conf"
        self.log = folder / "nginx.log"
        # As root it would run its worker as somebody else, who may not come into the folder.
        user = "user root;" if os.geteuid() == 0 else ""
        text = _CONFIGURATION.format(folder=folder, port=self.address[1], server=server, user=user)
        self._configuration.write_text(text)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start. It listens from the start, so that requests wait until it is ready."""
        self._socket.listen()
        assert self.log is not None
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [self._program, "-e", "stderr", "-c", self._configuration],
                stdout=log,
                stderr=subprocess.STDOUT,
                # How nginx passes its sockets on when it upgrades itself.
                env={**os.environ, "NGINX": f"{self._socket.fileno()};"},
                pass_fds=[self._socket.fileno()],
            )

    def stop(self) -> None:
        """Stop."""
        self._socket.close()
        if self._process is not None:
            self._process.terminate()
            self._process.wait(SECONDS)
            assert self.log is not None
            assert self._process.returncode == 0, self.log.read_text()
