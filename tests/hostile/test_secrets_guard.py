"""The guard that looks for secrets in every test finds them, and nothing else."""

from __future__ import annotations

import base64
import logging
import os
import random
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from async_kerberos.testing import Realm, Service, User

from ..support.http import get
from ..support.initiator import fresh
from ..support.secrets import Secrets, SecretsGuard, ccache_keys, keytab_keys
from ..support.servers import Uvicorn
from .secret_site import HOST, TARGET

log = logging.getLogger("async_kerberos")

FORMS: dict[str, Callable[[bytes], str]] = {
    "base64": lambda data: base64.b64encode(data).decode(),
    "base64 of something around it": lambda data: base64.b64encode(b"?" + data + b"??").decode(),
    "base64url": lambda data: base64.urlsafe_b64encode(data).decode().rstrip("="),
    "base64 in lines": lambda data: base64.encodebytes(data).decode(),
    "hex": bytes.hex,
    "HEX": lambda data: data.hex(":").upper(),
    "hex in blanks": lambda data: data.hex(" ", 2),
    "repr": repr,
    "repr of a repr": lambda data: repr({"token": repr(data)}),
    "latin-1": lambda data: data.decode("latin-1"),
    "ASCII": lambda data: ascii(data.decode("latin-1")),
}

# Always the same: as text, one token in 2,500 ends in letters that might be the log's own, or in the end of a line.
SOME_TOKEN = random.Random("a token").randbytes(646)


@pytest.mark.parametrize("part", [slice(None), slice(101, 122), slice(-20, None)], ids=["whole", "middle", "end"])
@pytest.mark.parametrize("form", FORMS)
def test_forms(secrets_guard: SecretsGuard, form: str, part: slice) -> None:
    """A token, and twenty bytes of one, are found in whatever form they are logged."""
    assert secrets_guard.search() == []
    secrets_guard.secrets.note_token(SOME_TOKEN)
    log.warning("Kerberos: refused %s, that is all", FORMS[form](SOME_TOKEN[part]))
    assert secrets_guard.search() != []
    assert secrets_guard.search() == []


def test_innocent_texts(token: bytes, secrets_guard: SecretsGuard) -> None:
    """What says nothing of a secret is not found: a masked token, another one, padding, words and numbers."""
    masked = base64.b64encode(token)[:4].decode()
    for text in (
        f"Negotiate {masked}… (666 bytes)",
        base64.b64encode(os.urandom(600)).decode(),
        os.urandom(600).hex(),
        repr(os.urandom(600)),
        repr(bytes(100)),
        "AAAAAAAAAAAAAAAAAAAAAAAA 00000000-0000-0000-0000-000000000000",
        f"/tmp/{'some/long/path-' * 9} {HOST} Kerberos: 403 for 192.0.2.7: replay (Request is a replay).",
        "Ünïcödé and \\x00\\x01 \\n",
    ):
        assert secrets_guard.secrets.find(text) == [], text


def _log_an_error(text: str, _: Path) -> None:
    try:
        raise ValueError(text)
    except ValueError:
        log.exception("failed")


def _log_a_cause(text: str, _: Path) -> None:
    try:
        raise RuntimeError("failed") from ValueError(text)
    except RuntimeError as error:
        log.warning("failed", exc_info=error)


def _log_on_a_disabled_level(text: str, _: Path) -> None:
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        logging.getLogger("starlette").debug(text)
    finally:
        logging.disable(before)


def _write_into_a_file(text: str, folder: Path) -> None:
    source = folder / "source"
    source.write_text(text)
    with (folder / "copy").open("wb") as file:
        subprocess.run(["cat", source], stdout=file, check=True)


PLACES: dict[str, Callable[[str, Path], object]] = {
    "message": lambda text, _: log.warning(text),
    "argument": lambda text, _: log.warning("refused: %s", text),
    "argument that is not shown": lambda text, _: log.warning("refused%.0s", text),
    "extra": lambda text, _: log.warning("refused", extra={"authorization": text}),
    "exception": _log_an_error,
    "cause": _log_a_cause,
    "level below the logger's": lambda text, _: log.debug(text),
    "disabled level": _log_on_a_disabled_level,
    "pipe of a process": lambda text, _: subprocess.run(["cat"], input=text, text=True, capture_output=True),
    "file of a process": _write_into_a_file,
    "arguments of a process": lambda text, _: subprocess.run(["true", f"--token={text}"], check=True),
}


@pytest.mark.parametrize("propagate", [True, False])
@pytest.mark.parametrize("place", PLACES)
def test_places(
    token: bytes,
    secrets_guard: SecretsGuard,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    place: str,
    propagate: bool,
) -> None:
    """A token is found wherever a log handler, or somebody who looks at processes, could see it."""
    monkeypatch.setattr(log, "propagate", propagate)
    monkeypatch.setattr(log, "handlers", [logging.NullHandler()])
    PLACES[place](base64.b64encode(token).decode(), tmp_path)
    assert secrets_guard.search() != []


def test_printed(token: bytes, secrets_guard: SecretsGuard) -> None:
    """What tests print counts as well, and fails the test."""
    assert secrets_guard.printed("all is well", token.hex()) != []
    assert secrets_guard.printed("all is well", "") == []


@pytest.fixture(scope="session")
def secret_kinds(realm: Realm, mallory: User, service: Service) -> dict[str, str]:
    """Secrets of other kinds than tokens, as text."""
    with realm.environ(mallory):
        fresh(TARGET)
    listed = subprocess.run(["klist", "-k", "-K", str(service.keytab)], capture_output=True, text=True, check=True)
    keys = re.findall(rf"HTTP/{re.escape(HOST)}@.*\(0x([0-9a-f]+)\)", listed.stdout)
    assert len(keys) == 2
    session_keys = [key.hex() for key in ccache_keys(mallory.ccache.read_bytes())]
    # One of the ticket-granting ticket, and one of the service's.
    assert [len(key) for key in session_keys] == [64, 64]
    return {
        "password": mallory.password,
        "half of a password": mallory.password[:12],
        "key": keys[0],
        "other key": keys[1],
        "session key of the ticket-granting ticket": session_keys[0],
        "session key of the service": session_keys[1],
    }


def test_keys_and_passwords(secret_kinds: dict[str, str], secrets_guard: SecretsGuard) -> None:
    """The realm's passwords, the keys that klist shows, and session keys are found, in clear and encoded."""
    secrets_guard.search()  # klist has shown keys
    for kind, text in secret_kinds.items():
        log.warning("%s", text)
        assert secrets_guard.search() != [], kind
        data = text.encode() if "password" in kind else bytes.fromhex(text)
        # As text, one short key in 1,300 has so many letters that it might be the log's own words.
        as_text = "password" not in kind and len(data) >= 32
        for form in ("base64", "hex", "repr") if as_text else ("base64", "hex"):
            log.warning("%s", FORMS[form](data))
            assert secrets_guard.search() != [], (kind, form)


def test_files_of_keys(realm: Realm, mallory: User, service: Service, secrets_guard: SecretsGuard) -> None:
    """Every key in the keytab is read, as many as klist lists, and each ticket's session key once."""
    listed = subprocess.run(["klist", "-k", "-K", str(realm.keytab)], capture_output=True, text=True, check=True)
    assert secrets_guard.search() != []
    expected = sorted(re.findall(r"\(0x([0-9a-f]+)\)", listed.stdout))
    assert sorted(key.hex() for key in keytab_keys(realm.keytab.read_bytes())) == expected


@pytest.mark.parametrize(
    ("fields", "secret"),
    [
        ([("Cookie", "theme=dark; session=s3ss10n-0f-s0meb0dy")], "s3ss10n-0f-s0meb0dy"),
        ([("Authorization", "Bearer t0k3n-0f-s0meb0dy")], "t0k3n-0f-s0meb0dy"),
        ([("AUTHORIZATION", "Basic YWxpY2U6aGVyIHBhc3N3b3Jk")], "alice:her password"),
        ([("Authorization", "Negotiate not/base64/at/all!")], "not/base64/at/all!"),
    ],
    ids=["cookie", "bearer", "basic", "malformed"],
)
def test_fields(secrets_guard: SecretsGuard, fields: list[tuple[str, str]], secret: str) -> None:
    """Cookies and credentials that a test sends are found, as they were sent and decoded."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    async def no_lifespan(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await app(scope, receive, send)

    with Uvicorn(no_lifespan, lifespan="off") as server:
        assert get(server.address, "/", fields=fields).status == 204
    assert secrets_guard.search() == []
    if secret in fields[0][1]:
        log.warning("%s", secret)
    else:
        log.warning("%s", secret.encode().hex())
    assert secrets_guard.search() != []


def test_tokens_are_forgotten() -> None:
    """A token counts in the test that it was used in, and in the next, where a server may still log it."""
    secrets = Secrets()
    token = os.urandom(600)
    secrets.note_token(token)
    assert secrets.find(token.hex()) != []
    secrets.forget()
    assert secrets.find(token.hex()) != []
    secrets.forget()
    assert secrets.find(token.hex()) == []
