"""Tickets of the anonymous principal (RFC 8062): good tickets, of nobody."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gssapi.raw as gss
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID

from async_kerberos import Accepted, Identity, Kerberos, Reason
from async_kerberos.testing import Realm

from ..support.asking import PLAIN, auth_request, denied, reply_of
from ..support.certificates import begin, rsa_key
from ..support.initiator import KRB5, MUTUAL, SPNEGO, TWO_LEGS, Initiator, negotiate
from ..support.tokens import neg_token_init, neg_token_resp
from .trial import HOST, PEER

NAME, KDC = "ANONYMOUS.TEST", "kdc.anonymous.test"
ANONYMOUS = "WELLKNOWN/ANONYMOUS"
KEY_USAGE = x509.KeyUsage(
    digital_signature=True,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=False,
    crl_sign=False,
    encipher_only=False,
    decipher_only=False,
)
NT_ANONYMOUS = gss.OID.from_int_seq("1.3.6.1.5.6.3")  # RFC 2743, section 4.4


def kdc_certificate() -> x509.Certificate:
    """A self-signed certificate that a client takes for the KDC's (RFC 4556, section 3.2.4)."""
    return (
        begin(KDC, rsa_key())
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(KDC)]), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.KERBEROS_PKINIT_KDC]), critical=False)
        .add_extension(KEY_USAGE, critical=False)
        .sign(rsa_key(), hashes.SHA256())
    )


@pytest.fixture(scope="module")
def anonymous(realm: Realm, plugins: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The ticket cache of somebody whom the KDC vouches for without knowing whom, in a realm that is the process's."""
    folder = tmp_path_factory.mktemp("pkinit")
    certificate, key = folder / "kdc.pem", folder / "kdc.key"
    certificate.write_bytes(kdc_certificate().public_bytes(Encoding.PEM))
    key.write_bytes(rsa_key().private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()))
    plugin = {"module": f"pkinit:{plugins}/krb5/plugins/preauth/pkinit.so"}
    # The session's realm is there before this one takes its place in the environment, and after.
    pkinit = Realm(
        name=NAME,
        krb5_conf={
            "plugins": {"kdcpreauth": plugin, "clpreauth": plugin},
            "realms": {
                NAME: {
                    "pkinit_identity": f"FILE:{certificate},{key}",
                    "pkinit_anchors": f"FILE:{certificate}",
                    "pkinit_kdc_hostname": KDC,
                }
            },
        },
    )
    with pkinit:
        pkinit.service(f"HTTP/{HOST}")
        pkinit.kadmin("addprinc", "-randkey", ANONYMOUS)
        ccache = pkinit.folder / "anonymous.ccache"
        done = subprocess.run(
            ["kinit", "-n", "-c", f"FILE:{ccache}", f"@{NAME}"],
            env={**os.environ, **pkinit.env, "KRB5_TRACE": "/dev/stdout"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        with pkinit.environ():
            yield ccache


def test_what_the_acceptor_sees(anonymous: Path) -> None:
    """The ticket is a good one: GSSAPI accepts it, by the anonymous principal's name, and sets no flag for it."""
    acquired: Any = gss.acquire_cred(None, usage="accept")
    accepted: Any = gss.accept_sec_context(Initiator(ccache=anonymous).step(), acquired.creds)
    assert not accepted.more_steps
    name = gss.display_name(accepted.initiator_name)
    assert (name.name, name.name_type) == (f"{ANONYMOUS}@WELLKNOWN:ANONYMOUS".encode(), NT_ANONYMOUS)
    assert gss.RequirementFlag.anonymity not in accepted.flags


@pytest.mark.parametrize("hostname", [HOST, "*"])
@pytest.mark.parametrize("failure_status", [401, 403])
def test_refused(anonymous: Path, hostname: str, failure_status: int, caplog: pytest.LogCaptureFixture) -> None:
    """An anonymous user does not get in: 403, for a new ticket would not help; the log says why.

    The reply proves to them, as to everybody who may not enter, who says so.
    """
    kerberos = Kerberos(hostname=hostname, failure_status=failure_status)
    for mech in (SPNEGO, KRB5):
        initiator = Initiator(mech=mech, ccache=anonymous)
        outcome = denied(kerberos.authenticate_blocking(auth_request((negotiate(initiator.step()),), PEER)))
        assert (outcome.status, outcome.reason, outcome.headers[1:]) == (403, Reason.NOT_AUTHORISED, PLAIN)
        initiator.verify(reply_of(outcome))
    assert caplog.text.count("not authorised (an anonymous ticket") == 2


def test_refused_in_two_legs(anonymous: Path) -> None:
    """An anonymous ticket is refused at the end of an exchange of several legs, too."""
    kerberos = Kerberos(hostname=HOST)

    def send(token: bytes) -> Any:
        return denied(kerberos.authenticate_blocking(auth_request((negotiate(token),), PEER)))

    assert send(neg_token_init([KRB5])).reason is Reason.CONTINUE
    assert send(neg_token_resp(Initiator(mech=KRB5, ccache=anonymous).step())).reason is Reason.NOT_AUTHORISED
    initiator = Initiator(flags=TWO_LEGS, ccache=anonymous)
    first = send(initiator.step())
    assert first.reason is Reason.CONTINUE
    assert send(initiator.step(reply_of(first))).reason is Reason.NOT_AUTHORISED
    kerberos.close()


@pytest.mark.asyncio
async def test_refused_on_a_loop(anonymous: Path) -> None:
    """The door of an event loop does not let it in either."""
    kerberos = Kerberos(hostname=HOST)
    header = negotiate(Initiator(flags=MUTUAL, ccache=anonymous).step())
    outcome = denied(await kerberos.authenticate(auth_request((header,), PEER)))
    assert (outcome.status, outcome.reason) == (403, Reason.NOT_AUTHORISED)
    kerberos.close()


@pytest.mark.parametrize("realm_name", ["KRBTEST.COM", "WELLKNOWN:ANONYMOUS"])
def test_by_a_realms_own_name(realm_name: str) -> None:
    """A realm's own anonymous principal (RFC 8062, section 3) is as anonymous; MIT's client fetches no ticket of it."""
    assert Identity(f"{ANONYMOUS}@{realm_name}").anonymous


@pytest.mark.parametrize("name", [f"{ANONYMOUS}/HOSTILE", f"{ANONYMOUS}-HOSTILE", "WELLKNOWN/HOSTILE"])
@pytest.mark.usefixtures("www")
def test_of_a_similar_name(realm: Realm, name: str) -> None:
    """A user of a similar name is a user."""
    user = realm.user(name)
    with realm.environ():
        header = Initiator(ccache=user.ccache).header
        outcome = Kerberos(hostname=HOST).authenticate_blocking(auth_request((header,), PEER))
    assert isinstance(outcome, Accepted)
    assert outcome.principal == user.principal
