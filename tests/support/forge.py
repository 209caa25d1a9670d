"""Tickets with other contents: made with the service's key, as a KDC with a fault would make them."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Callable
from ctypes import POINTER, byref, c_char_p, c_int, c_uint, c_void_p

import gssapi.raw.names

from async_kerberos.testing import Service

from .tokens import take_der

_AES256 = 18  # RFC 3962, section 7
_TICKET = 2  # the key's usage, RFC 4120, section 7.5.1


class _KeyBlock(ctypes.Structure):
    _fields_ = [("magic", c_int), ("enctype", c_int), ("length", c_uint), ("contents", c_void_p)]


class _Data(ctypes.Structure):
    _fields_ = [("magic", c_int), ("length", c_uint), ("data", c_void_p)]


class _EncData(ctypes.Structure):
    _fields_ = [("magic", c_int), ("enctype", c_int), ("kvno", c_uint), ("ciphertext", _Data)]


def edit_ticket(token: bytes, service: Service, edit: Callable[[bytes], bytes]) -> bytes:
    """Replace what is encrypted in the ticket of a token, by libkrb5 itself.

    Args:
        token: bare or within SPNEGO; its ticket is for the service, and encrypted by AES256.
        service: the service, with its keys.
        edit: gives new contents (EncTicketPart; RFC 4120, section 5.3), of the same length.
    """
    library = ctypes.CDLL(gssapi.raw.names.__file__)  # what it is linked with is found with it
    context, principal, key = c_void_p(), c_void_p(), POINTER(_KeyBlock)()

    def call(name: str, *arguments: object) -> None:
        assert getattr(library, name)(context, *arguments) == 0, name

    def data(buffer: ctypes.Array[ctypes.c_char], size: int) -> _Data:
        return _Data(0, size, ctypes.cast(buffer, c_void_p))

    assert library.krb5_init_context(byref(context)) == 0
    try:
        call("krb5_parse_name", service.principal.encode(), byref(principal))
        keytab = c_char_p(f"FILE:{service.keytab}".encode())
        call("krb5_kt_read_service_key", keytab, principal, 0, _AES256, byref(key))
        at, end = _cipher(token)
        size = end - at
        cipher, plain = ctypes.create_string_buffer(token[at:end], size), ctypes.create_string_buffer(size)
        sealed, opened = _EncData(0, _AES256, 0, data(cipher, size)), data(plain, size)
        call("krb5_c_decrypt", key, _TICKET, None, byref(sealed), byref(opened))
        contents = plain.raw[: opened.length]
        edited = edit(contents)
        assert len(edited) == len(contents)
        source = data(ctypes.create_string_buffer(edited, len(edited)), len(edited))
        call("krb5_c_encrypt", key, _TICKET, None, byref(source), byref(sealed))
        return token[:at] + cipher.raw + token[end:]
    finally:
        library.krb5_free_keyblock(context, key)
        library.krb5_free_principal(context, principal)
        library.krb5_free_context(context)


def _cipher(token: bytes) -> tuple[int, int]:
    """Where the ticket's encrypted part begins and ends (EncryptedData; RFC 4120, section 5.2.9)."""
    found = re.search(rb"\xa0\x03\x02\x01\x12\xa1\x03\x02\x01.(?=\xa2)", token, re.DOTALL)
    assert found is not None, "no ticket of this encryption type"
    _, field, rest = take_der(token[found.end() :])
    _, cipher, _ = take_der(field)
    end = len(token) - len(rest)
    return end - len(cipher), end


def break_pac(contents: bytes, header: bytes = b"\xff\x0f\0\0") -> bytes:
    """Begin the PAC of a ticket otherwise ([MS-PAC], section 2.3).

    Args:
        contents: the ticket's.
        header: by default a number of buffers that do not fit into it: the PAC is cut short.
    """
    # AuthorizationData (RFC 4120, section 5.2.6): ad-type [0] is 128, ad-data [1].
    found = re.search(rb"\xa0\x04\x02\x02\x00\x80(?=\xa1)", contents)
    assert found is not None, "a ticket without a PAC"
    _, field, rest = take_der(contents[found.end() :])
    _, pac, _ = take_der(field)
    at = len(contents) - len(rest) - len(pac)
    return contents[:at] + header + contents[at + len(header) :]
