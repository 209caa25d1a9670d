"""What waits until the test lets it go: a call, and accepts."""

from __future__ import annotations

import fcntl
import os
import struct
import threading
from pathlib import Path
from types import TracebackType
from typing import IO

import anyio
import pytest

from .waiting import wait_until

HANG = 30.0
"""Seconds after which something that should have happened counts as a hang."""


class HeldCall:
    """A call that says when it has begun, and then waits until the test lets it go.

    Attributes:
        begun: set when the call is being made.
        released: set when it has been let go.
    """

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.released = threading.Event()

    def __call__(self) -> bool:
        """Wait; False where the test has not let it go in time."""
        self.begun.set()
        return self.released.wait(HANG)

    async def wait_until_begun(self) -> None:
        """Return when the call is being made, without a thread that waits for it."""
        while not self.begun.is_set():  # noqa: ASYNC110 - set on another thread
            await anyio.sleep(0.001)

    def release(self) -> None:
        """Let it go."""
        self.released.set()


@pytest.fixture
def replay_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A replay cache of this test's own."""
    path = tmp_path / "replays"
    path.touch()
    monkeypatch.setenv("KRB5RCACHENAME", f"file2:{path}")
    return path


class HeldFile:
    """A file for which accepts wait: this holds the lock that they take.

    Args:
        file: a replay cache; or a keytab that the library reads for each token, since it is named ``WRFILE:``.
    """

    def __init__(self, file: Path) -> None:
        self._path = file
        self._file: IO[bytes] | None = None

    def __enter__(self) -> HeldFile:
        self._file = self._path.open("a+b")
        # A lock of the open file, not of the process: an acceptor in this one is to wait for it too.
        fcntl.fcntl(self._file, fcntl.F_OFD_SETLK, struct.pack("hhqqi0q", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.release()

    def release(self) -> None:
        """Let them go on."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def wait_for_accepts(self, count: int = 1) -> None:
        """Return when so many wait."""
        inode = self._path.stat().st_ino

        def waiting() -> bool:
            lines = [line.split() for line in Path("/proc/locks").read_text().splitlines()]
            return sum("->" in words and words[-3].endswith(f":{inode}") for words in lines) >= count

        wait_until(waiting, f"{count} wait for the file")
