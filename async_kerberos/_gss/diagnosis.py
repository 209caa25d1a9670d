"""What to tell the operator about a refusal: the reason, and the file that causes it.

GSSAPI's report of a cause depends on the kind of client and on the process's language, and often names no file. So
after a refusal, and never before one, we read the keytab, ``krb5.conf`` and the ticket. The client chooses the content
of the ticket. That content may decide which of the client's faults we report, but must never make us report a fault of
the server.
"""

from __future__ import annotations

import errno
import functools
import math
import os
import stat
from collections.abc import Collection, Sequence
from itertools import islice
from typing import NamedTuple

from .._protocol.principals import split_realm
from .._protocol.ticket import Ticket, encryption_type_name, ticket_in
from ..reasons import Reason
from .keytab import BrokenKeytabError, Entry, Key, Keys, keytab_file, read_keys
from .libkrb5 import configuration_fault, settings
from .own_keys import OwnKeys
from .refusals import EXHAUSTED

_DEFAULT_KEYTAB = "/etc/krb5.keytab"  # for when the library does not tell

# How many of a keytab's principals a message names, and among how many we choose them. People read the message, and
# every refused token makes one.
_MOST_PRINCIPALS = 3
_MOST_LOOKED_AT = 50

CLOCK_TICK = 0.05
"""Seconds by which the time of a file's change, and the library's own, may lag behind: the system's last clock tick."""

# Only configuration and files cause these, never a client.
_OF_THE_SERVER = (Reason.MISCONFIGURED, Reason.SERVER_FAULT, Reason.OTHER)


def diagnose(
    reason: Reason,
    message: str,
    token: bytes,
    keytab: str | None,
    wanted: str | None = None,
    begun: float = math.inf,
    own: OwnKeys | None = None,
) -> tuple[Reason, str]:
    """The reason for a refused token, and the message for the log.

    Args:
        reason: the reason that GSSAPI's codes and texts say.
        message: GSSAPI's message.
        token: the token.
        keytab: the keytab's name; None for the default one.
        wanted: the service principal that the credential is for; None if it accepts tickets for any key.
        begun: when the call of GSSAPI began (``time.time``).
        own: the keys that were tried, if the library has not read the keytab itself.
    """
    if reason in (Reason.KEY_VERSION, Reason.KEY_TYPE, Reason.UNKNOWN_KEY):
        return _of_key(reason, message, ticket_in(token), keytab, own)
    if reason not in _OF_THE_SERVER:
        return reason, message
    fault = of_configuration()
    if fault:
        return Reason.KRB5_CONF, f"{message}; {fault}"
    if reason is Reason.MISCONFIGURED:
        ticket = ticket_in(token)
        is_whole = own is not None or (
            ticket is not None and _has_key(keytab, ticket) and not _has_changed(keytab, begun)
        )
        if message == os.strerror(errno.EINVAL) and is_whole:
            # The keytab is whole, so the library could not read authorization data that the KDC put into the ticket.
            return Reason.BAD_PAC, message
        problem = "" if own is not None else _exhausted(keytab)
        if problem:
            return Reason.SERVER_FAULT, f"{message}; keytab {keytab_name(keytab)}: {problem}"
        return reason, f"{message}; {describe_keytab(keytab, wanted, own=own)}"
    if reason is Reason.OTHER:
        ticket = ticket_in(token)
        found = settings()
        if ticket is not None and found is not None and ticket.session_type not in found.encryption_types:
            name = encryption_type_name(ticket.session_type)
            return Reason.FORBIDDEN_ENCRYPTION, f"{message}; the session key is of the type {name}"
    return reason, message


def diagnose_credential(
    message: str, keytab: str | None, asked: str | None, wanted: str | None, own: OwnKeys | None = None
) -> tuple[Reason, str]:
    """The reason why no credential can be acquired, and the message for the log.

    Args:
        message: GSSAPI's message.
        keytab: the keytab's name; None for the default one.
        asked: the service and host name that we gave the library, ``HTTP/www``; None for any.
        wanted: the principal that the library made from them.
        own: the keys of the keytab, if the library has not read it itself.
    """
    # KRB5RCACHENAME may be set to a name that is not valid.
    if message.startswith(("Replay cache", *map(os.strerror, EXHAUSTED))):
        return Reason.SERVER_FAULT, message
    fault = of_configuration()
    if fault:
        return Reason.KRB5_CONF, f"{message}; {fault}"
    return Reason.MISCONFIGURED, f"{message}; {describe_keytab(keytab, wanted, asked, own)}"


def describe_keytab(
    keytab: str | None, wanted: str | None = None, asked: str | None = None, own: OwnKeys | None = None
) -> str:
    """The keytab's name, and what is wrong with it, or which principals it has.

    Args:
        keytab: the keytab's name; None for the default one.
        wanted: the service principal that the keytab lacks, if that is known.
        asked: the service and host name from which the library made that principal.
        own: the keys of the keytab, if it has been read already.
    """
    name = keytab_name(keytab)
    path = keytab_file(name)
    if path is None:
        return f"keytab {name}"
    try:
        keys: Collection[str] = read_keys(path) if own is None else own.in_keytab
    except (BrokenKeytabError, OSError) as error:
        return f"keytab {name}: {why_unreadable(path, error)}"
    said = [f"keytab {name}: {_some(keys, wanted, asked)}"]
    if wanted:
        service, realm = split_realm(wanted)
        small = service.lower()
        said += [
            f"{other.principal} differs from {service} in case alone"
            for other in map(_named, islice(keys, _MOST_LOOKED_AT))
            if other.small == small and other.name != service and realm in ("", other.realm)
        ]
        if asked and service.lower() != asked.lower().removesuffix("."):
            said.append(f"DNS, or the search domain in resolv.conf, made {service} of {asked}")
    if asked and keys and not any("/" in principal for principal in keys):
        # Such as WEB$@EXAMPLE.COM, in Active Directory. The account's other names may have other keys.
        host = asked.partition("/")[2]
        said.append(
            f"these are names of accounts, not of a service: make a keytab with {asked}, by `ktpass -princ "
            f"{asked}@REALM -mapuser ACCOUNT ...`, `msktutil update --service {asked.partition('/')[0]} --hostname "
            f"{host}` or `samba-tool domain exportkeytab --principal={asked}`"
        )
    return "; ".join(said)


def principals_in(keytab: str | None) -> list[str] | None:
    """The principals that a keytab has keys of; None if this process cannot read it as a file."""
    keys = _keys(keytab)
    return None if keys is None else list(keys)


def without_replay_cache() -> str:
    """The setting that turns the replay cache off, so that a token can be used again; empty if it is on."""
    # In the library's order. The older variable holds only the kind of cache.
    for variable, none in (("KRB5RCACHENAME", "none:"), ("KRB5RCACHETYPE", "none")):
        value = os.environ.get(variable)
        if value is not None:
            return f"{variable}={value}" if value.startswith(none) else ""
    found = settings()
    if found is None or not found.replay_cache.startswith("none:"):
        return ""
    return f"default_rcache_name = {found.replay_cache} in krb5.conf"


def _of_key(
    reason: Reason, message: str, ticket: Ticket | None, keytab: str | None, own: OwnKeys | None
) -> tuple[Reason, str]:
    """Why no key of the keytab, as it is now, decrypts the ticket."""
    known: Sequence[Key | Entry]
    if own is not None and ticket is not None:
        ours = own.named(ticket.principal)
        if ours is None and ticket.principal in own.in_keytab:
            return Reason.WRONG_SERVICE, f"the ticket is for {ticket.principal}, which the service is not configured as"
        known = () if ours is None else ours.entries
    else:
        keys = _keys(keytab)
        if ticket is None or keys is None:
            return reason, message
        known = keys.get(ticket.principal, ())
    if not known:
        return reason, f"{message}; {describe_keytab(keytab, ticket.principal, own=own)}"
    found = settings()
    if found is not None and ticket.encryption_type not in found.encryption_types:
        name = encryption_type_name(ticket.encryption_type)
        return Reason.FORBIDDEN_ENCRYPTION, f"{message}; the ticket is encrypted with {name}"
    # Version 0 matches any version, in the ticket as in the keytab.
    of_version = [key for key in known if ticket.version in (0, key.version) or key.version == 0]
    if not of_version:
        versions = sorted({key.version for key in known})
        return Reason.KEY_VERSION, f"{message}; the keytab holds kvno {', '.join(map(str, versions))}"
    if all(key.encryption_type != ticket.encryption_type for key in of_version):
        names = ", ".join(dict.fromkeys(encryption_type_name(key.encryption_type) for key in of_version))
        return Reason.KEY_TYPE, f"{message}; the keytab holds {names}"
    return reason, message


def _has_key(keytab: str | None, ticket: Ticket) -> bool:
    keys = _keys(keytab)
    known = () if keys is None else keys.get(ticket.principal, ())
    return any(key.encryption_type == ticket.encryption_type for key in known)


def _exhausted(keytab: str | None) -> str:
    """What the process lacks so that nobody in it can open the keytab; empty if that is not the reason."""
    path = keytab_file(keytab_name(keytab))
    try:
        if path is not None:
            os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK))
    except OSError as error:
        return os.strerror(error.errno) if error.errno in EXHAUSTED else ""
    return ""


def _has_changed(keytab: str | None, since: float) -> bool:
    """Whether the file may have changed since GSSAPI read it."""
    path = keytab_file(keytab_name(keytab))
    try:
        return path is None or os.stat(path).st_ctime > since - CLOCK_TICK  # noqa: PTH116 (nothing here needs pathlib)
    except OSError:
        return True


def _keys(keytab: str | None) -> Keys | None:
    path = keytab_file(keytab_name(keytab))
    try:
        return None if path is None else read_keys(path)
    except (OSError, BrokenKeytabError):
        return None


def keytab_name(keytab: str | None) -> str:
    if keytab is not None:
        return keytab
    found = settings()
    return os.environ.get("KRB5_KTNAME") or _DEFAULT_KEYTAB if found is None else found.keytab


def of_configuration() -> str:
    """What is wrong with ``krb5.conf``; empty where nothing is."""
    fault = configuration_fault()
    if fault is None or fault.code in EXHAUSTED:
        return ""
    if fault.code == errno.EACCES:
        return f"{fault.path}: {why_unreadable(fault.path, PermissionError(fault.code, fault.problem))}"
    return f"{fault.path}: {fault.problem}"


def why_unreadable(path: str, error: OSError | BrokenKeytabError) -> str:
    """Why a file cannot be read, or is no keytab."""
    if isinstance(error, BrokenKeytabError):
        return str(error)
    if isinstance(error, FileNotFoundError):
        return "it does not exist"
    if not isinstance(error, PermissionError):
        return error.strerror or str(error)
    # Go up until stat() works. That path denies the access: the file itself, or a folder that we may not enter.
    path = os.path.abspath(path)  # noqa: PTH100 (nothing here needs pathlib)
    while True:
        try:
            found = os.stat(path)  # noqa: PTH116
        except OSError:
            path = os.path.dirname(path)  # noqa: PTH120
        else:
            rights = f"{path} belongs to {_user(found.st_uid)} and has the mode {stat.S_IMODE(found.st_mode):04o}"
            return f"{_user(os.geteuid())} may not read it; {rights}"


def _user(number: int) -> str:
    import pwd  # only for this rare message

    try:
        return f"{pwd.getpwuid(number).pw_name} (uid {number})"
    except KeyError:
        return f"uid {number}"


class _Name(NamedTuple):
    principal: str
    name: str
    realm: str
    small: str
    kind: str


@functools.lru_cache(8 * _MOST_LOOKED_AT)  # every refused token may look at so many
def _named(principal: str) -> _Name:
    name, realm = split_realm(principal)
    small = name.lower()
    return _Name(principal, name, realm, small, small.partition("/")[0])


def _some(keys: Collection[str], wanted: str | None, asked: str | None) -> str:
    """A few of the principals in a keytab; first those that resemble the missing one."""
    if not keys:
        return "there is no key in it"
    like = {name.lower() for name in (wanted and split_realm(wanted)[0], asked) if name}
    kinds = {name.partition("/")[0] for name in like}

    looked_at = [*map(_named, islice(keys, _MOST_LOOKED_AT))]
    near = [name.principal for name in looked_at if name.small in like]
    near += [name.principal for name in looked_at if name.kind in kinds and name.small not in like]
    near += [name.principal for name in looked_at if name.kind not in kinds]
    few = near[:_MOST_PRINCIPALS]
    more = f" and {len(keys) - len(few)} more" if len(keys) > len(few) else ""
    return f"it has keys of {', '.join(few)}{more}"
