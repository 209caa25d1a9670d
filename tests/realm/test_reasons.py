"""The reasons that the real library's refusals come to: in the log's words, and in any language."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import gssapi.raw as gss
import pytest

from async_kerberos import AuthRequest, Denied, Kerberos, Reason
from async_kerberos.testing import Realm, User

from ..support.initiator import KRB5, MUTUAL, ONE_WAY, SPNEGO, fresh, shift_clock

_ROOT = Path(__file__).parents[2]

# Of the languages that Debian's package krb5-locales has.
_GERMAN = {"LC_ALL": "C.UTF-8", "LANGUAGE": "de"}
_PROGRAM = """
import locale, sys
from async_kerberos import AuthRequest, Kerberos
locale.setlocale(locale.LC_ALL, "")
kerberos = Kerberos(hostname="*")
for authorization in sys.stdin.read().splitlines():
    outcome = kerberos.authenticate_blocking(AuthRequest((authorization,)))
    print(getattr(outcome, "reason", None) and outcome.reason.name)
print(Kerberos(keytab="/no/such/keytab").authenticate_blocking(AuthRequest((authorization,))).reason.name)
import gssapi.raw as gss
try:
    gss.accept_sec_context(b"garbage")
except gss.GSSError as error:
    print(error.get_all_statuses(error.maj_code, True)[0])
"""


def test_key_version(realm: Realm, signed_in: User, caplog: pytest.LogCaptureFixture) -> None:
    """The log says for which version of the key a ticket was made, and which versions the keytab holds."""
    service = realm.service("HTTP/versions.realm.test")
    realm.rekey(service)
    realm.rekey(service, update_keytab=False)
    outcome = Kerberos(hostname="*").authenticate_blocking(AuthRequest((fresh("HTTP@versions.realm.test"),)))
    assert isinstance(outcome, Denied)
    assert (outcome.status, outcome.reason) == (403, Reason.KEY_VERSION)
    assert "kvno 3 not found in keytab" in caplog.text
    assert "the keytab holds kvno 1, 2)" in caplog.text


@pytest.fixture(scope="module")
def kinds(realm: Realm) -> None:
    """Services whose tickets are refused."""
    realm.service("cifs/kinds.realm.test")
    realm.service("HTTP/gone.realm.test", keytab="gone.keytab")
    realm.rekey(realm.service("HTTP/stale.realm.test"), update_keytab=False)


@pytest.mark.usefixtures("kinds")
@pytest.mark.parametrize("mech", [SPNEGO, KRB5], ids=["spnego", "raw"])
@pytest.mark.parametrize("flags", [MUTUAL, ONE_WAY], ids=["mutual", "one-way"])
def test_every_kind_of_client(signed_in: User, tmp_path: Path, mech: gss.OID, flags: int) -> None:
    """The reason is the same whether or not the client asks for mutual authentication, with SPNEGO and without."""

    def reason(target: str, hostname: str = "*", ccache: Path | None = None, times: int = 1) -> Reason | None:
        request = AuthRequest((fresh(target, mech=mech, flags=flags, ccache=ccache),))
        outcomes = [Kerberos(hostname=hostname).authenticate_blocking(request) for _ in range(times)]
        return outcomes[-1].reason if isinstance(outcomes[-1], Denied) else None

    www = "HTTP@www.example.test"
    assert reason(www) is None
    assert reason(www, times=2) is Reason.REPLAY
    for hostname in ("*", "www.example.test"):
        assert reason("cifs@kinds.realm.test", hostname) is Reason.WRONG_SERVICE
    assert reason("HTTP@stale.realm.test") is Reason.KEY_VERSION
    assert reason("HTTP@gone.realm.test") is Reason.UNKNOWN_KEY
    ccache = tmp_path / "skewed"
    shutil.copy(signed_in.ccache, ccache)
    shift_clock(ccache, 3600)
    assert reason(www, ccache=ccache) is Reason.CLOCK_SKEW


def test_another_language(realm: Realm, signed_in: User) -> None:
    """In a process that speaks another language than English, the reasons are the same."""
    realm.service("cifs/language.realm.test")
    stale = realm.service("HTTP/language.realm.test")
    replayed = fresh()
    tokens = [replayed, replayed]
    realm.rekey(stale, update_keytab=False)
    tokens.append(fresh("HTTP@language.realm.test"))
    result = subprocess.run(
        [sys.executable, "-c", _PROGRAM],
        input="\n".join(tokens),
        env={**os.environ, **_GERMAN},
        cwd=_ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    *reasons, control = result.stdout.splitlines()
    assert reasons == ["None", "REPLAY", "KEY_VERSION", "MISCONFIGURED"]
    # The library does have its messages in German: otherwise nothing has been tried.
    assert not control.isascii(), control
