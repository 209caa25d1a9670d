"""Three realms that trust each other in a row: a user of the first has tickets for a service of the last."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path
from types import TracebackType
from typing import Any

from async_kerberos.testing import Realm, User

from .initiator import fresh

FIRST, MIDDLE, LAST = "ONE.TEST", "TWO.TEST", "THREE.TEST"


class Crossing:
    """The realms, running.

    Nobody but the user's side knows that the way by the middle is meant to be (``[capaths]``), and the last KDC leaves
    it to the service to judge it.

    Args:
        keytab: to put the service's keys into.
        host: the service's host name.
    """

    def __init__(self, keytab: Path, host: str = "crossing.example.test") -> None:
        self._keytab = keytab
        self._principal = f"HTTP/{host}@{LAST}"
        self._realms = {
            name: Realm(name=name, krb5_conf={"realms": {name: {"reject_bad_transit": "false"}}})
            for name in (FIRST, MIDDLE, LAST)
        }
        self._stack = contextlib.ExitStack()
        self._user: User | None = None
        self._configuration = ""

    def __enter__(self) -> Crossing:
        with contextlib.ExitStack() as stack:
            for realm in self._realms.values():
                stack.enter_context(realm)
            self._build()
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stack.close()

    def _build(self) -> None:
        for here, there in ((FIRST, MIDDLE), (MIDDLE, LAST)):
            password = secrets.token_urlsafe(18)
            for realm in (self._realms[here], self._realms[there]):
                realm.user(f"krbtgt/{there}@{here}", password=password, ticket=False)
        self._realms[LAST].service(self._principal, keytab=self._keytab)
        self._user = self._realms[FIRST].user("alice")
        client = self._realms[FIRST].folder / "client.conf"
        client.write_text(
            f"[libdefaults]\n\tdefault_realm = {FIRST}\n[capaths]\n\t{FIRST} = {{\n\t\t{LAST} = {MIDDLE}\n\t}}\n"
        )
        files = [str(client), *(realm.env["KRB5_CONFIG"] for realm in self._realms.values())]
        self._configuration = ":".join(files)

    def fresh(self, **options: Any) -> str:
        """The value of ``Authorization`` with a new token of the user's."""
        assert self._user is not None
        before = os.environ.get("KRB5_CONFIG")
        os.environ["KRB5_CONFIG"] = self._configuration
        try:
            return fresh(self._principal, ccache=self._user.ccache, **options)
        finally:
            if before is None:
                del os.environ["KRB5_CONFIG"]
            else:
                os.environ["KRB5_CONFIG"] = before
