"""Channel bindings from a certificate file: the hash by RFC 5929's rule, and the file followed when it changes."""

from __future__ import annotations

import hashlib
import logging
import os
import ssl
import sys
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.serialization import Encoding

from async_kerberos import ConfigurationError, Kerberos
from async_kerberos._gss.bindings import ServerEndPoint, UndefinedBindingError, end_point_binding

from ...support.certificates import ec_key, ed25519_key, make_certificate, rsa_key

# Certificates signed with MD5 or SHA-1 cannot be made any more; openssl made these two.
OLD = Path(__file__).parent / "certificates"


def binding(name: str, certificate: x509.Certificate) -> bytes:
    return b"tls-server-end-point:" + hashlib.new(name, certificate.public_bytes(Encoding.DER)).digest()


@pytest.mark.parametrize("name", ["sha256", "sha384", "sha512", "sha224"])
@pytest.mark.parametrize("encoding", [Encoding.PEM, Encoding.DER])
def test_hash_of_the_signature(name: str, encoding: Encoding) -> None:
    """The hash is the one that the certificate is signed with; PEM and DER are the same."""
    for key in (rsa_key(), ec_key()):
        certificate = make_certificate(key, getattr(hashes, name.upper())())
        assert end_point_binding(certificate.public_bytes(encoding)) == binding(name, certificate)


def test_pss() -> None:
    """For an RSASSA-PSS signature, too, the hash function is that of the signature."""
    certificate = make_certificate(rsa_key(), hashes.SHA384(), padding.PSS(padding.MGF1(hashes.SHA384()), 48))
    assert end_point_binding(certificate.public_bytes(Encoding.PEM)) == binding("sha384", certificate)


@pytest.mark.parametrize("name", ["md5", "sha1"])
def test_weak_hash(name: str) -> None:
    """In place of MD5 and SHA-1 there is SHA-256."""
    content = (OLD / f"{name}.pem").read_bytes()
    der = ssl.PEM_cert_to_DER_cert(content.decode())
    assert end_point_binding(content) == b"tls-server-end-point:" + hashlib.sha256(der).digest()


def test_chain() -> None:
    """In a chain, with a private key or a text before it, the first certificate is the server's."""
    first, second = make_certificate(rsa_key()), make_certificate(ec_key())
    content = b"a comment\n" + b"".join(certificate.public_bytes(Encoding.PEM) for certificate in (first, second))
    assert end_point_binding(content) == binding("sha256", first)


def test_undefined(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Where RFC 5929 defines no binding: an error where one is required, else a warning, and none is used."""
    path = tmp_path / "server.pem"
    path.write_bytes(make_certificate(ed25519_key(), None).public_bytes(Encoding.PEM))
    with pytest.raises(UndefinedBindingError):
        end_point_binding(path.read_bytes())
    with pytest.raises(ConfigurationError, match=r"certificate: .*server\.pem: RFC 5929 defines no channel bindings"):
        Kerberos(channel_bindings="require", certificate=path)
    Kerberos(channel_bindings="allow", certificate=path)
    assert "Channel bindings are not checked" in caplog.text
    assert ServerEndPoint(str(path), required=False).current() is None


def test_unknown_signature() -> None:
    """For an unknown kind of signature, no binding is defined."""
    content = make_certificate(rsa_key()).public_bytes(Encoding.DER)
    sha256_with_rsa = bytes.fromhex("06092a864886f70d01010b")
    assert content.count(sha256_with_rsa) == 2
    with pytest.raises(UndefinedBindingError, match=r"signed by 1\.2\.840\.113549\.1\.1\.127"):
        end_point_binding(content.replace(sha256_with_rsa, sha256_with_rsa[:-1] + b"\x7f"))


@pytest.mark.parametrize(
    "content", [b"", b"garbage", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
)
def test_no_certificate(content: bytes, tmp_path: Path) -> None:
    """What is no certificate is refused when the option is given."""
    path = tmp_path / "server.pem"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"^certificate: ") as caught:
        Kerberos(channel_bindings="allow", certificate=path)
    assert caught.value.option == "certificate"


def test_unreadable(tmp_path: Path) -> None:
    """A file that cannot be read is refused when the option is given."""
    with pytest.raises(ConfigurationError, match="No such file"):
        Kerberos(channel_bindings="allow", certificate=tmp_path / "none.pem")
    with pytest.raises(ConfigurationError, match="not a regular file"):
        Kerberos(channel_bindings="allow", certificate=tmp_path)


def test_missing_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the package cryptography, the message names the extra; without channel bindings nothing is missing."""
    path = tmp_path / "server.pem"
    path.write_bytes(make_certificate(rsa_key()).public_bytes(Encoding.PEM))
    monkeypatch.setitem(sys.modules, "cryptography", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'async-kerberos\[tls\]'"):
        Kerberos(channel_bindings="require", certificate=path)
    Kerberos()


def test_renewal(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A renewed certificate counts at once; while the file is broken or gone, the one before does."""
    caplog.set_level(logging.INFO)
    old, new = make_certificate(rsa_key()), make_certificate(ec_key(), hashes.SHA384())
    path = tmp_path / "server.pem"
    path.write_bytes(old.public_bytes(Encoding.PEM))
    end_point = ServerEndPoint(str(path), required=True)
    assert end_point.current() == binding("sha256", old)

    content = new.public_bytes(Encoding.PEM)
    path.write_bytes(content[:300])
    for _ in range(3):
        assert end_point.current() == binding("sha256", old)
    path.unlink()
    for _ in range(3):
        assert end_point.current() == binding("sha256", old)
    errors = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert len(errors) == 2
    assert all("The one read before stays in use" in error for error in errors)

    path.write_bytes(content)
    for _ in range(3):
        assert end_point.current() == binding("sha384", new)
    assert caplog.text.count("has changed, and was read anew") == 1

    # Replaced by one that cannot be bound to, where that is required: a complaint too.
    path.write_bytes(make_certificate(ed25519_key(), None).public_bytes(Encoding.PEM))
    assert end_point.current() == binding("sha384", new)
    assert "RFC 5929 defines no channel bindings" in caplog.text


def test_same_size_and_time(tmp_path: Path) -> None:
    """A file put in the place of another is noticed though size and time are the same."""
    key = rsa_key()
    path, replacement = tmp_path / "server.der", tmp_path / "new.der"
    contents = [make_certificate(key).public_bytes(Encoding.DER) for _ in range(2)]
    path.write_bytes(contents[0])
    end_point = ServerEndPoint(str(path), required=True)
    before = end_point.current()
    replacement.write_bytes(contents[1])
    status = path.stat()
    os.utime(replacement, ns=(status.st_atime_ns, status.st_mtime_ns))
    replacement.replace(path)
    assert end_point.current() != before
