"""The server's certificate as channel bindings: ``tls-server-end-point`` (RFC 5929, section 4)."""

from __future__ import annotations

import hashlib
import logging
import os
import stat
from pathlib import Path
from typing import Any

from ..errors import ConfigurationError

_logger = logging.getLogger("async_kerberos")

# RFC 5929, section 4.1: if the signature uses one of these, the binding uses SHA-256.
_WEAK_HASHES = frozenset({"md5", "sha1"})
# A chain of certificates takes a few kilobytes.
_LARGEST_FILE = 1024 * 1024

_Version = tuple[int, int, int, int]


class UndefinedBindingError(ValueError):
    """RFC 5929 defines no ``tls-server-end-point`` for this certificate: its signature has none or several hashes."""


class ServerEndPoint:
    """The binding for a certificate file. The file is read again when it has changed.

    Any number of threads may use it at once.

    Args:
        path: the file, PEM or DER. Of several certificates the first is the server's, as in a server's files.
        required: whether a certificate without a binding is an error.

    Raises:
        ConfigurationError: the package ``cryptography`` is missing, or the file is no certificate that can be used.
    """

    def __init__(self, path: str, *, required: bool) -> None:
        self._path = Path(path).absolute()  # the process may change its working directory
        self._required = required
        self._complaint = ""
        try:
            self._state = self._read()
        except ImportError:
            problem = "needs the package cryptography: pip install 'async-kerberos[tls]'"
            raise ConfigurationError("channel_bindings", problem) from None
        except (OSError, ValueError) as error:
            raise ConfigurationError("certificate", f"{path}: {_reason(error)}") from error

    def current(self) -> bytes | None:
        """The application data of the channel bindings; None if RFC 5929 defines none. Reads a changed file again."""
        try:
            if _version(self._path) != self._state[0]:
                self._state = self._read()
                _logger.info("Kerberos: certificate %s has changed, and was read anew", self._path)
            self._complaint = ""
        except (OSError, ValueError) as error:
            # Another program may be replacing the file: it may be half written, or missing for a moment.
            self._complain(_reason(error))
        return self._state[1]

    def _complain(self, problem: str) -> None:
        """Log a problem, but not again while it lasts."""
        if problem != self._complaint:
            self._complaint = problem
            _logger.error(
                "Kerberos: certificate %s cannot be used (%s). The one read before stays in use.", self._path, problem
            )

    def _read(self) -> tuple[_Version, bytes | None]:
        version = _version(self._path)
        with self._path.open("rb") as file:
            content = file.read(_LARGEST_FILE)
        try:
            return version, end_point_binding(content)
        except UndefinedBindingError as error:
            if self._required:
                raise
            _logger.warning("Kerberos: %s: %s. Channel bindings are not checked.", self._path, error)
            return version, None


def end_point_binding(content: bytes) -> bytes:
    """The application data for a certificate.

    Args:
        content: PEM or DER.

    Raises:
        ImportError: the package ``cryptography`` is missing.
        UndefinedBindingError: the signature is of a kind for which RFC 5929 defines no binding.
        ValueError: it is no certificate.
    """
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import Encoding

    pem = b"-----BEGIN CERTIFICATE-----" in content
    try:
        certificate = x509.load_pem_x509_certificates(content)[0] if pem else x509.load_der_x509_certificate(content)
    except Exception as error:  # cryptography also raises others than ValueError, such as InvalidVersion
        raise ValueError(f"not a certificate ({error})") from error
    try:
        algorithm: Any = certificate.signature_hash_algorithm
    except UnsupportedAlgorithm:
        algorithm = None
    if algorithm is None:
        oid = certificate.signature_algorithm_oid.dotted_string
        raise UndefinedBindingError(f"RFC 5929 defines no channel bindings for a certificate signed by {oid}")
    name = "sha256" if algorithm.name in _WEAK_HASHES else algorithm.name
    return b"tls-server-end-point:" + hashlib.new(name, certificate.public_bytes(Encoding.DER)).digest()


def _version(path: Path) -> _Version:
    status = os.stat(path)  # noqa: PTH116 - every request calls this, and pathlib is slower
    if not stat.S_ISREG(status.st_mode):
        raise ValueError("not a regular file")
    return status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino


def _reason(error: Exception) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)
