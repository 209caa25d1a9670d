"""No mechanism but Kerberos: neither accepted nor fatal, with a plug-in for NTLM loaded and without."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gssapi.raw as gss
import pytest

from async_kerberos import Accepted, Identity, Kerberos, Reason
from async_kerberos.testing import Realm, User

from ..support import ROOT, tokens
from ..support.asking import denied, reply_of
from ..support.initiator import KRB5, MUTUAL, NTLM, TWO_LEGS, Initiator
from ..support.keytabs import keytab_option, served_as
from . import mechanisms
from .mechanisms import NTLM_DOMAIN, NTLM_USER
from .trial import HOST, Trial

pytestmark = pytest.mark.usefixtures("signed_in")

NTLM_TOKENS = {
    "raw": NTLM,
    "spnego": tokens.neg_token_init([tokens.NTLMSSP], NTLM),
    "spnego-first": tokens.neg_token_init([tokens.NTLMSSP, KRB5], NTLM),
}

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run(plugins: Path, tmp_path: Path) -> Run:
    """Runs the program with gss-ntlmssp loaded, the realm's keytab in the environment, and alice's tickets."""
    (tmp_path / "mech.conf").write_text(
        f"gssntlmssp_v1 {tokens.NTLMSSP.dotted_form} {plugins}/gssntlmssp/gssntlmssp.so\n"
    )
    users = tmp_path / "users"
    users.write_text(f"{NTLM_DOMAIN}:{NTLM_USER}:password\n")
    variables = {
        "GSS_MECH_CONFIG": str(tmp_path / "mech.conf"),
        "LD_LIBRARY_PATH": f"{plugins}:{os.environ.get('LD_LIBRARY_PATH', '')}".rstrip(":"),
    }

    def run(do: str, *, users_known: bool = False, **arguments: object) -> subprocess.CompletedProcess[str]:
        arguments = {"do": do, "keytab": None, "hostname": HOST, "unrestricted": False, **arguments}
        more = {**variables, "NTLM_USER_FILE": str(users)} if users_known else variables
        return subprocess.run(
            [sys.executable, "-m", "tests.hostile.mechanisms"],
            input=json.dumps(arguments),  # a token among its arguments would be there for everybody to read
            cwd=ROOT,
            env={**os.environ, **more},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


def result_of(done: subprocess.CompletedProcess[str]) -> Any:
    """What the program printed."""
    assert done.returncode == 0, f"{done.returncode}: {done.stderr}"
    return json.loads(done.stdout)


def unexpected(results: dict[str, tuple[str, str]]) -> dict[str, str]:
    """Whatever came otherwise than it should."""
    return {name: f"{came}, not {due}" for name, (came, due) in results.items() if came != due}


@pytest.mark.parametrize("hostname", [HOST, "*"])
def test_forbidden(hostname: str) -> None:
    """Tokens of other mechanisms are refused, or the client is asked for Kerberos; no ticket in them counts."""
    kerberos = Kerberos(hostname=hostname)
    assert unexpected(mechanisms.send_forbidden(kerberos)) == {}


@pytest.mark.parametrize("keytab", [False, True], ids=["environment", "option"])
@pytest.mark.parametrize("hostname", [HOST, "*"])
def test_forbidden_with_the_plugin(realm: Realm, alice: User, run: Run, hostname: str, keytab: bool) -> None:
    """With the plug-in for NTLM loaded, such tokens are refused, too; nothing crashes, and tickets are accepted."""
    result = result_of(run("forbidden", hostname=hostname, keytab=str(keytab_option(realm.keytab)) if keytab else None))
    assert unexpected(result["forbidden"]) == {}
    assert result["tickets"] == [f"{mechanisms.ACCEPTED} {alice.principal}"] * 2


@pytest.mark.parametrize("token", NTLM_TOKENS.values(), ids=NTLM_TOKENS.keys())
def test_plugin_takes_ntlm(realm: Realm, run: Run, token: bytes) -> None:
    """An acceptor without restrictions hands the token to the plug-in, so those tests can fail."""
    encoded = base64.b64encode(token).decode()
    assert result_of(run("plain", token=encoded)) == "challenge"
    # With a credential from a store, gss-ntlmssp 1.2.0 takes it for one of its own: it crashes, or reads nonsense.
    stored = run("plain", token=encoded, keytab=str(keytab_option(realm.keytab)))
    crashed = stored.returncode < 0
    assert crashed or "Not a server credential type" in stored.stderr or result_of(stored) == "challenge"


@pytest.mark.parametrize("keytab", [False, True], ids=["environment", "option"])
@pytest.mark.parametrize("hostname", [HOST, "*"])
def test_ntlm_exchange(realm: Realm, run: Run, hostname: str, keytab: bool) -> None:
    """A user with an NTLM password does not get in: the first leg is refused."""
    option = str(keytab_option(realm.keytab)) if keytab else None
    assert result_of(run("exchange", users_known=True, hostname=hostname, keytab=option)) == ["403 wrong mechanism"]


@pytest.mark.parametrize("hostname", [HOST, "*"])
def test_second_check(run: Run, hostname: str, realm: Realm, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the restriction to Kerberos has no effect, an NTLM exchange that completes is still refused.

    The library reads the keytab: with a credential from a store the plug-in does not come so far.
    """
    monkeypatch.setenv("KRB5_KTNAME", f"WRFILE:{realm.keytab}")
    plain = result_of(run("plain-exchange", users_known=True))
    assert plain[0] == "challenge"
    assert plain[1].startswith(f"{mechanisms.ACCEPTED} {NTLM_DOMAIN}\\{NTLM_USER}")
    assert plain[1].endswith(f"by {tokens.NTLMSSP.dotted_form}")
    done = run("exchange", users_known=True, hostname=hostname, unrestricted=True)
    assert result_of(done) == ["401, asked for something else", "403 wrong mechanism"]
    assert "the context was made by another mechanism" in done.stderr


@pytest.mark.parametrize("hostname", [HOST, "*"])
def test_kdc_is_not_asked(realm: Realm, hostname: str) -> None:
    """A client's message to the KDC (IAKERB) is not passed on, as an acceptor without restrictions would."""
    client = f"nobody-{'any' if hostname == '*' else 'one'}-hostile"
    message = tokens.as_req(client, realm.name)
    messages = [tokens.iakerb_proxy(realm.name, message, tag=tag) for tag in (0x0C, 0x04)]
    log = realm.folder / "kdc.log"
    trial = Trial(Kerberos(hostname=hostname), Identity("nobody"))
    for token in messages:
        for wrapped in (token, tokens.neg_token_init([tokens.IAKERB], token), tokens.neg_token_init([KRB5], token)):
            assert denied(trial.send(wrapped, "IAKERB")).reason is Reason.WRONG_MECHANISM
    assert client not in log.read_text()
    acquired: Any = gss.acquire_cred(None, mechs=[tokens.IAKERB], usage="accept")
    for token in messages:
        with contextlib.suppress(gss.GSSError):  # one of the two is not what this release takes
            gss.accept_sec_context(token, acquired.creds)
    assert client in log.read_text()


@pytest.mark.parametrize("flags", [MUTUAL, TWO_LEGS], ids=["framed", "bare"])
def test_raw_kerberos_refused(alice: User, flags: int) -> None:
    """With raw_kerberos=False a token needs SPNEGO around it; it is not used up by being refused without."""
    trial = Trial(
        Kerberos(hostname=HOST, raw_kerberos=False), Identity(alice.principal, served_as(f"HTTP/{HOST}@KRBTEST.COM"))
    )
    token = Initiator(mech=KRB5, flags=flags).step()
    assert denied(trial.send(token, "alone")).reason is Reason.WRONG_MECHANISM
    outcome = trial.send(tokens.neg_token_init([KRB5], token), "in SPNEGO")
    assert isinstance(outcome, Accepted) if flags == MUTUAL else denied(outcome).reason is Reason.CONTINUE
    # Nor does a later leg go without.
    initiator = Initiator(flags=TWO_LEGS)
    first = denied(trial.send(initiator.step(), "first leg"))
    bare = tokens.take_response_token(initiator.step(reply_of(first)))
    assert bare[0] == 0x6F
    assert denied(trial.send(bare, "second leg, bare")).reason is Reason.WRONG_MECHANISM
    initiator = Initiator(flags=TWO_LEGS)
    first = denied(trial.send(initiator.step(), "first leg"))
    assert isinstance(trial.send(initiator.step(reply_of(first)), "second leg"), Accepted)
