"""What every measurement needs: a realm, a keytab, and tokens that were made beforehand."""

from __future__ import annotations

import base64
import contextlib
import os
import tempfile
from collections.abc import Generator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import gssapi.raw as gss

from async_kerberos.testing import Realm, User

from .apps import HOSTNAME

_SPNEGO = gss.OID.from_int_seq("1.3.6.1.5.5.2")
# All tokens are made before the first is used. After the default, five minutes, the last ones would be too old.
_CLOCK_SKEW_SECONDS = 24 * 3600


@dataclass(frozen=True)
class Scene:
    """A realm with one user and one service.

    Attributes:
        realm: the realm.
        user: the user.
        folder: for files that a measurement needs.
    """

    realm: Realm
    user: User
    folder: Path

    def server_env(self, keytab: Path | None = None) -> dict[str, str]:
        """The environment of a server: the keytab, and a replay cache of its own, which is empty.

        Every server, also a peer's, has the library's default: a replay cache in a file. Each file is another one, so
        each server accepts each token once.

        Args:
            keytab: another keytab than the realm's.
        """
        replay_cache = tempfile.mkdtemp(prefix="rcache-", dir=self.folder)
        env = {**os.environ, **self.realm.env, "KRB5RCACHEDIR": replay_cache}
        return env if keytab is None else {**env, "KRB5_KTNAME": f"FILE:{keytab}"}

    def tokens(self, count: int, ccache: Path | None = None) -> list[bytes]:
        """Make tokens for the service, on all cores.

        Args:
            count: how many.
            ccache: the ticket cache; None for the user's.
        """
        processes = os.cpu_count() or 1
        share = -(-count // processes)
        env = {**self.realm.env, "KRB5CCNAME": f"FILE:{ccache or self.user.ccache}"}
        context = get_context("spawn")  # after a fork, the library would still know the old environment
        with ProcessPoolExecutor(processes, mp_context=context, initializer=_use, initargs=(env,)) as pool:
            made = [token for tokens in pool.map(make_tokens, [share] * processes) for token in tokens]
        return made[:count]


def _use(env: dict[str, str]) -> None:
    os.environ.update(env)


def make_tokens(count: int) -> list[bytes]:
    """Make first tokens for the service, with the ticket cache that the environment names."""
    name = gss.import_name(f"HTTP@{HOSTNAME}".encode(), gss.NameType.hostbased_service)
    flags = int(gss.RequirementFlag.mutual_authentication)
    tokens: list[bytes] = []
    for _ in range(count):
        made: Any = gss.init_sec_context(name, mech=_SPNEGO, flags=flags)
        tokens.append(made.token)
    return tokens


@contextlib.contextmanager
def open_scene() -> Generator[Scene, None, None]:
    """Set up a realm whose tokens stay good for the whole run."""
    with (
        Realm(krb5_conf={"libdefaults": {"clockskew": str(_CLOCK_SKEW_SECONDS)}}) as realm,
        tempfile.TemporaryDirectory(prefix="async-kerberos-bench-") as folder,
    ):
        realm.service(f"HTTP/{HOSTNAME}")
        Path(folder).chmod(0o755)  # Apache's processes may be another user's
        yield Scene(realm, realm.user("alice"), Path(folder))


def requests(tokens: Sequence[bytes]) -> list[bytes]:
    """One HTTP request for each token, as bytes to send; without a token where that is empty."""
    return [request(f"Negotiate {base64.b64encode(token).decode()}" if token else None) for token in tokens]


def request(authorization: str | None = None, path: str = "/") -> bytes:
    """An HTTP request, as bytes to send."""
    field = f"Authorization: {authorization}\r\n" if authorization else ""
    return f"GET {path} HTTP/1.1\r\nHost: {HOSTNAME}\r\n{field}\r\n".encode()
