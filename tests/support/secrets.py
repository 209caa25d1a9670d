"""Guard that fails a test if a token, a key, a password or a cookie is shown anywhere: in a log record of whatever
level, in the output of a subprocess, or in that of the tests themselves.

Secrets are noted as they pass by: tokens where GSSAPI takes and makes them, fields of requests where they are sent and
where they are parsed, passwords and keys where the realm makes them.
"""

from __future__ import annotations

import base64
import binascii
import functools
import itertools
import logging
import os
import re
import struct
import subprocess
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import gssapi.raw as gss
import gssapi.raw.sec_contexts
import pytest

from async_kerberos import AuthRequest, Kerberos
from async_kerberos.testing import Realm

from .http import Connection

# A secret is known by pieces of this length, in bytes, one after the other: any 11 bytes of it have a whole one in
# them. Three bytes, which `async-kerberos demo` shows of a token, have none.
_PIECE = 6
# Padding, and what tests make up of one letter, is nobody's secret.
_LETTERS = 4
# Shorter texts that a test sends as a cookie or credentials may be words of the log.
_TEXT = 8

_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{11,}")
_HEX = re.compile(r"(?:[0-9A-Fa-f]{2}[ :]?){6,}")
# As repr() writes bytes, also where the repr of a repr has more backslashes.
_ESCAPED = re.compile(r"""\\+(?:x([0-9A-Fa-f]{2})|u00([0-9A-Fa-f]{2})|([tnr'"\\]))""")
_NOT_ASCII = re.compile(rb"[\x80-\xff]")
_CONTROLS = {"t": "\t", "n": "\n", "r": "\r"}

# Packages that say on the level DEBUG what they send and get, Authorization included: clients and codecs. uvicorn lends
# its logger to websockets, so the place of the call counts and not the logger's name.
_SAY_ALL = ("httpcore", "requests_gssapi", "requests_kerberos", "httpx_gssapi", "spnego", "hpack", "websockets")
_SAYS_ALL = re.compile(rf"/(?:{'|'.join(_SAY_ALL)})/")

# [MS-NLMP], section 2.2.1.1: what tests send of NTLM says nothing of any user.
_NTLM_NEGOTIATE = b"NTLMSSP\0\1"

_STANDARD = frozenset(vars(logging.makeLogRecord({})))


class Secrets:
    """What must not be shown, and the search for it.

    Tokens and fields are forgotten two tests later, since a server may log a request when its test is over. Keys and
    passwords last.
    """

    def __init__(self) -> None:
        self._lasting_pieces: set[bytes] = set()
        self._lasting_texts: set[str] = set()
        # Of this test and of the one before.
        self._tokens: list[set[bytes]] = [set(), set()]
        self._fields: list[set[tuple[str, str]]] = [set(), set()]

    def note_token(self, token: bytes | None) -> None:
        """Note what one side of an exchange sends."""
        if token and _NTLM_NEGOTIATE not in token:
            self._tokens[0].add(token)

    def note_field(self, name: str, value: str) -> None:
        """Note a field of a request, if it is one that has secrets."""
        if name.lower() in ("authorization", "cookie"):
            self._fields[0].add((name.lower(), value))

    def note_key(self, key: bytes) -> None:
        """Note a key, for good."""
        self._lasting_pieces |= _pieces(key)

    def note_password(self, password: str) -> None:
        """Note a password, for good."""
        self._lasting_texts |= {password, password[: len(password) // 2], password[len(password) // 2 :]}
        self._lasting_texts = {text for text in self._lasting_texts if len(text) >= _TEXT}
        self.note_key(password.encode())

    def forget(self) -> None:
        """Forget tokens and fields of the test before the last."""
        self._tokens = [set(), self._tokens[0]]
        self._fields = [set(), self._fields[0]]

    def find(self, text: str) -> list[str]:
        """Which parts of the text show a secret, and in what form."""
        # Servers' threads may go on adding.
        binaries = {token for tokens in self._tokens for token in tokens.copy()}
        texts = set(self._lasting_texts)
        for name, value in (field for fields in self._fields for field in fields.copy()):
            for secret in _secrets_of(name, value):
                if isinstance(secret, bytes):
                    if _NTLM_NEGOTIATE not in secret:
                        binaries.add(secret)
                elif len(secret) >= _TEXT:
                    texts.add(secret)
        found = [f"in clear: {secret!r}" for secret in texts if secret in text and len(set(secret)) >= _LETTERS]
        shown = _shown(text)
        if shown:
            known = self._lasting_pieces.union(*map(_pieces, binaries))
            for form, where, pieces in shown:
                if any(len(set(piece)) >= _LETTERS for piece in known & pieces):
                    found.append(f"in {form}: {where}")
        return found


def _secrets_of(name: str, value: str) -> list[str | bytes]:
    if name == "cookie":
        return [cookie.partition("=")[2].strip() for cookie in value.split(";")]
    credentials = value.strip().partition(" ")[2].strip()
    try:
        return [base64.b64decode(credentials, validate=True)]
    except (binascii.Error, ValueError):
        return [credentials]


def _pieces(secret: bytes) -> set[bytes]:
    return {secret[start : start + _PIECE] for start in range(0, len(secret) - _PIECE + 1, _PIECE)}


def _windows(data: bytes, starts: Iterable[int]) -> frozenset[bytes]:
    return frozenset(data[start : start + _PIECE] for start in starts)


def _shown(text: str) -> list[tuple[str, str, frozenset[bytes]]]:
    """Everything in a text that may stand for bytes: the form, the place, and every piece of what it stands for."""
    shown = [("base64", run, _from_base64(run)) for run in set(_BASE64.findall(text))]
    shown += [("hex", run, _from_hex(run)) for run in set(_HEX.findall(text))]
    if "\\" in text or not text.isascii():
        shown += [("bytes", ascii(line), _from_escapes(line)) for line in set(text.split("\n"))]
    return shown


@functools.lru_cache(2048)
def _from_base64(run: str) -> frozenset[bytes]:
    run = run.replace("-", "+").replace("_", "/")
    pieces: frozenset[bytes] = frozenset()
    for start in range(4):
        part = run[start : start + (len(run) - start) // 4 * 4]
        data = base64.b64decode(part)
        pieces |= _windows(data, range(len(data) - _PIECE + 1))
    return pieces


@functools.lru_cache(2048)
def _from_hex(run: str) -> frozenset[bytes]:
    digits = run.replace(" ", "").replace(":", "")
    pieces: frozenset[bytes] = frozenset()
    for start in range(2):
        data = bytes.fromhex(digits[start : start + (len(digits) - start) // 2 * 2])
        pieces |= _windows(data, range(len(data) - _PIECE + 1))
    return pieces


def _from_escapes(line: str) -> frozenset[bytes]:
    """Every piece with a byte beyond ASCII: what is all ASCII is the log's own text, or nearly all of its tokens."""
    data = _ESCAPED.sub(_unescape, line).encode("latin-1", "replace")
    starts = {
        start
        for match in _NOT_ASCII.finditer(data)
        for start in range(max(0, match.start() - _PIECE + 1), match.start() + 1)
    }
    return _windows(data, starts)


def _unescape(escape: re.Match[str]) -> str:
    one, two, control = escape.groups()
    return chr(int(one or two, 16)) if control is None else _CONTROLS.get(control, control)


def keytab_keys(content: bytes) -> Iterator[bytes]:
    """The keys in a keytab, as MIT's documentation of its format (version 2) has it."""
    assert content[:2] == b"\x05\x02", "not a keytab of version 2"
    place = 2
    while place < len(content):
        (size,) = struct.unpack_from(">i", content, place)
        place += 4
        if size > 0:  # what is negative is a hole
            yield _keytab_key(content[place : place + size])
        place += abs(size)


def _keytab_key(entry: bytes) -> bytes:
    (components,) = struct.unpack_from(">H", entry)
    place = 2
    for _ in range(components + 1):  # the realm comes first
        (length,) = struct.unpack_from(">H", entry, place)
        place += 2 + length
    place += 9  # type of the name, time, key version
    _, length = struct.unpack_from(">HH", entry, place)
    return entry[place + 4 : place + 4 + length]


def ccache_keys(content: bytes) -> Iterator[bytes]:
    """The session keys in a ticket cache, as MIT's documentation of its format (version 4) has it."""
    assert content[:2] == b"\x05\x04", "not a ticket cache of version 4"
    (header,) = struct.unpack_from(">H", content, 2)
    place = _after_principal(content, 4 + header)
    while place < len(content):
        place = _after_principal(content, _after_principal(content, place))
        _, length = struct.unpack_from(">HI", content, place)
        place += 6
        if length > 1:  # a cache keeps settings of its own in the form of tickets
            yield content[place : place + length]
        place += length + 16 + 1 + 4  # times, is_skey, flags
        for _ in range(2):  # addresses, authorization data
            (count,) = struct.unpack_from(">I", content, place)
            place += 4
            for _ in range(count):
                place = _after_data(content, place + 2)
        place = _after_data(content, _after_data(content, place))  # the ticket, and a second one


def _after_principal(content: bytes, place: int) -> int:
    _, components = struct.unpack_from(">II", content, place)
    place += 8
    for _ in range(components + 1):  # the realm comes first
        place = _after_data(content, place)
    return place


def _after_data(content: bytes, place: int) -> int:
    (length,) = struct.unpack_from(">I", content, place)
    return place + 4 + int(length)


class KeyFiles:
    """The keytabs and ticket caches in realms' folders, read again whenever they have changed."""

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets
        self._folders: dict[Path, int] = {}
        self._files: dict[Path, tuple[int, int]] = {}

    def watch(self, folder: Path) -> None:
        """Look at this folder from now on."""
        self._folders.setdefault(folder, 0)

    def read(self) -> None:
        """Note all keys that are new."""
        for folder, changed in list(self._folders.items()):
            try:
                now = folder.stat().st_mtime_ns
                if now != changed:
                    self._folders[folder] = now
                    for entry in folder.iterdir():
                        if entry.name.endswith(("keytab", ".ccache")):
                            self._files.setdefault(entry, (0, 0))
            except FileNotFoundError:
                del self._folders[folder]
        for path, state in list(self._files.items()):
            try:
                status = path.stat()
            except FileNotFoundError:
                del self._files[path]
                continue
            now_state = (status.st_mtime_ns, status.st_size)
            if now_state != state:
                self._files[path] = now_state
                self.read_file(path)

    def read_file(self, path: Path) -> None:
        """Note the keys of a file; of one that a test has damaged, as many as there are."""
        content = path.read_bytes() if path.is_file() else b""
        keys = {b"\x05\x02": keytab_keys, b"\x05\x04": ccache_keys}.get(content[:2])
        try:
            for key in keys(content) if keys else ():
                self._secrets.note_key(key)
        except struct.error:
            pass


class _Output:
    """What a subprocess writes into a file."""

    def __init__(self, process: subprocess.Popen[Any], path: Path) -> None:
        self._process = process
        self._path = path
        self._read = 0

    def take(self) -> tuple[str, bool]:
        """What is new, and whether there may be more."""
        ended = self._process.returncode is not None
        try:
            with self._path.open("rb") as file:
                file.seek(self._read)
                new = file.read()
        except FileNotFoundError:
            return "", False
        self._read += len(new)
        return new.decode("latin-1"), not ended


class SecretsGuard:
    """Notes secrets and whatever is logged, until it is removed.

    Attributes:
        secrets: what is known.
    """

    def __init__(self) -> None:
        self.secrets = Secrets()
        self._shown: deque[tuple[str, str]] = deque()
        self._outputs: list[_Output] = []
        self._files = KeyFiles(self.secrets)
        self._patch = pytest.MonkeyPatch()

    def install(self) -> None:
        """Begin."""
        self._watch_gssapi()
        self._watch_fields()
        self._watch_realms()
        self._watch_logging()
        self._watch_subprocesses()

    def remove(self) -> None:
        """Put everything back."""
        self._patch.undo()

    def show(self, where: str, text: str) -> None:
        """Take a text in that :meth:`search` will look at."""
        self._shown.append((where, text))

    def search(self) -> list[str]:
        """What of all that was shown since the last time is a secret."""
        self._take_outputs()
        shown: list[tuple[str, str]] = []
        while self._shown:  # other threads may go on logging
            shown.append(self._shown.popleft())
        if not shown:
            return []
        self._files.read()
        # One look at all of it, and a closer one only where that finds something.
        if not self.secrets.find("\n".join({text for _, text in shown})):
            return []
        return [f"{where}: {found}" for where, text in shown for found in self.secrets.find(text)]

    def printed(self, *texts: str) -> list[str]:
        """What of these texts, which the test has printed, is a secret."""
        return self.secrets.find("\n".join(texts))

    def forget(self) -> None:
        """The test is over."""
        self.secrets.forget()

    def _replace(self, owner: Any, name: str, wrap: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
        original = getattr(owner, name)
        self._patch.setattr(owner, name, functools.wraps(original)(wrap(original)))

    def _watch_gssapi(self) -> None:
        def accepting(original: Callable[..., Any]) -> Callable[..., Any]:
            def accept(token: bytes, *args: Any, **kwargs: Any) -> Any:
                self.secrets.note_token(token)
                accepted = original(token, *args, **kwargs)
                self.secrets.note_token(accepted.token)
                return accepted

            return accept

        def initiating(original: Callable[..., Any]) -> Callable[..., Any]:
            def initiate(*args: Any, **kwargs: Any) -> Any:
                begun = original(*args, **kwargs)
                self.secrets.note_token(begun.token)
                return begun

            return initiate

        # gssapi.SecurityContext looks them up in the module where they are defined, others in the package.
        for module in (gss, gssapi.raw.sec_contexts):
            self._replace(module, "accept_sec_context", accepting)
            self._replace(module, "init_sec_context", initiating)

    def _watch_fields(self) -> None:
        def sending(original: Callable[..., Any]) -> Callable[..., Any]:
            def send_head(connection: Connection, path: str, authorization: str | None = None, **options: Any) -> None:
                options["fields"] = list(options.get("fields", ()))
                for name, value in (*options["fields"], ("Authorization", authorization or "")):
                    self.secrets.note_field(name, value)
                original(connection, path, authorization, **options)

            return send_head

        def authenticating(original: Callable[..., Any]) -> Callable[..., Any]:
            def authenticate(kerberos: Kerberos, request: AuthRequest, *arguments: Any) -> Any:
                for value in request.authorization:
                    self.secrets.note_field("Authorization", value)
                return original(kerberos, request, *arguments)

            return authenticate

        self._replace(Connection, "send_head", sending)
        self._replace(Kerberos, "authenticate", authenticating)
        self._replace(Kerberos, "authenticate_blocking", authenticating)

    def _watch_realms(self) -> None:
        def administrating(original: Callable[..., Any]) -> Callable[..., Any]:
            def kadmin(realm: Realm, arguments: Any, answers: str = "") -> Any:
                self._files.watch(realm.folder)
                given = list(itertools.pairwise(arguments))
                for password in (*answers.splitlines(), *(argument for option, argument in given if option == "-pw")):
                    self.secrets.note_password(password)
                said = original(realm, arguments, answers)
                for option, argument in given:
                    if option == "-k":
                        self._files.read_file(Path(argument.removeprefix("FILE:")))
                return said

            return kadmin

        def stopping(original: Callable[..., Any]) -> Callable[..., Any]:
            def stop(realm: Realm) -> None:
                # Last moment: keys and logs are in its folder.
                self._files.read()
                self._take_outputs()
                original(realm)

            return stop

        self._replace(Realm, "_kadmin", administrating)
        self._replace(Realm, "stop", stopping)

    def _watch_logging(self) -> None:
        enabled = logging.Logger.isEnabledFor

        def handling(original: Callable[..., Any]) -> Callable[..., Any]:
            def handle(logger: logging.Logger, record: logging.LogRecord) -> None:
                if record.levelno > logging.DEBUG or not _SAYS_ALL.search(record.pathname):
                    self.show(f"{record.levelname} of {record.name}", _text(record))
                if enabled(logger, record.levelno):
                    original(logger, record)

            return handle

        def enabling(_: Callable[..., Any]) -> Callable[..., Any]:
            return lambda *_: True

        # Records are made on every level of every logger, and go on to the handlers only where they would have.
        self._replace(logging.Logger, "isEnabledFor", enabling)
        self._replace(logging.Logger, "handle", handling)

    def _watch_subprocesses(self) -> None:
        def beginning(original: Callable[..., Any]) -> Callable[..., Any]:
            def begin(process: subprocess.Popen[Any], *args: Any, **kwargs: Any) -> None:
                original(process, *args, **kwargs)
                # Everybody on a machine can read them.
                self.show("arguments of a process", _arguments(process.args))
                for stream in {kwargs.get("stdout"), kwargs.get("stderr")}:
                    name = getattr(stream, "name", None)
                    if isinstance(name, str):
                        self._outputs.append(_Output(process, Path(name)))

            return begin

        def communicating(original: Callable[..., Any]) -> Callable[..., Any]:
            def communicate(process: subprocess.Popen[Any], *args: Any, **kwargs: Any) -> Any:
                outputs = original(process, *args, **kwargs)
                for output in outputs:
                    if output:
                        self.show(str(process.args), output if isinstance(output, str) else output.decode("latin-1"))
                return outputs

            return communicate

        self._replace(subprocess.Popen, "__init__", beginning)
        self._replace(subprocess.Popen, "communicate", communicating)

    def _take_outputs(self) -> None:
        for output in list(self._outputs):
            text, goes_on = output.take()
            if text:
                self.show("a subprocess", text)
            if not goes_on:
                self._outputs.remove(output)


def _arguments(arguments: Any) -> str:
    several = [arguments] if isinstance(arguments, (str, bytes)) else list(arguments)
    return "\n".join(os.fsdecode(argument) for argument in several)


def _text(record: logging.LogRecord) -> str:
    """All that a handler could make of a record."""
    try:
        parts = [record.getMessage()]
    except Exception as error:
        parts = [str(record.msg), repr(error)]
    if record.args:
        parts.append(repr(record.args))
    if record.exc_info and record.exc_info[1] is not None:
        parts += traceback.format_exception(record.exc_info[1])
    if record.stack_info:
        parts.append(record.stack_info)
    if record.__dict__.keys() > _STANDARD:  # attributes given as ``extra``
        parts += [repr(value) for name, value in record.__dict__.items() if name not in _STANDARD]
    return "\n".join(parts)
