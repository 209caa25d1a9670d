"""Certificates, and keys for them."""

from __future__ import annotations

import datetime
import functools
import ipaddress

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.x509.oid import NameOID

from . import HOSTNAME

_DAY = datetime.timedelta(days=1)


@functools.cache
def rsa_key() -> rsa.RSAPrivateKey:
    """One RSA key, for all tests: making one takes a while."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def ec_key() -> ec.EllipticCurvePrivateKey:
    """A new key on P-256."""
    return ec.generate_private_key(ec.SECP256R1())


def ed25519_key() -> ed25519.Ed25519PrivateKey:
    """A new Ed25519 key, whose signatures have no hash function of their own."""
    return ed25519.Ed25519PrivateKey.generate()


def begin(
    name: str, key: CertificateIssuerPrivateKeyTypes, issuer: x509.Certificate | None = None
) -> x509.CertificateBuilder:
    """A certificate that is valid today, and has neither extensions nor a signature yet.

    Args:
        name: the subject's name.
        key: the subject's key.
        issuer: the certificate of who signs it; None for itself.
    """
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.timezone.utc)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if issuer is None else issuer.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _DAY)
        .not_valid_after(now + _DAY)
    )


def names(host: str = HOSTNAME) -> x509.SubjectAlternativeName:
    """The names that a server on this machine is reached by: the host's, localhost and 127.0.0.1."""
    address = ipaddress.ip_address("127.0.0.1")
    return x509.SubjectAlternativeName([x509.DNSName(host), x509.DNSName("localhost"), x509.IPAddress(address)])


def make_certificate(
    key: CertificateIssuerPrivateKeyTypes,
    algorithm: hashes.SHA224 | hashes.SHA256 | hashes.SHA384 | hashes.SHA512 | None = hashes.SHA256(),
    rsa_padding: padding.PSS | None = None,
    host: str = HOSTNAME,
) -> x509.Certificate:
    """A certificate for a host, localhost and 127.0.0.1.

    Args:
        key: the key that it is for, and that signs it.
        algorithm: the hash function of the signature; None where the signature has its own.
        rsa_padding: that of an RSA signature; None for PKCS #1.
        host: the host name.
    """
    return (
        begin(host, key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(names(host), critical=False)
        .sign(key, algorithm, rsa_padding=rsa_padding)
    )
