"""What is public: the names of ``__all__`` and nothing else, and what an import brings with it."""

from __future__ import annotations

import subprocess
import sys

import async_kerberos


def test_public_names() -> None:
    """``__all__`` has the public names of the package, in order, and each can be had."""
    names = {name for name, value in vars(async_kerberos).items() if _is_public(name, value)}
    assert set(async_kerberos.__all__) == names
    assert sorted(async_kerberos.__all__) == async_kerberos.__all__


def _is_public(name: str, value: object) -> bool:
    # Rooms that something has imported are attributes too.
    return not name.startswith("_") and type(value).__name__ != "module"


def test_import() -> None:
    """To import the package takes neither GSSAPI nor a framework, nor what extras bring."""
    program = "import sys, async_kerberos; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    imported = set(done.stdout.split())
    assert "async_kerberos" in imported
    assert not imported & {
        "gssapi",
        "krb5",
        "flask",
        "quart",
        "starlette",
        "fastapi",
        "django",
        "werkzeug",
        "cryptography",
        "trio",
    }
