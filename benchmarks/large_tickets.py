"""Tickets as large as those of users in many groups.

Active Directory puts a user's groups into the ticket (MS-PAC). MIT's KDC does not, so the client asks it for as many
bytes of authorization data (RFC 4120, section 5.2.6). They too are encrypted in the ticket, and so part of every token.
"""

from __future__ import annotations

import ctypes
import os
import struct
from pathlib import Path
from typing import Any

from .apps import HOSTNAME
from .der import der
from .scene import Scene

BYTES_PER_GROUP = 40  # for a group of another domain, whose whole SID is sent; one of the user's own takes 8
_AD_IF_RELEVANT = 1  # servers ignore elements in it that they do not know
_NO_STORE = 8  # KRB5_GC_NO_STORE
_AD_LOCAL = -1  # negative numbers are for local use (RFC 3961, section 8)


class _Data(ctypes.Structure):
    _fields_ = [("magic", ctypes.c_int32), ("length", ctypes.c_uint), ("data", ctypes.c_char_p)]


class _KeyBlock(ctypes.Structure):
    _fields_ = [
        ("magic", ctypes.c_int32),
        ("enctype", ctypes.c_int32),
        ("length", ctypes.c_uint),
        ("contents", ctypes.c_void_p),
    ]


class _AuthData(ctypes.Structure):
    _fields_ = [
        ("magic", ctypes.c_int32),
        ("ad_type", ctypes.c_int32),
        ("length", ctypes.c_uint),
        ("contents", ctypes.c_char_p),
    ]


class _Creds(ctypes.Structure):
    _fields_ = [
        ("magic", ctypes.c_int32),
        ("client", ctypes.c_void_p),
        ("server", ctypes.c_void_p),
        ("keyblock", _KeyBlock),
        ("times", ctypes.c_int32 * 4),
        ("is_skey", ctypes.c_uint),
        ("ticket_flags", ctypes.c_int32),
        ("addresses", ctypes.c_void_p),
        ("ticket", _Data),
        ("second_ticket", _Data),
        ("authdata", ctypes.POINTER(ctypes.POINTER(_AuthData))),
    ]


def get_ticket(scene: Scene, size: int) -> Path:
    """Get a new user a ticket for the service with so many bytes of authorization data in it.

    Returns:
        A ticket cache that has it.

    Raises:
        OSError: the library refused.
    """
    ccache = scene.realm.user(f"large-{size}").ccache
    with scene.realm.environ():
        _get_ticket(ccache, f"HTTP/{HOSTNAME}@{scene.realm.name}", _if_relevant(bytes(size)))
    return ccache


def _get_ticket(ccache: Path, service: str, content: bytes) -> None:
    library = ctypes.CDLL("libkrb5.so.3")
    context, cache = ctypes.c_void_p(), ctypes.c_void_p()
    wanted = _Creds()
    got = ctypes.POINTER(_Creds)()
    authdata = _AuthData(0, _AD_IF_RELEVANT, len(content), content)
    wanted.authdata = (ctypes.POINTER(_AuthData) * 2)(ctypes.pointer(authdata))  # and a null

    def call(name: str, *arguments: Any) -> None:
        code = getattr(library, name)(*arguments)
        if code:
            raise OSError(code, f"{name} failed")

    call("krb5_init_context", ctypes.byref(context))
    call("krb5_cc_resolve", context, b"FILE:" + os.fsencode(ccache), ctypes.byref(cache))
    try:
        client, server = ctypes.c_void_p(), ctypes.c_void_p()
        call("krb5_cc_get_principal", context, cache, ctypes.byref(client))
        call("krb5_parse_name", context, service.encode(), ctypes.byref(server))
        wanted.client, wanted.server = client, server
        call("krb5_get_credentials", context, _NO_STORE, cache, ctypes.byref(wanted), ctypes.byref(got))
        # With the data noted beside the ticket, the library would find it only for callers who ask for the data.
        got.contents.authdata = ctypes.POINTER(ctypes.POINTER(_AuthData))()
        call("krb5_cc_store_cred", context, cache, got)
    finally:
        library.krb5_cc_close(context, cache)


def _if_relevant(content: bytes) -> bytes:
    """AuthorizationData (RFC 4120, section 5.2.6): one element, of a type of our own."""
    element = der(0x30, der(0xA0, der(0x02, struct.pack("b", _AD_LOCAL))) + der(0xA1, der(0x04, content)))
    return der(0x30, element)
