"""Secrets that are known, and how they are found in a text, in whatever form it shows them."""

from __future__ import annotations

import base64
import binascii
import functools
import re
from collections.abc import Iterable

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
# [MS-NLMP], section 2.2.1.1: what tests send of NTLM says nothing of any user.
_NTLM_NEGOTIATE = b"NTLMSSP\0\1"


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
