"""Fills keytabs in memory, and makes acceptor credentials that have nothing but such a keytab.

python-gssapi has no call for this, so we call MIT's library, in the copy that python-gssapi is linked with.
"""

from __future__ import annotations

import contextlib
import functools
import secrets
from collections.abc import Callable, Generator, Iterable
from typing import TYPE_CHECKING, Any, TypeVar

from .keytab import Entry
from .libkrb5 import LibraryError, check, krb5_context, loaded_library

if TYPE_CHECKING:
    import ctypes

T = TypeVar("T")


def with_memory_keytab(entries: Iterable[Entry], use: Callable[[bytes], T]) -> T:
    """Call a function while there is a keytab in memory that holds these keys.

    A credential that the function acquires keeps the keytab. It is destroyed with the last such credential, or after
    the call.

    Args:
        entries: the keys.
        use: gets the keytab's name, which nobody else can guess: it means the same in all of the process.

    Raises:
        LibraryError: the library cannot make the keytab.
    """
    name = f"MEMORY:{secrets.token_hex(16)}".encode()
    library = loaded_library()
    if library is None:
        raise LibraryError("MIT's library cannot be called")
    with krb5_context(library) as (code, context):
        check(library, code)
        with _resolved(library, context, name) as keytab:
            for entry in entries:
                _add(library, context, keytab, entry)
            return use(name)


@contextlib.contextmanager
def _resolved(library: ctypes.CDLL, context: ctypes.c_void_p, name: bytes) -> Generator[ctypes.c_void_p, None, None]:
    from ctypes import byref, c_void_p

    keytab = c_void_p()
    check(library, library.krb5_kt_resolve(context, name, byref(keytab)))
    try:
        yield keytab
    finally:
        library.krb5_kt_close(context, keytab)


def _add(library: ctypes.CDLL, context: ctypes.c_void_p, keytab: ctypes.c_void_p, entry: Entry) -> None:
    from ctypes import byref, c_void_p

    principal = c_void_p()
    check(library, library.krb5_parse_name(context, entry.principal.encode(), byref(principal)))
    try:
        # The library copies it.
        check(library, library.krb5_kt_add_entry(context, keytab, byref(_structure(principal, entry))))
    finally:
        library.krb5_free_principal(context, principal)


def _structure(principal: ctypes.c_void_p, entry: Entry) -> Any:
    from ctypes import POINTER, c_ubyte, cast

    keyblock, keytab_entry = _structures()
    contents = (c_ubyte * len(entry.key)).from_buffer_copy(entry.key)
    block = keyblock(0, entry.encryption_type, len(entry.key), cast(contents, POINTER(c_ubyte)))
    return keytab_entry(0, principal.value, 0, entry.version, block)


@functools.cache  # to make a class takes longer than to add a key
def _structures() -> tuple[Any, Any]:
    """``krb5_keyblock`` and ``krb5_keytab_entry`` (krb5.h): no release of MIT's library has changed them."""
    from ctypes import POINTER, Structure, c_int32, c_ubyte, c_uint, c_void_p

    class Keyblock(Structure):
        _fields_ = (("magic", c_int32), ("enctype", c_int32), ("length", c_uint), ("contents", POINTER(c_ubyte)))

    class KeytabEntry(Structure):
        _fields_ = (
            ("magic", c_int32),
            ("principal", c_void_p),
            ("timestamp", c_int32),
            ("vno", c_uint),
            ("key", Keyblock),
        )

    return Keyblock, KeytabEntry
