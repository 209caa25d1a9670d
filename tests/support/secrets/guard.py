"""Guard that fails a test if a token, a key, a password or a cookie is shown anywhere: in a log record of whatever
level, in the output of a subprocess, or in that of the tests themselves.

Secrets are noted as they pass by: tokens where GSSAPI takes and makes them, fields of requests where they are sent and
where they are parsed, passwords and keys where the realm makes them.
"""

from __future__ import annotations

import functools
import itertools
import logging
import os
import re
import subprocess
import traceback
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gssapi.raw as gss
import gssapi.raw.sec_contexts
import pytest

from async_kerberos import AuthRequest, Kerberos
from async_kerberos.testing import Realm

from ..http import Connection
from .find import Secrets
from .keys import KeyFiles

# Packages that say on the level DEBUG what they send and get, Authorization included: clients and codecs. uvicorn lends
# its logger to websockets, so the place of the call counts and not the logger's name.
_SAY_ALL = ("httpcore", "requests_gssapi", "requests_kerberos", "httpx_gssapi", "spnego", "hpack", "websockets")
_SAYS_ALL = re.compile(rf"/(?:{'|'.join(_SAY_ALL)})/")
_STANDARD = frozenset(vars(logging.makeLogRecord({})))


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
