"""The reasons that the real library's refusals come to: in the log's words, and in any language."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import gssapi.raw as gss
import pytest

from async_kerberos import Accepted, Denied, Kerberos, Reason
from async_kerberos.testing import Realm, Service, User

from ..support.asking import auth_request
from ..support.crossing import Crossing
from ..support.deployments import add_service_of_type
from ..support.forge import break_pac, edit_ticket
from ..support.initiator import KRB5, MUTUAL, ONE_WAY, SPNEGO, Initiator, fresh, negotiate, shift_clock

_ROOT = Path(__file__).parents[2]

# Of the languages that Debian's package krb5-locales has.
_GERMAN = {"LC_ALL": "C.UTF-8", "LANGUAGE": "de"}
_PROGRAM = """
import locale, sys
from async_kerberos import Accepted, AuthRequest, Kerberos
locale.setlocale(locale.LC_ALL, "")
kerberos = Kerberos(hostname="*")
for authorization in sys.stdin.read().splitlines():
    request = AuthRequest({"authorization": [authorization]})
    outcome = kerberos.authenticate_blocking(request)
    print(getattr(outcome, "reason", None) and outcome.reason.name)
print(Kerberos(keytab="/no/such/keytab").authenticate_blocking(request).reason.name)
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
    outcome = Kerberos(hostname="*").authenticate_blocking(auth_request((fresh("HTTP@versions.realm.test"),)))
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
    add_service_of_type(realm, "HTTP/notype.realm.test", "aes128-cts", "aes256-cts")
    add_service_of_type(realm, "HTTP/session.realm.test", "aes128-cts")
    realm.kadmin("setstr", "HTTP/session.realm.test", "session_enctypes", "aes256-cts")
    for name in ("arcfour-hmac", "des3-cbc-sha1"):
        add_service_of_type(realm, f"HTTP/{name}.realm.test", name)


@pytest.fixture(scope="module")
def crossing(realm: Realm) -> Generator[Crossing, None, None]:
    """Realms that somebody's tickets cross."""
    with Crossing(realm.keytab, "crossing.realm.test") as crossing:
        yield crossing


@pytest.mark.usefixtures("kinds")
@pytest.mark.parametrize("mech", [SPNEGO, KRB5], ids=["spnego", "raw"])
@pytest.mark.parametrize("flags", [MUTUAL, ONE_WAY], ids=["mutual", "one-way"])
def test_every_kind_of_client(signed_in: User, tmp_path: Path, mech: gss.OID, flags: int) -> None:
    """The reason is the same whether or not the client asks for mutual authentication, with SPNEGO and without."""

    def reason(target: str, hostname: str = "*", ccache: Path | None = None, times: int = 1) -> Reason | None:
        request = auth_request((fresh(target, mech=mech, flags=flags, ccache=ccache),))
        outcomes = [Kerberos(hostname=hostname).authenticate_blocking(request) for _ in range(times)]
        return outcomes[-1].reason if isinstance(outcomes[-1], Denied) else None

    www = "HTTP@www.example.test"
    assert reason(www) is None
    assert reason(www, times=2) is Reason.REPLAY
    for hostname in ("*", "www.example.test"):
        assert reason("cifs@kinds.realm.test", hostname) is Reason.WRONG_SERVICE
    assert reason("HTTP@stale.realm.test") is Reason.KEY_VERSION
    for hostname in ("*", "www.example.test"):
        assert reason("HTTP@gone.realm.test", hostname) is Reason.UNKNOWN_KEY
    for hostname in ("*", "notype.realm.test"):
        assert reason("HTTP@notype.realm.test", hostname) is Reason.KEY_TYPE
    ccache = tmp_path / "skewed"
    shutil.copy(signed_in.ccache, ccache)
    shift_clock(ccache, 3600)
    assert reason(www, ccache=ccache) is Reason.CLOCK_SKEW


BY_KIND = pytest.mark.parametrize(
    ("mech", "flags"),
    [(mech, flags) for mech in (SPNEGO, KRB5) for flags in (MUTUAL, ONE_WAY)],
    ids=["spnego-mutual", "spnego-one-way", "raw-mutual", "raw-one-way"],
)


def denied(kerberos: Kerberos, authorization: str) -> Denied:
    outcome = kerberos.authenticate_blocking(auth_request((authorization,)))
    assert isinstance(outcome, Denied), outcome
    return outcome


@BY_KIND
@pytest.mark.usefixtures("kinds")
def test_key_type(signed_in: User, mech: gss.OID, flags: int, caplog: pytest.LogCaptureFixture) -> None:
    """Where the keytab has no key of the ticket's type, the log says which types there are, by the names of RFCs."""
    authorization = fresh("HTTP@notype.realm.test", mech=mech, flags=flags)
    outcome = denied(Kerberos(hostname="notype.realm.test"), authorization)
    assert (outcome.status, outcome.reason) == (403, Reason.KEY_TYPE)
    assert "kvno 1 found in keytab but not with enctype aes256-cts" in caplog.text
    assert "the keytab holds aes128-cts-hmac-sha1-96)" in caplog.text


@BY_KIND
@pytest.mark.parametrize("hostname", ["one", "any"])
@pytest.mark.parametrize(("name", "said"), [("arcfour-hmac", "rc4-hmac"), ("des3-cbc-sha1", "des3-cbc-sha1")])
@pytest.mark.usefixtures("kinds")
def test_forbidden_encryption(
    signed_in: User,
    mech: gss.OID,
    flags: int,
    hostname: str,
    name: str,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A key of a type that krb5.conf forbids is called that, and the type is named; permitted, it lets users in."""
    host = f"{name}.realm.test"
    kerberos = Kerberos(hostname=host if hostname == "one" else "*")
    assert isinstance(
        kerberos.authenticate_blocking(auth_request((fresh(f"HTTP@{host}", mech=mech, flags=flags),))), Accepted
    )
    authorization = fresh(f"HTTP@{host}", mech=mech, flags=flags)
    strict = tmp_path / "krb5.conf"
    strict.write_text("[libdefaults]\npermitted_enctypes = aes256-cts aes128-cts\n")
    monkeypatch.setenv("KRB5_CONFIG", f"{strict}:{os.environ['KRB5_CONFIG']}")
    outcome = denied(kerberos, authorization)
    assert (outcome.status, outcome.reason) == (403, Reason.FORBIDDEN_ENCRYPTION)
    assert f"the ticket is encrypted with {said})" in caplog.text


@BY_KIND
@pytest.mark.usefixtures("kinds")
def test_forbidden_session_key(
    signed_in: User,
    mech: gss.OID,
    flags: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A session key of a forbidden type is refused, though the type of the service's key is allowed."""
    authorization = fresh("HTTP@session.realm.test", mech=mech, flags=flags)
    strict = tmp_path / "krb5.conf"
    strict.write_text("[libdefaults]\npermitted_enctypes = aes128-cts\n")
    monkeypatch.setenv("KRB5_CONFIG", f"{strict}:{os.environ['KRB5_CONFIG']}")
    outcome = denied(Kerberos(hostname="session.realm.test"), authorization)
    assert (outcome.status, outcome.reason) == (403, Reason.FORBIDDEN_ENCRYPTION)
    assert "the session key is of the type aes256-cts-hmac-sha1-96)" in caplog.text


@BY_KIND
def test_crossing(crossing: Crossing, mech: gss.OID, flags: int, caplog: pytest.LogCaptureFixture) -> None:
    """A ticket by way of a realm that nobody has called trusted is refused, and by a realm that is, accepted."""
    kerberos = Kerberos(hostname="crossing.realm.test")
    outcome = denied(kerberos, crossing.fresh(mech=mech, flags=flags))
    assert (outcome.status, outcome.reason) == (403, Reason.TRANSIT)
    assert "[capaths]" in caplog.text


@BY_KIND
def test_crossing_trusted(
    crossing: Crossing, mech: gss.OID, flags: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the remedy that the log names, the user gets in."""
    trusting = tmp_path / "krb5.conf"
    trusting.write_text("[capaths]\n\tONE.TEST = {\n\t\tTHREE.TEST = TWO.TEST\n\t}\n")
    monkeypatch.setenv("KRB5_CONFIG", f"{trusting}:{os.environ['KRB5_CONFIG']}")
    request = auth_request((crossing.fresh(mech=mech, flags=flags),))
    outcome = Kerberos(hostname="crossing.realm.test").authenticate_blocking(request)
    assert isinstance(outcome, Accepted)
    assert outcome.principal == "alice@ONE.TEST"


@BY_KIND
@pytest.mark.parametrize("header", [b"\xff\x0f\0\0", b"\0\0\0\0", b"\2\0\0\0\7\0\0\0"], ids=["cut", "empty", "version"])
def test_broken_pac(signed_in: User, www: Service, mech: gss.OID, flags: int, header: bytes) -> None:
    """A ticket whose PAC cannot be read is refused as such, and is nothing that the server is to blame for."""
    token = Initiator(mech=mech, flags=flags).step()
    kerberos = Kerberos(hostname="www.example.test")
    # Made anew with the contents that it had, it is good.
    same = negotiate(edit_ticket(Initiator(mech=mech, flags=flags).step(), www, lambda contents: contents))
    assert isinstance(kerberos.authenticate_blocking(auth_request((same,))), Accepted)
    broken = negotiate(edit_ticket(token, www, lambda contents: break_pac(contents, header)))
    outcome = denied(kerberos, broken)
    assert (outcome.status, outcome.reason) == (403, Reason.BAD_PAC)


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
