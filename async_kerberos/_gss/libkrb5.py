"""Calls MIT's library itself, where GSSAPI has no call: how it understands its configuration, say.

We ask only after a failure, and while an application is set up. Each question makes a new krb5 context, as the library
does for each token. It reads ``krb5.conf`` again only if the file has changed.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import os
import time
from collections.abc import Generator
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import ctypes

_FRESH_SECONDS = 1.0

# For the name of a keytab.
_LONGEST_NAME = 4096

# As long as the library's own, in gss_localname.
_LONGEST_ACCOUNT = 8192

# KRB5_LNAME_NOTRANS
_NO_TRANSLATION = -1765328208

BAD_FORMAT = -1765328248
"""KRB5_CONFIG_BADFORMAT: the library cannot read ``krb5.conf``, or a rule in it."""

_LARGEST_FILE = 1024 * 1024


class ConfigurationFault(NamedTuple):
    """Why the library cannot use its configuration.

    Attributes:
        code: the library's error code, or the system's (``errno``).
        path: the file or folder. If the library reads each file but a value is wrong, all files, joined by colons.
        problem: what is wrong with it, in the library's words.
    """

    code: int
    path: str
    problem: str


class Settings(NamedTuple):
    """Three values of the configuration.

    Attributes:
        keytab: the name of the default keytab.
        encryption_types: the numbers of the permitted encryption types.
        replay_cache: ``default_rcache_name``; empty if it is not set.
    """

    keytab: str
    encryption_types: frozenset[int]
    replay_cache: str


class LibraryError(Exception):
    """A call of MIT's library failed; the text is the library's.

    Attributes:
        code: the library's error code; 0 if it could not be called.
    """

    def __init__(self, message: str, code: int = 0) -> None:
        super().__init__(message)
        self.code = code


class _Asked(NamedTuple):
    environment: tuple[str | None, ...]
    time: float
    settings: Settings | None


_last: _Asked | None = None


def _asks_proxy() -> bool:
    return os.environ.get("GSS_USE_PROXY", "").lower() not in ("", "0", "no", "off", "false")


# The plug-in looks at its variable once, at GSSAPI's first call.
_ASKED_PROXY_AT_START = _asks_proxy()


def is_proxied() -> bool:
    """Whether gss-proxy, a daemon, accepts for this process.

    Its credentials have all keys of its own keytab, whatever keytab and name they are acquired for.
    """
    return _ASKED_PROXY_AT_START or _asks_proxy()


@functools.cache
def loaded_library() -> ctypes.CDLL | None:
    """The libraries that python-gssapi is linked with; None if we cannot load them, or they lack a function."""
    try:
        import ctypes  # here: this takes longer than to import all of this package

        import gssapi.raw.names

        # A symbol is also found in the libraries that this extension module is linked with.
        return with_functions(ctypes.CDLL(gssapi.raw.names.__file__))
    except (ImportError, OSError):  # pragma: no cover - after chroot, Python's files may be missing
        return None


def with_functions(library: ctypes.CDLL) -> ctypes.CDLL | None:
    """Declare the types of the functions that we call; return None if the library lacks one."""
    from ctypes import POINTER, c_char_p, c_int, c_void_p

    pointers = POINTER(c_void_p)
    signatures: dict[str, list[Any]] = {
        "krb5_init_context": [pointers],
        "krb5_free_context": [c_void_p],
        "krb5_get_default_config_files": [POINTER(POINTER(c_char_p))],
        "krb5_free_config_files": [POINTER(c_char_p)],
        "krb5_kt_default_name": [c_void_p, c_char_p, c_int],
        "krb5_get_permitted_enctypes": [c_void_p, POINTER(POINTER(c_int))],
        "krb5_free_enctypes": [c_void_p, POINTER(c_int)],
        "krb5_get_profile": [c_void_p, pointers],
        "profile_init": [POINTER(c_char_p), pointers],
        "profile_release": [c_void_p],
        "profile_get_string": [c_void_p, c_char_p, c_char_p, c_char_p, c_char_p, pointers],
        "profile_release_string": [c_void_p],
        "error_message": [c_int],
        "krb5_kt_resolve": [c_void_p, c_char_p, pointers],
        "krb5_kt_add_entry": [c_void_p, c_void_p, c_void_p],
        "krb5_kt_close": [c_void_p, c_void_p],
        "krb5_parse_name": [c_void_p, c_char_p, pointers],
        "krb5_free_principal": [c_void_p, c_void_p],
        "krb5_aname_to_localname": [c_void_p, c_void_p, c_int, c_char_p],
    }
    for name, arguments in signatures.items():
        try:
            function = getattr(library, name)
        except AttributeError:
            return None
        function.argtypes = arguments
    library.error_message.restype = c_char_p
    return library


def configuration_fault() -> ConfigurationFault | None:
    """Why the library cannot use its configuration; None if it can, or if we cannot ask it."""
    library = loaded_library()
    if library is None:
        return None
    with krb5_context(library) as (code, _):
        if code == 0:
            return None
    files, seen = _files(library), set[str]()
    fault = next(filter(None, (_fault_of(library, path, seen) for path in files)), None)
    return fault or ConfigurationFault(code, ":".join(files), _message(library, code))


def settings() -> Settings | None:
    """The configuration's values, at most a second old: to ask takes as long as to accept a ticket.

    Returns:
        None if the library cannot use its configuration, or if we cannot ask it.
    """
    global _last
    environment = tuple(map(os.environ.get, ("KRB5_CONFIG", "KRB5_KTNAME")))
    last, now = _last, time.monotonic()
    if last is None or last.environment != environment or now - last.time > _FRESH_SECONDS:
        last = _last = _Asked(environment, now, _ask())
    return last.settings


def _ask() -> Settings | None:
    library = loaded_library()
    if library is None:
        return None
    with krb5_context(library) as (code, context):
        if code:
            return None
        return Settings(
            _default_keytab(library, context),
            _encryption_types(library, context),
            _value(library, context, b"default_rcache_name"),
        )


def shortname_domain() -> str:
    """The domain that ``krb5.conf`` adds to a host name without a dot (``qualify_shortname``); empty if not set.

    If it is not set, the library uses the system's search domain. We do not: it may come from an untrusted network.
    """
    library = loaded_library()
    if library is None:
        return ""
    with krb5_context(library) as (code, context):
        return "" if code else _value(library, context, b"qualify_shortname")


def account_of(principal: str) -> bytes | None:
    """The name of a principal's account on this host, by the rules ``auth_to_local``; None if they give it none.

    This is the call behind ``gss_localname``, which says of broken rules only that there is no name, and takes twice
    the time.

    Args:
        principal: the principal, in its text form, without NUL.

    Raises:
        LibraryError: the library cannot tell.
    """
    library = loaded_library()
    if library is None:
        raise LibraryError("MIT's library cannot be called")
    from ctypes import byref, c_void_p, create_string_buffer

    with krb5_context(library) as (code, context):
        check(library, code)
        parsed, name = c_void_p(), create_string_buffer(_LONGEST_ACCOUNT)
        check(library, library.krb5_parse_name(context, principal.encode(), byref(parsed)))
        try:
            code = library.krb5_aname_to_localname(context, parsed, _LONGEST_ACCOUNT, name)
        finally:
            library.krb5_free_principal(context, parsed)
        if code == _NO_TRANSLATION:
            return None
        check(library, code)
        return name.value


def configuration_files() -> str:
    """The files that ``KRB5_CONFIG`` names, or the system's, joined by colons."""
    library = loaded_library()
    return "" if library is None else ":".join(_files(library))


@contextlib.contextmanager
def krb5_context(library: ctypes.CDLL) -> Generator[tuple[int, ctypes.c_void_p], None, None]:
    """A context of the library, and the code of the error if it has none."""
    from ctypes import byref, c_void_p

    context = c_void_p()
    code: int = library.krb5_init_context(byref(context))
    try:
        yield code, context
    finally:
        library.krb5_free_context(context)  # accepts a null pointer


def check(library: ctypes.CDLL, code: int) -> None:
    """Make an error of an error code.

    Raises:
        LibraryError: it is one.
    """
    if code:
        raise LibraryError(_message(library, code), code)


def _message(library: ctypes.CDLL, code: int) -> str:
    text: bytes = library.error_message(code)
    return text.decode(errors="replace")


def _default_keytab(library: ctypes.CDLL, context: ctypes.c_void_p) -> str:
    from ctypes import create_string_buffer

    name = create_string_buffer(_LONGEST_NAME)
    library.krb5_kt_default_name(context, name, _LONGEST_NAME)
    return os.fsdecode(name.value)


def _encryption_types(library: ctypes.CDLL, context: ctypes.c_void_p) -> frozenset[int]:
    from ctypes import POINTER, byref, c_int

    found = POINTER(c_int)()
    if library.krb5_get_permitted_enctypes(context, byref(found)):
        return frozenset()  # permitted_enctypes names only unknown types
    try:
        numbers: list[int] = []
        while found[len(numbers)]:
            numbers.append(found[len(numbers)])
        return frozenset(numbers)
    finally:
        library.krb5_free_enctypes(context, found)


def _value(library: ctypes.CDLL, context: ctypes.c_void_p, name: bytes) -> str:
    """The value of a name in ``[libdefaults]``; empty if it is not there."""
    from ctypes import byref, c_void_p, string_at

    profile, text = c_void_p(), c_void_p()
    library.krb5_get_profile(context, byref(profile))
    try:
        library.profile_get_string(profile, b"libdefaults", name, None, None, byref(text))
        value = string_at(text.value).decode(errors="replace") if text.value else ""
        library.profile_release_string(text)
    finally:
        library.profile_release(profile)
    return value


def _files(library: ctypes.CDLL) -> list[str]:
    """The files that ``KRB5_CONFIG`` names, or the system's."""
    from ctypes import POINTER, byref, c_char_p

    names = POINTER(c_char_p)()
    if library.krb5_get_default_config_files(byref(names)):
        return []  # pragma: no cover - out of memory
    try:
        paths: list[str] = []
        while (name := names[len(paths)]) is not None:
            paths.append(os.fsdecode(name))
        return paths
    finally:
        library.krb5_free_config_files(names)


def _fault_of(library: ctypes.CDLL, path: str, seen: set[str], *, included: bool = False) -> ConfigurationFault | None:
    """What is wrong with a file, or with one that it includes; None where nothing is.

    Args:
        library: the library.
        path: the file, or a folder of files.
        seen: the paths that were checked already: files may include each other in a circle.
        included: whether another file includes this one. Only then is it a fault if it is missing.
    """
    from ctypes import byref, c_char_p, c_void_p

    seen.add(path)
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK))
    except OSError as error:
        missing = error.errno == errno.ENOENT and not included
        return None if missing else ConfigurationFault(error.errno or 0, path, error.strerror or "")
    profile = c_void_p()
    code: int = library.profile_init((c_char_p * 2)(os.fsencode(path), None), byref(profile))
    if code == 0:
        library.profile_release(profile)
        return None
    for inner in _included(path):
        fault = None if inner in seen else _fault_of(library, inner, seen, included=True)
        if fault is not None:
            return fault
    return ConfigurationFault(code, path, _message(library, code))


def _included(path: str) -> list[str]:
    """The files and folders that a file includes. For a folder, the files in it that the library reads.

    https://web.mit.edu/kerberos/krb5-latest/doc/admin/conf_files/krb5_conf.html
    """
    with contextlib.suppress(OSError):
        if os.path.isdir(path):  # noqa: PTH112 (nothing here needs pathlib)
            return [os.path.join(path, name) for name in sorted(os.listdir(path)) if _counts(name)]  # noqa: PTH118, PTH208
        with open(path, "rb") as file:  # noqa: PTH123
            words = [line.split(None, 1) for line in file.read(_LARGEST_FILE).splitlines()]
        return [os.fsdecode(line[1].strip()) for line in words if line[1:] and line[0] in (b"include", b"includedir")]
    return []  # pragma: no cover - the file was deleted meanwhile


def _counts(name: str) -> bool:
    if name.endswith(".conf"):
        return not name.startswith(".")
    return name.replace("-", "").replace("_", "").isalnum()
