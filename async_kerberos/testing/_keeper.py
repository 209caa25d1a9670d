"""The keeper: a process that owns a realm's folder and KDC, and removes both when the process that uses them is gone.

It runs beside the tests, in its own session, and reads orders from a pipe whose other end only the tests hold. However
the tests end, even by SIGKILL, the kernel closes their end. Then the keeper kills the KDC and removes the folder. So
the tests' process needs no signal handler.

This file has both ends of the pipe: :class:`Keeper` is the tests' end, :func:`main` the keeper's program. Python runs
the file by path, without the package and without site-packages, so it imports only the standard library.

An order is one line of JSON, one of ``{"claim": port}``, ``{"start": argv, "env": mapping}``, ``{"stop": true}`` and
``{"end": true}``. The answer to all but the last is one line of JSON, ``{"failure": text or null}``. Before the first
order the program says ``{"folder": path}`` or ``{"failure": text}``.
"""

import contextlib
import ctypes
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

# A KDC normally starts within tens of milliseconds, but a machine may swap.
_KDC_START_SECONDS = 30.0
# SIGTERM lets the KDC finish a write to its database.
_KDC_STOP_SECONDS = 5.0
# The keeper notices the end of the pipe at once. But a process that the parent forked may hold the pipe open, so this
# is how often the keeper checks whether the parent lives.
_PARENT_CHECK_SECONDS = 0.5
# A server under test may still write its replay cache while the keeper removes the folder.
_REMOVE_SECONDS = 2.0
# More than the keeper needs for its whole clean-up.
_CLOSE_SECONDS = 10.0

# Absolute: the keeper does not run in the tests' working directory.
_PROGRAM = str(Path(__file__).resolve())
_LOOPBACK = "127.0.0.1"
_PR_SET_PDEATHSIG = 1


class Keeper:
    """The tests' end: starts the keeper's program, gives it orders, and ends it.

    Attributes:
        folder: the realm's folder, empty at first.
    """

    def __init__(self) -> None:
        """Start the program.

        Raises:
            OSError: the program does not start, or cannot make the folder.
        """
        self._owner = os.getpid()
        self._lock = threading.Lock()
        self._process = subprocess.Popen(  # noqa: S603 (this interpreter, this file)
            [sys.executable, "-I", "-S", _PROGRAM, tempfile.gettempdir()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # If stderr is a pipe, its reader would wait for the keeper's end too.
            stderr=subprocess.DEVNULL,
            cwd="/",
            # So the terminal's Ctrl-C and hang-up do not reach it.
            start_new_session=True,
        )
        try:
            self.folder = Path(cast("str", self._answer("folder")))
        except BaseException:
            self.close()
            raise

    def claim(self, port: int) -> None:
        """Claim a port of 127.0.0.1 and the next one: no other realm gets them while this one lasts.

        Args:
            port: the port that the KDC will have.

        Raises:
            OSError: another realm has claimed the port, or a program uses it.
        """
        self._order({"claim": port})

    def start_kdc(self, argv: Sequence[str], env: Mapping[str, str]) -> None:
        """Start a KDC and wait until it serves. Does nothing if it is running.

        Args:
            argv: the KDC's program and arguments.
            env: the whole environment of the KDC.

        Raises:
            OSError: the KDC did not start; the text contains its output.
        """
        self._order({"start": list(argv), "env": dict(env)})

    def stop_kdc(self) -> None:
        """Stop the KDC and wait until it is gone. Does nothing if it is not running.

        Raises:
            OSError: the keeper itself is gone.
        """
        self._order({"stop": True})

    def close(self) -> None:
        """Stop the KDC, remove the folder, and wait for the keeper's end. Does nothing in a forked child."""
        if os.getpid() != self._owner:
            return
        process = self._process
        if process.stdin is not None:
            # An explicit order, since a forked child may hold the pipe open. It fails if the keeper is gone, or if this
            # call has interrupted the writing of another order; then closing the pipe has to be enough.
            with contextlib.suppress(OSError, ValueError, RuntimeError):
                process.stdin.write(b'{"end": true}\n')
            with contextlib.suppress(OSError):
                process.stdin.close()
        try:
            process.wait(_CLOSE_SECONDS)
        except subprocess.TimeoutExpired:
            # The parent-death signal then ends the KDC too.
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()
        folder = getattr(self, "folder", None)
        if folder is not None:
            # There is something to remove only if the keeper was killed.
            shutil.rmtree(folder, ignore_errors=True)

    def _order(self, order: Mapping[str, object]) -> None:
        if os.getpid() != self._owner:
            raise OSError("only the process that started the realm can start and stop its KDC")
        with self._lock:
            stdin = self._process.stdin
            if stdin is None or stdin.closed:
                raise OSError("the realm is closed")
            stdin.write(json.dumps(order).encode() + b"\n")
            stdin.flush()
            self._answer("failure")

    def _answer(self, key: str) -> object:
        stdout = self._process.stdout
        line = b"" if stdout is None else stdout.readline()
        if not line:
            raise OSError("the process that keeps the realm is gone")
        answer = cast("dict[str, object]", json.loads(line))
        failure = answer.get("failure")
        if failure is not None:
            raise OSError(str(failure))
        return answer.get(key)


class _Realm:
    """What the keeper holds: a claimed port, and a KDC."""

    def __init__(self) -> None:
        self._claimed: socket.socket | None = None
        self._kdc: subprocess.Popen[bytes] | None = None
        self._die_with_keeper = _parent_death_signal()

    def obey(self, order: dict[str, Any]) -> str | None:
        """Carry out an order; what comes back says why it failed."""
        try:
            if "claim" in order:
                self._release()
                self._claimed = _claim(order["claim"])
            elif "start" in order:
                self._start(order["start"], order["env"])
            elif self._kdc is not None:
                _stop(self._kdc)
        except OSError as error:
            return str(error)
        return None

    def end(self) -> None:
        """End the KDC at once."""
        if self._kdc is not None:
            self._kdc.kill()
            self._kdc.wait()
        self._release()

    def _release(self) -> None:
        if self._claimed is not None:
            self._claimed.close()

    def _start(self, argv: list[str], env: dict[str, str]) -> None:
        if self._kdc is None or self._kdc.poll() is not None:
            self._kdc = subprocess.Popen(  # noqa: S603 (the realm's own KDC)
                argv,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                # Safe here: this program has one thread, and it lives as long as the process.
                preexec_fn=self._die_with_keeper,
            )
            _wait_until_up(self._kdc)


def main() -> None:
    """Run the keeper: make a folder inside the folder of the first argument, carry out orders, clean up."""
    parent = os.getppid()
    # No signal ends the keeper: one that is sent to all processes must not end it before it has cleaned up. A handler,
    # not SIG_IGN, which the KDC would inherit.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda _number, _frame: None)
    realm = _Realm()
    try:
        folder = tempfile.mkdtemp(prefix="krb5-realm-", dir=sys.argv[1])
    except OSError as error:
        _say(failure=str(error))
        return
    try:
        _say(folder=folder)
        for order in _orders(parent):
            if "end" in order:
                break
            _say(failure=realm.obey(order))
    except BrokenPipeError:
        pass  # The tests' process ended before it read the answer.
    finally:
        realm.end()
        _remove(folder)


def _say(**answer: str | None) -> None:
    os.write(1, json.dumps(answer).encode() + b"\n")


def _orders(parent: int) -> Iterator[dict[str, Any]]:
    """Yield each order when it comes, until the pipe ends or the parent is gone."""
    waiting = b""
    while True:
        line, newline, rest = waiting.partition(b"\n")
        if newline:
            waiting = rest
            yield cast("dict[str, Any]", json.loads(line))
        elif select.select([0], [], [], _PARENT_CHECK_SECONDS)[0]:
            chunk = os.read(0, 65536)
            if not chunk:
                return
            waiting += chunk
        elif os.getppid() != parent:
            return


def _claim(port: int) -> socket.socket:
    # Two MIT KDCs can listen on one port, and then each gets some of the other's requests. So a realm claims the port
    # by binding the next one, on which no KDC listens and which only one process can bind.
    claimed = socket.socket()
    try:
        claimed.bind((_LOOPBACK, port + 1))
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            with socket.socket(type=kind) as probe:
                probe.bind((_LOOPBACK, port))
    except BaseException:
        claimed.close()
        raise
    return claimed


def _wait_until_up(kdc: "subprocess.Popen[bytes]") -> None:
    pipe = kdc.stdout
    if pipe is None:
        raise OSError("the KDC has no output to read")
    said = b""
    deadline = time.monotonic() + _KDC_START_SECONDS
    while b"starting..." not in said:
        left = deadline - time.monotonic()
        ready = select.select([pipe.fileno(), 0], [], [], left)[0] if left > 0 else []
        if pipe.fileno() not in ready:
            # Only the end can come while an order is carried out: the order to end, or the end of the pipe.
            why = "the realm was ended" if ready else f"{_KDC_START_SECONDS:g} s passed"
            _stop(kdc)
            raise OSError(f"{why} before the KDC was up: {_text(said)}")
        chunk = os.read(pipe.fileno(), 4096)
        if not chunk:
            _stop(kdc)
            raise OSError(f"the KDC ended with code {kdc.returncode}: {_text(said)}")
        said += chunk


def _text(said: bytes) -> str:
    return said.decode(errors="replace").strip() or "it said nothing"


def _stop(kdc: "subprocess.Popen[bytes]") -> None:
    kdc.terminate()
    try:
        kdc.wait(_KDC_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        kdc.kill()
        kdc.wait()
    if kdc.stdout is not None:
        kdc.stdout.close()


def _remove(folder: str) -> None:
    deadline = time.monotonic() + _REMOVE_SECONDS
    while True:
        shutil.rmtree(folder, ignore_errors=True)
        if not Path(folder).exists() or time.monotonic() > deadline:
            return
        time.sleep(0.05)


def _parent_death_signal() -> Callable[[], None] | None:
    """What the KDC's process does before it runs the KDC, so that it ends even if the keeper is killed."""
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None)

    def set_it() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)

    return set_it


if __name__ == "__main__":
    main()
