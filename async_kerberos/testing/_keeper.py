"""The process that owns a realm's folder and KDC, so that both go when the process that uses the realm is gone.

It runs beside the tests, in a session of its own, and reads orders from a pipe whose other end only they hold. The
kernel closes that end however they finish, SIGKILL included, and the keeper then kills the KDC and removes the
folder. The tests' process needs no signal handler for it: none is replaced, so none has to be put back.

This file is both ends of the pipe: :class:`Keeper` is the tests' end, :func:`main` the program. It is run by path,
without the package and without site-packages, so it imports the standard library only.

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

# A KDC says that it is up within tens of milliseconds; this is for a machine that swaps.
_KDC_START_SECONDS = 30.0
# SIGTERM lets the KDC finish a write to its database.
_KDC_STOP_SECONDS = 5.0
# The end of the pipe is noticed at once. This is how soon the parent's death is noticed where a process that it forked
# still holds the pipe open.
_PARENT_CHECK_SECONDS = 0.5
# A server under test may still be writing its replay cache while the folder goes.
_REMOVE_SECONDS = 2.0
# More than the keeper needs for everything it does on the way out.
_CLOSE_SECONDS = 10.0

# Absolute, as the keeper does not run in the tests' working directory.
_PROGRAM = str(Path(__file__).resolve())
_LOOPBACK = "127.0.0.1"
_PR_SET_PDEATHSIG = 1


class Keeper:
    """The tests' end: starts the keeper program, gives it orders, and ends it.

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
            # An inherited stderr would keep a pipe open that somebody may be reading to its end.
            stderr=subprocess.DEVNULL,
            cwd="/",
            # Out of reach of the terminal's Ctrl-C and hang-up.
            start_new_session=True,
        )
        try:
            self.folder = Path(cast("str", self._answer("folder")))
        except BaseException:
            self.close()
            raise

    def claim(self, port: int) -> None:
        """Claim a port and the next one, of 127.0.0.1, against every other realm for as long as this one lasts.

        Args:
            port: the port that the KDC will have.

        Raises:
            OSError: another realm has claimed it, or something uses it.
        """
        self._order({"claim": port})

    def start_kdc(self, argv: Sequence[str], env: Mapping[str, str]) -> None:
        """Start a KDC and wait until it serves; nothing where one is running.

        Args:
            argv: the KDC's program and arguments.
            env: the whole environment of the KDC.

        Raises:
            OSError: it did not come up; the text has what it said.
        """
        self._order({"start": list(argv), "env": dict(env)})

    def stop_kdc(self) -> None:
        """Stop the KDC and wait until it is gone; nothing where none is running.

        Raises:
            OSError: the keeper itself is gone.
        """
        self._order({"stop": True})

    def close(self) -> None:
        """End the KDC, the folder and the keeper, and wait for it. In a forked child nothing happens."""
        if os.getpid() != self._owner:
            return
        process = self._process
        if process.stdin is not None:
            # In words too, as a forked child may hold the pipe open. Writing fails where the keeper is gone, and where
            # this call has interrupted an order that was being written: there the end of the pipe has to do.
            with contextlib.suppress(OSError, ValueError, RuntimeError):
                process.stdin.write(b'{"end": true}\n')
            with contextlib.suppress(OSError):
                process.stdin.close()
        try:
            process.wait(_CLOSE_SECONDS)
        except subprocess.TimeoutExpired:
            # The KDC has the parent-death signal and goes too.
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()
        folder = getattr(self, "folder", None)
        if folder is not None:
            # Only a keeper that was killed itself leaves anything to do here.
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
    """Be the keeper: make a folder in the folder named by the first argument, obey, clean up."""
    parent = os.getppid()
    # The keeper ends with the pipe, and by nothing else: a signal that is sent to all processes at once must not end it
    # before it has cleaned up. A handler, not SIG_IGN, which the KDC would inherit.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda _number, _frame: None)
    try:
        folder = tempfile.mkdtemp(prefix="krb5-realm-", dir=sys.argv[1])
    except OSError as error:
        _say(failure=str(error))
        return
    realm = _Realm()
    try:
        _say(folder=folder)
        for order in _orders(parent):
            if "end" in order:
                break
            _say(failure=realm.obey(order))
    except BrokenPipeError:
        pass  # The tests went away while they were being answered.
    finally:
        realm.end()
        _remove(folder)


def _say(**answer: str | None) -> None:
    os.write(1, json.dumps(answer).encode() + b"\n")


def _orders(parent: int) -> Iterator[dict[str, Any]]:
    """The orders as they come, until the pipe ends or the parent is gone."""
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
    # Two MIT KDCs can listen on one port, and then each gets some of the other's requests. So what decides between
    # realms is the next port, which nobody listens on and which this program holds alone.
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
            # Nothing but the end can come while an order is carried out.
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
    """What the KDC's process does before it becomes the KDC, so that it goes even where the keeper is killed."""
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None)

    def set_it() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)

    return set_it


if __name__ == "__main__":
    main()
