"""What the harnesses share. Nothing here needs atheris unless a harness is run as a program."""

from __future__ import annotations

import contextlib
import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
HARNESSES = ("header", "authenticate")


def instrumented(name: str) -> contextlib.AbstractContextManager[Any]:
    """Import the library's modules within it: they report their coverage if the harness of this name is the program."""
    if name != "__main__":
        return contextlib.nullcontext()
    atheris: Any = importlib.import_module("atheris")
    context: contextlib.AbstractContextManager[Any] = atheris.instrument_imports(
        include=["async_kerberos"], exclude=["async_kerberos.testing"]
    )
    return context


def fuzz(check: Callable[[bytes], None]) -> None:
    """Have libFuzzer call the check as its arguments in ``sys.argv`` say. The process ends within."""
    atheris: Any = importlib.import_module("atheris")
    atheris.Setup(sys.argv, check)
    atheris.Fuzz()


def inputs(harness: str) -> Iterator[Path]:
    """The inputs that are kept for a harness: its corpus, and whatever has crashed it once."""
    for kind in ("corpus", "crashes"):
        for path in sorted((FOLDER / kind / harness).iterdir()):
            if path.name != ".gitkeep":
                yield path


class Script:
    """The bytes of an input, read as a script. At the end there are only noughts and nothings."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0

    def __bool__(self) -> bool:
        return self._position < len(self._data)

    def take(self, count: int) -> bytes:
        """So many bytes, or all that are left."""
        taken = self._data[self._position : self._position + count]
        self._position += count
        return taken

    def number(self, octets: int = 1) -> int:
        """A number, the most significant byte first."""
        return int.from_bytes(self.take(octets), "big")

    def chunk(self) -> bytes:
        """Some bytes, their number before them."""
        return self.take(self.number())

    def rest(self) -> bytes:
        """All that is left."""
        return self.take(len(self._data))
