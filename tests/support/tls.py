"""TLS on loopback: certificates that clients verify, servers that have them, clients bound to what they see."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import ssl
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from a2wsgi import ASGIMiddleware
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from async_kerberos.adapters.asgi import KerberosMiddleware

from . import HOSTNAME
from .apps import Options, asgi_app, given
from .certificates import begin, ec_key, names, rsa_key
from .deployments import ADAPTERS, Switch, closing_all
from .guards import ThreadGuard
from .http import Address, Connection
from .servers import Gunicorn, Hypercorn, Server, Uvicorn, Uwsgi, Werkzeug

Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
Hash = hashes.SHA256 | hashes.SHA384 | hashes.SHA512

PSS = padding.PSS(padding.MGF1(hashes.SHA256()), 32)


@dataclass(frozen=True)
class Issued:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: Key


def issue(
    name: str,
    key: Key,
    algorithm: Hash,
    *,
    issuer: Issued | None = None,
    authority: bool = False,
    rsa_padding: padding.PSS | None = None,
) -> Issued:
    """A certificate as strict as OpenSSL can be made to be about it (``X509_V_FLAG_X509_STRICT``).

    Args:
        name: the subject's name; the certificate is for the service's host, localhost and 127.0.0.1.
        key: the subject's key.
        algorithm: the hash function of the signature.
        issuer: who signs it; None for itself.
        authority: whether it may sign others.
        rsa_padding: that of an RSA signature; None for PKCS #1.
    """
    signing_key = key if issuer is None else issuer.key
    usage = dict.fromkeys(
        (
            "content_commitment",
            "key_encipherment",
            "data_encipherment",
            "key_agreement",
            "crl_sign",
            "encipher_only",
            "decipher_only",
        ),
        False,
    )
    certificate = (
        begin(name, key, None if issuer is None else issuer.certificate)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(digital_signature=True, key_cert_sign=authority, **usage), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signing_key.public_key()), critical=False)
        .add_extension(names(), critical=False)
        .sign(signing_key, algorithm, rsa_padding=rsa_padding)
    )
    return Issued(certificate, key)


@dataclass(frozen=True)
class Served:
    """The files of a server with TLS.

    Attributes:
        certfile: its certificate, and those between it and the root, in PEM.
        keyfile: its key.
        root: what a client trusts, in PEM.
        certificate: its certificate.
    """

    certfile: Path
    keyfile: Path
    root: Path
    certificate: x509.Certificate

    @property
    def der(self) -> bytes:
        """The certificate in DER."""
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def context(self) -> ssl.SSLContext:
        """For a server's side."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certfile, self.keyfile)
        return context

    @property
    def trust(self) -> ssl.SSLContext:
        """For a client's side."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(self.root)
        return context


def write(folder: Path, name: str, *chain: Issued) -> Served:
    """Write the files of a server.

    Args:
        folder: where.
        name: what the files are called.
        chain: the server's certificate, and its issuers up to the root, which the server does not send unless it is its
            own.
    """
    certfile, keyfile, root = (folder / f"{name}.{suffix}" for suffix in ("pem", "key", "root"))
    sent = chain[:-1] or chain
    certfile.write_bytes(b"".join(issued.certificate.public_bytes(Encoding.PEM) for issued in sent))
    keyfile.write_bytes(chain[0].key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    root.write_bytes(chain[-1].certificate.public_bytes(Encoding.PEM))
    return Served(certfile, keyfile, root, chain[0].certificate)


def self_signed(folder: Path, name: str) -> Served:
    """A server's certificate of the usual kind, signed by itself."""
    return write(folder, name, issue(name, rsa_key(), hashes.SHA256()))


def chained(folder: Path, name: str) -> Served:
    """A certificate whose issuer has another kind of key, and signs by another hash function than its own issuer."""
    root = issue(f"{name} root", rsa_key(), hashes.SHA256(), authority=True)
    between = issue(f"{name} between", ec_key(), hashes.SHA512(), issuer=root, authority=True)
    return write(folder, name, issue(name, rsa_key(), hashes.SHA384(), issuer=between), between, root)


def end_point(der: bytes, name: str = "sha256") -> bytes:
    """The application data for a certificate (RFC 5929, section 4.1), given its signature's hash function."""
    return b"tls-server-end-point:" + hashlib.new(name, der).digest()


class TlsConnection(Connection):
    """One connection over TLS, the server's certificate verified.

    Args:
        address: the server's.
        trust: the context of the client's side.
    """

    def __init__(self, address: Address, trust: ssl.SSLContext) -> None:
        super().__init__(address)
        plain = self.socket
        try:
            self.socket = trust.wrap_socket(plain, server_hostname=HOSTNAME)
        except BaseException:
            plain.close()
            raise

    def __enter__(self) -> TlsConnection:
        return self

    @property
    def end_point(self) -> bytes:
        """The channel bindings of this connection; the certificate must be signed with SHA-256."""
        assert isinstance(self.socket, ssl.SSLSocket)
        der = self.socket.getpeercert(binary_form=True)
        assert der is not None
        return end_point(der)


Variants = Mapping[str, Mapping[str, Any]]
"""Options of applications behind one server, by the value of ``X-Variant``; ``""`` must be among them."""


def run(
    adapter: str,
    server: str,
    variants: Variants,
    served: Served | None,
    folder: Path,
    threads: ThreadGuard | None = None,
    *,
    wrap: Callable[[Any], Any] | None = None,
    **options: Any,
) -> contextlib.AbstractContextManager[Server]:
    """Serve the contract's application.

    Args:
        adapter: one of ``ADAPTERS``, or ``TELLING``.
        server: as in :class:`~tests.support.deployments.Deployment`; or ``uwsgi-http-socket``, ``uwsgi-http``.
        variants: options of the applications.
        served: the server's certificate; None for plain HTTP.
        folder: for logs.
        threads: told of the server's thread.
        wrap: puts a middleware around the application.
        options: further options of the server.
    """
    env = {"TLS_ADAPTER": adapter, "TLS_VARIANTS": json.dumps(variants, default=str)}
    if server.startswith("uwsgi-"):
        assert wrap is None
        assert served is None
        return Uwsgi("tests.support.tls:application", folder, door=server.removeprefix("uwsgi-"), env=env, **options)
    if server == "gunicorn":
        assert wrap is None
        return Gunicorn("tests.support.tls:application", folder, env=env, **_tls_options(server, served), **options)
    given_options = {**_tls_options(server, served), **options, "threads": threads}
    return _run_here(adapter, server, variants, wrap, given_options)


@contextlib.contextmanager
def _run_here(
    adapter: str, server: str, variants: Variants, wrap: Callable[[Any], Any] | None, options: Mapping[str, Any]
) -> Generator[Server, None, None]:
    with closing_all():
        switch = _switch(adapter, variants)
        app = switch.wsgi if server == "werkzeug" else switch.asgi
        with _server(server, app if wrap is None else wrap(app), options) as running:
            yield running


def _server(name: str, app: Any, options: Mapping[str, Any]) -> Server:
    name, _, detail = name.partition("-")
    if name == "werkzeug":
        return Werkzeug(app, **options)
    if name == "hypercorn":
        return Hypercorn(app, loop=detail, **options)
    return Uvicorn(app, http=detail, **options)


def _tls_options(server: str, served: Served | None) -> dict[str, Any]:
    if served is None:
        return {}
    certfile, keyfile = str(served.certfile), str(served.keyfile)
    if server == "werkzeug":
        return {"ssl_context": (certfile, keyfile)}
    prefix = "ssl_" if server.startswith("uvicorn") else ""
    return {f"{prefix}certfile": certfile, f"{prefix}keyfile": keyfile}


def _switch(adapter: str, variants: Variants) -> Switch:
    build = _telling if adapter == TELLING else ADAPTERS[adapter].build
    return Switch({name: build(options) for name, options in variants.items()})


TELLING = "telling"
"""In place of an adapter's name: an application below the middleware that says whether the user's ticket is bound."""


def _telling(options: Options | None) -> Any:
    async def tell(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await asgi_app.application(scope, receive, send)
            return
        text = str(scope["kerberos"].channel_bound)
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.accept"})
            await send({"type": "websocket.send", "text": text})
            await send({"type": "websocket.close"})
            return
        length = (b"content-length", str(len(text)).encode())
        await send({"type": "http.response.start", "status": 200, "headers": [length]})
        await send({"type": "http.response.body", "body": text.encode()})

    return KerberosMiddleware(tell, **given(options))


def application() -> Any:
    """The WSGI application in gunicorn's or uWSGI's process."""
    adapter = os.environ["TLS_ADAPTER"]
    switch = _switch(adapter, json.loads(os.environ["TLS_VARIANTS"]))
    return switch.wsgi if adapter.startswith("flask") else ASGIMiddleware(switch.asgi)
