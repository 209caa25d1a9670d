"""Principals as GSSAPI makes them of names, and writes them."""

from __future__ import annotations

import gssapi.raw as gss

from .._protocol.principals import split_realm
from ..reasons import Reason
from .diagnosis import of_configuration
from .steps import AcquireError

KRB5 = gss.OID.from_int_seq("1.2.840.113554.1.2.2")
"""The Kerberos mechanism (RFC 1964, section 1)."""


def text_of(name: gss.Name) -> str:
    """A name in its text form (RFC 1964, section 2.1.1).

    Raises:
        UnicodeDecodeError: it is not UTF-8.
    """
    return gss.display_name(name, name_type=False).name.decode()


def canonical(service: str, hostname: str) -> gss.Name:
    """The principal of a service. The library may ask DNS for it (``dns_canonicalize_hostname`` in ``krb5.conf``)."""
    name = gss.import_name(f"{service}@{hostname}".encode(), gss.NameType.hostbased_service)
    return gss.canonicalize_name(name, KRB5)


def default_realm() -> str:
    """The default realm of this host, which the library adds to the name of a user without one. Blocks.

    Raises:
        AcquireError: ``krb5.conf`` sets none, or cannot be used.
    """
    try:
        name = gss.canonicalize_name(gss.import_name(b"user", gss.NameType.user), KRB5)
        realm = split_realm(text_of(name))[1]
    except gss.GSSError:
        realm = ""
    if not realm:
        fault = of_configuration() or "krb5.conf sets no default_realm under [libdefaults]"
        raise AcquireError(Reason.KRB5_CONF, fault)
    return realm
