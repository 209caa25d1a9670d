"""Servers that are programs, in separate processes."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from .. import ROOT
from ..waiting import wait_until
from .thread import SECONDS, Server, free_port, listening_socket


class Program(Server):
    """A server that is a program.

    Args:
        folder: for its log.
    """

    def __init__(self, folder: Path) -> None:
        self.log = folder / f"{type(self).__name__.lower()}-{os.getpid()}-{id(self)}.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._env = {**os.environ, "PYTHONPATH": str(ROOT)}
        self._user: int | None = None

    def start(self) -> None:
        """Start."""
        assert self.log is not None
        command, descriptors = self._command()
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                command,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self._env,
                pass_fds=descriptors,
                start_new_session=True,
                user=self._user,
                group=self._user,
                extra_groups=None if self._user is None else [],
            )
        process, path = self._process, self.log
        wait_until(lambda: process.poll() is not None or self._answers(), f"{type(self).__name__} starts")
        if process.poll() is not None:
            raise RuntimeError(f"{type(self).__name__} does not start: {path.read_text()}")

    def stop(self) -> None:
        """Stop."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(SECONDS)
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self._process.pid, signal.SIGKILL)

    def _command(self) -> tuple[Sequence[str], Sequence[int]]:
        """The command, and the descriptors that it is given."""
        raise NotImplementedError

    def _answers(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(self.address, 1):  # type: ignore[arg-type] # it is no path
            return True
        return False


class Waitress(Program):
    """waitress.

    Args:
        factory: ``module:function`` of what makes the WSGI application, without arguments.
        folder: for its log.
    """

    def __init__(self, factory: str, folder: Path) -> None:
        super().__init__(folder)
        self._module, _, self._name = factory.partition(":")
        self._socket = listening_socket()
        self._socket.listen()
        self.address = self._socket.getsockname()

    def _command(self) -> tuple[Sequence[str], Sequence[int]]:
        descriptor = self._socket.fileno()
        code = (
            f"import socket, waitress; from {self._module} import {self._name} as make; "
            f"waitress.serve(make(), sockets=[socket.socket(fileno={descriptor})], _quiet=True)"
        )
        return [sys.executable, "-c", code], [descriptor]

    def stop(self) -> None:
        """Stop."""
        self._socket.close()
        super().stop()


class HypercornProgram(Program):
    """Hypercorn with TLS, HTTP/2 and HTTP/3. In this process it would leave its socket of UDP open at the end.

    Args:
        factory: ``module:function`` of what makes the ASGI application, without arguments.
        folder: for its log.
        loop: ``asyncio`` or ``trio``.
        certfile: its certificate.
        keyfile: the key.

    Attributes:
        quic: where it speaks HTTP/3.
    """

    def __init__(self, factory: str, folder: Path, *, loop: str, certfile: Path, keyfile: Path) -> None:
        super().__init__(folder)
        self._socket, self._quic = listening_socket(), socket.socket(type=socket.SOCK_DGRAM)
        self._socket.listen()
        self._quic.bind(("127.0.0.1", 0))
        self.address, self.quic = self._socket.getsockname(), self._quic.getsockname()
        self._arguments = ["-k", loop, "--certfile", str(certfile), "--keyfile", str(keyfile), f"{factory}()"]

    def _command(self) -> tuple[Sequence[str], Sequence[int]]:
        descriptors = [self._socket.fileno(), self._quic.fileno()]
        doors = ["--bind", f"fd://{descriptors[0]}", "--quic-bind", f"fd://{descriptors[1]}"]
        return [sys.executable, "-m", "hypercorn", "-w", "0", *doors, *self._arguments], descriptors

    def stop(self) -> None:
        """Stop."""
        self._socket.close()
        self._quic.close()
        super().stop()


class Granian(Program):
    """granian.

    Args:
        factory: ``module:function`` of what makes the application, without arguments.
        folder: for its log.
        interface: ``asgi`` or ``wsgi``.
    """

    def __init__(self, factory: str, folder: Path, *, interface: str) -> None:
        super().__init__(folder)
        self._factory = factory
        self._interface = interface
        self.address = ("127.0.0.1", free_port())

    def _command(self) -> tuple[Sequence[str], Sequence[int]]:
        host, port = str(self.address[0]), self.address[1]
        options = ["--host", host, "--port", str(port), "--interface", self._interface, "--factory", "--no-ws"]
        options += ["--blocking-threads", "4"] if self._interface == "wsgi" else []
        return [sys.executable, "-m", "granian", *options, self._factory], ()
