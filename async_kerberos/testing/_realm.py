"""The realm, its users and its services.

k5test writes the configuration. The keeper (see ``_keeper``) starts the KDC, and this module runs the other programs.
k5test could do that, but its errors lack the programs' output and contain passwords, and it ignores when
``kadmin.local`` fails.
"""

import contextlib
import importlib
import os
import re
import secrets
import shutil
import subprocess
import threading
import warnings
import weakref
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Protocol, TypeAlias, cast
from urllib.parse import quote

from async_kerberos.errors import KerberosError

from ._keeper import Keeper

try:
    with warnings.catch_warnings():
        # k5test has invalid escape sequences: where warnings are errors, Python would not compile it.
        warnings.simplefilter("ignore")
        _k5test: Any = importlib.import_module("k5test.realm")
except ImportError as error:
    raise ImportError(
        "async_kerberos.testing needs k5test: pip install 'async-kerberos[testing]'", name=error.name
    ) from error

ConfValue: TypeAlias = str | Sequence[str] | Mapping[str, "ConfValue"] | None
"""A value of ``krb5.conf``: a text, several for one name, a subsection, or ``None`` to remove a default."""
ConfSection: TypeAlias = Mapping[str, ConfValue]
"""The names and values of one section of ``krb5.conf``."""

_TOOLS = ("krb5kdc", "kadmin.local", "kdb5_util", "kinit")
# Distributions put the administrator's programs here. Not every user has these folders on the PATH.
_TOOL_FOLDERS = ("/usr/sbin", "/sbin", "/usr/local/sbin", "/usr/lib/mit/sbin", "/opt/homebrew/opt/krb5/sbin")

# Below every system's range of ephemeral ports: no outgoing connection takes one of these while the KDC is stopped. In
# steps of ten: k5test uses ports from the first one on, and a claim takes two.
_PORTS: Sequence[int] = range(20_000, 32_000, 10)
# If half of the ports are taken, so many failures in a row have a chance of one in 30,000.
_PORT_TRIES = 15
_PORT_TAKEN = "Address already in use"

# These programs only wait for the disk and for a KDC on this machine.
_TOOL_SECONDS = 60.0


class RealmError(KerberosError, RuntimeError):
    """The realm cannot do what it was asked: a program is missing, or failed. The text contains its output."""


class _K5Realm(Protocol):
    """The part of ``k5test.realm.MITRealm`` that we use; k5test has no type annotations."""

    portbase: int
    env: Mapping[str, str]
    krb5kdc: str
    kadmin_local: str
    kdb5_util: str
    _kinit: str

    def special_env(self, name: str, has_kdc_conf: bool, krb5_conf: Mapping[str, object]) -> dict[str, str]: ...


@dataclass(frozen=True, kw_only=True)
class User:
    """A user of a :class:`Realm`; made by :meth:`Realm.user`.

    Attributes:
        principal: the full principal, ``alice@KRBTEST.COM``.
        password: the password, in clear.
        ccache: the file of the ticket cache. It exists once there is a ticket.
    """

    principal: str
    password: str = field(repr=False)
    ccache: Path
    _realm: "Realm" = field(repr=False, compare=False)

    @property
    def env(self) -> dict[str, str]:
        """The realm's variables and ``KRB5CCNAME`` of this user, for :data:`os.environ` or a child process."""
        return {**self._realm.env, "KRB5CCNAME": f"FILE:{self.ccache}"}

    def kinit(
        self,
        *,
        lifetime: timedelta | None = None,
        renewable: timedelta | None = None,
        forwardable: bool | None = None,
    ) -> "User":
        """Get a new ticket-granting ticket. It replaces everything in the ticket cache.

        Args:
            lifetime: how long it is valid, in whole seconds. The default is the realm's, one day.
            renewable: how long it can be renewed, in whole seconds. By default it cannot.
            forwardable: whether it can be delegated. The default is the ``forwardable`` of the realm's ``krb5.conf``.

        Returns:
            The user itself.

        Raises:
            RealmError: the KDC gave no ticket.
        """
        options: list[str] = []
        if lifetime is not None:
            options += ["-l", f"{int(lifetime.total_seconds())}s"]
        if renewable is not None:
            options += ["-r", f"{int(renewable.total_seconds())}s"]
        if forwardable is not None:
            options.append("-f" if forwardable else "-F")
        self._realm._kinit(self, options)  # pyright: ignore[reportPrivateUsage] (one module, one object in two classes)
        return self


@dataclass(frozen=True, kw_only=True)
class Service:
    """A service of a :class:`Realm`; made by :meth:`Realm.service`.

    Attributes:
        principal: the full principal, ``HTTP/www.example.test@KRBTEST.COM``.
        keytab: the file that has its keys; it may have other services' keys too.
    """

    principal: str
    keytab: Path
    _realm: "Realm" = field(repr=False, compare=False)

    @property
    def env(self) -> dict[str, str]:
        """The realm's variables and ``KRB5_KTNAME`` of this service, for :data:`os.environ` or a child process."""
        return {**self._realm.env, "KRB5_KTNAME": f"FILE:{self.keytab}"}


class Realm:
    """A throwaway Kerberos realm with its own KDC on a free port of 127.0.0.1.

    ::

        with Realm() as realm:
            service = realm.service("HTTP/www.example.test")
            alice = realm.user("alice")
            subprocess.run(["klist"], env={**os.environ, **alice.env})

    The KDC and the folder are gone after :meth:`stop` and at the end of the ``with`` block. They also go when the
    process ends: at once after a normal end, and within moments after a signal, even SIGKILL. The realm installs no
    signal handler for that, so the handlers of pytest, an event loop or a server still work.

    Any number of realms can be open at once, in one process and in many. The methods can be called on any thread, and
    the realm does not end with the thread that started it. A forked child can use the realm, but not end it.
    """

    def __init__(self, *, name: str = "KRBTEST.COM", krb5_conf: Mapping[str, ConfSection] | None = None) -> None:
        """Describe the realm; nothing is started yet.

        Args:
            name: the realm's name.
            krb5_conf: what is added to the realm's ``krb5.conf``, by section, for instance
                ``{"libdefaults": {"clockskew": "30"}}``. The KDC reads the same file.

        Raises:
            TypeError: ``krb5_conf`` has a value that is no :data:`ConfValue`.
        """
        self._name = name
        self._extra = {section: _plain(values, name) for section, values in (krb5_conf or {}).items()}
        self._lock = threading.RLock()
        self._keeper: Keeper | None = None
        self._end: weakref.finalize[[], Realm] | None = None
        self._k5: _K5Realm | None = None
        self._env: Mapping[str, str] = {}

    def __enter__(self) -> "Realm":
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"<Realm {self._name} {'not started' if self._keeper is None else self._keeper.folder}>"

    def start(self) -> "Realm":
        """Create the realm and start its KDC. A realm is started once.

        Returns:
            The realm itself.

        Raises:
            RealmError: a program is missing, failed, or no free port was found. Nothing stays behind.
        """
        with self._lock:
            if self._end is not None:
                raise RealmError("a realm is started only once: make another one")
            tools = _find_tools()
            try:
                keeper = Keeper()
            except OSError as error:
                raise RealmError(f"cannot make the realm's folder: {error}") from error
            # Also runs when the interpreter ends, and when the realm is garbage-collected without stop().
            self._end = weakref.finalize(self, keeper.close)
            self._keeper = keeper
            try:
                self._build(keeper.folder, tools)
                self._start_on_free_port(keeper)
            except BaseException:
                self.stop()
                raise
        return self

    def stop(self) -> None:
        """Stop the KDC and remove the folder with everything in it. Does nothing if the realm is stopped."""
        if self._end is not None:
            self._end()

    @property
    def name(self) -> str:
        """The realm's name."""
        return self._name

    @property
    def folder(self) -> Path:
        """The folder with all files of the realm. It is removed when the realm stops.

        Raises:
            RealmError: the realm is not started.
        """
        return self._opened()[0].folder

    @property
    def port(self) -> int:
        """The KDC's port on 127.0.0.1, UDP and TCP.

        Raises:
            RealmError: the realm is not started.
        """
        return self._opened()[1].portbase

    @property
    def keytab(self) -> Path:
        """The keytab of every service that has no other one. ``KRB5_KTNAME`` in :attr:`env` names it.

        Raises:
            RealmError: the realm is not started.
        """
        return self.folder / "keytab"

    @property
    def env(self) -> Mapping[str, str]:
        """The environment variables that make a process use this realm, and those alone; read-only.

        For a child process: ``subprocess.run(..., env={**os.environ, **realm.env})``. For this process:
        :meth:`environ`. ``KRB5CCNAME`` names a ticket cache that does not exist: the developer's own tickets are not
        used.

        Raises:
            RealmError: the realm is not started.
        """
        self._opened()
        return self._env

    def user(self, name: str, *, password: str | None = None, ticket: bool = True) -> User:
        """Create a user, with a ticket in their own ticket cache.

        Args:
            name: the principal, with or without the realm: ``alice``.
            password: by default a random one.
            ticket: ``False`` leaves :meth:`User.kinit` to the caller.

        Raises:
            RealmError: the principal exists or is malformed, or the KDC gave no ticket.
        """
        principal = self._principal(name)
        password = secrets.token_urlsafe(18) if password is None else password
        # The whole name, escaped, so that the users a/b and a_b have different files.
        ccache = self.folder / f"{quote(principal, safe='')}.ccache"
        user = User(principal=principal, password=password, ccache=ccache, _realm=self)
        self._kadmin(["addprinc", principal], f"{password}\n{password}\n")
        return user.kinit() if ticket else user

    def service(self, name: str, *, keytab: Path | str | None = None) -> Service:
        """Create a service and put its keys into a keytab.

        Args:
            name: the principal, with or without the realm: ``HTTP/www.example.test``.
            keytab: the file; if it exists, the keys are added to it. A relative path is below :attr:`folder`. The
                default is :attr:`keytab`.

        Raises:
            RealmError: the principal exists or is malformed, or the keytab cannot be written.
        """
        principal = self._principal(name)
        service = Service(principal=principal, keytab=self.folder / (keytab or self.keytab), _realm=self)
        self._kadmin(["addprinc", "-randkey", principal])
        self._add_keys(service)
        return service

    def rekey(self, service: Service, *, update_keytab: bool = True) -> int:
        """Give a service new keys, as an administrator does to rotate them.

        Args:
            service: the service.
            update_keytab: whether to add the new keys to its keytab. The old keys stay there, so tickets that users
                already have are still accepted.

        Returns:
            The new key version number (kvno).

        Raises:
            RealmError: the service is not one of this realm.
        """
        with self._lock:
            self._kadmin(["cpw", "-randkey", service.principal])
            if update_keytab:
                self._add_keys(service)
            shown = self._kadmin(["getprinc", service.principal])
        return max(int(version) for version in re.findall(r"^Key: vno (\d+)", shown, re.MULTILINE))

    def kadmin(self, *arguments: str) -> str:
        """Run ``kadmin.local`` on the realm's database, for what has no method: ``realm.kadmin("getprinc", "alice")``.

        Returns:
            What it printed.

        Raises:
            RealmError: it failed.
        """
        return self._kadmin(arguments)

    def stop_kdc(self) -> None:
        """Stop the KDC and wait until it is gone. Does nothing if it is stopped.

        Raises:
            RealmError: the realm is not started.
        """
        keeper, _ = self._opened()
        try:
            keeper.stop_kdc()
        except OSError as error:
            raise RealmError(f"cannot stop the KDC: {error}") from error

    def start_kdc(self) -> None:
        """Start the KDC again, on the same port. Does nothing if it is running.

        Raises:
            RealmError: the realm is not started, or the KDC does not come up.
        """
        keeper, k5 = self._opened()
        try:
            keeper.start_kdc([k5.krb5kdc, "-n"], k5.env)
        except OSError as error:
            raise RealmError(f"cannot start the KDC: {error}") from error

    @contextlib.contextmanager
    def environ(self, user: User | None = None, service: Service | None = None) -> Generator[None, None, None]:
        """Put the realm's variables into :data:`os.environ`, and restore the old values at the end of the block.

        The environment belongs to the whole process: other threads see the change.

        Args:
            user: whose ticket cache ``KRB5CCNAME`` names.
            service: whose keytab ``KRB5_KTNAME`` names.

        Raises:
            RealmError: the realm is not started.
        """
        variables = dict(self.env)
        if user is not None:
            variables["KRB5CCNAME"] = user.env["KRB5CCNAME"]
        if service is not None:
            variables["KRB5_KTNAME"] = service.env["KRB5_KTNAME"]
        before = {variable: os.environ.get(variable) for variable in variables}
        os.environ.update(variables)
        try:
            yield
        finally:
            for variable, value in before.items():
                if value is None:
                    os.environ.pop(variable, None)
                else:
                    os.environ[variable] = value

    def _opened(self) -> tuple[Keeper, _K5Realm]:
        if self._keeper is None or self._k5 is None:
            raise RealmError("the realm is not started")
        if self._end is None or not self._end.alive:
            raise RealmError("the realm is stopped")
        return self._keeper, self._k5

    def _build(self, folder: Path, tools: Mapping[str, str]) -> None:
        # Without a hostname, k5test would ask the resolver for this host's name each time it writes a value. The KDC
        # listens on the loopback address only.
        make = cast("Any", type("_LoopbackRealm", (_k5test.MITRealm,), {"hostname": "127.0.0.1"}))
        # With "existing", k5test makes no folder, which it would not remove after a failure.
        self._k5 = cast("_K5Realm", make(realm=self._name, existing=str(folder), get_creds=False, **tools))
        (folder / "rcache").mkdir(mode=0o700)
        self._configure(_PORTS[0])  # To create the database needs the files, but not the right port yet.
        # The master password protects nothing: the stash file beside the database has the key. It is asked for twice.
        master = secrets.token_urlsafe()
        _run([self._k5.kdb5_util, "create", "-W", "-s"], self._k5.env, f"{master}\n{master}\n")

    def _configure(self, port: int) -> None:
        keeper, k5 = self._opened()
        k5.portbase = port
        # No kdc.conf: before k5test writes one, it searches the disk for a plug-in folder that we do not need. That can
        # take seconds. The KDC also reads krb5.conf, so its settings are there.
        env = k5.special_env("test", False, _merge(_CONF, self._extra))
        folder = keeper.folder
        self._env = MappingProxyType(
            {
                "KRB5_CONFIG": env["KRB5_CONFIG"],
                "KRB5_KDC_PROFILE": env["KRB5_KDC_PROFILE"],
                "KRB5CCNAME": f"FILE:{folder / 'no.ccache'}",
                "KRB5_KTNAME": f"FILE:{folder / 'keytab'}",
                "KRB5_CLIENT_KTNAME": f"FILE:{folder / 'no.client.keytab'}",
                "KRB5RCACHEDIR": str(folder / "rcache"),
            }
        )
        # We search the output of the programs, so it must not be translated.
        k5.env = {**os.environ, **self._env, "LC_ALL": "C"}

    def _start_on_free_port(self, keeper: Keeper) -> None:
        for _ in range(_PORT_TRIES):
            # Not from `random`: test runs with the same seed would all try the same ports.
            port = secrets.choice(_PORTS)
            try:
                keeper.claim(port)
            except OSError:
                continue
            self._configure(port)
            try:
                return self.start_kdc()
            except RealmError as error:
                log = keeper.folder / "kdc.log"
                said = f"{error}\n{log.read_text(errors='replace') if log.exists() else ''}".strip()
                # Another program may have taken the port after the claim. Only the KDC's own attempt is certain.
                if _PORT_TAKEN not in said:
                    raise RealmError(said) from error
                log.unlink(missing_ok=True)
        raise RealmError(f"no free port for the KDC on 127.0.0.1, tried {_PORT_TRIES} from {_PORTS[0]} to {_PORTS[-1]}")

    def _principal(self, name: str) -> str:
        return name if "@" in name else f"{name}@{self._name}"

    def _kinit(self, user: User, options: Sequence[str]) -> None:
        _, k5 = self._opened()
        kinit = k5._kinit  # pyright: ignore[reportPrivateUsage] (k5test has no other name for it)
        _run([kinit, *options, "-c", f"FILE:{user.ccache}", user.principal], k5.env, f"{user.password}\n")

    def _kadmin(self, arguments: Sequence[str], answers: str = "") -> str:
        with self._lock:  # Two at once would wait for the lock of the database, in steps of a second.
            _, k5 = self._opened()
            return _run([k5.kadmin_local, *arguments], k5.env, answers)

    def _add_keys(self, service: Service) -> None:
        self._kadmin(["ktadd", "-k", f"FILE:{service.keytab}", "-norandkey", service.principal])


# Replaces and extends what k5test sets. k5test fills in $realm, $port0 and $tmpdir.
_CONF: dict[str, object] = {
    "libdefaults": {
        "dns_canonicalize_hostname": "false",
        "dns_lookup_realm": "false",
        "rdns": "false",
        "forwardable": "true",
    },
    "realms": {
        "$realm": {
            "admin_server": None,
            "kpasswd_server": None,
            "kdc_listen": "127.0.0.1:$port0",
            "kdc_tcp_listen": "127.0.0.1:$port0",
            "database_module": "db",
            "key_stash_file": "$tmpdir/stash",
            "acl_file": "$tmpdir/acl",
            "max_renewable_life": "7d",
        }
    },
    "dbmodules": {"db": {"db_library": "db2", "database_name": "$tmpdir/db"}},
    "logging": {"kdc": "FILE:$tmpdir/kdc.log", "default": "FILE:$tmpdir/others.log"},
}


def _plain(value: object, realm: str) -> object:
    """Convert a configuration value to the form that k5test expects."""
    if value is None:
        return None
    if isinstance(value, str):
        return value.replace("$", "$$")  # auth_to_local rules contain dollars, which k5test would replace.
    if isinstance(value, Mapping):
        section = cast("Mapping[str, object]", value)
        return {"$realm" if key == realm else key.replace("$", "$$"): _plain(section[key], realm) for key in section}
    if isinstance(value, Sequence):
        values = [_plain(item, realm) for item in cast("Sequence[object]", value)]
        if all(isinstance(item, str) for item in values):
            return values
    raise TypeError(f"krb5_conf: {value!r} is no text, sequence of texts, mapping or None")


def _merge(base: Mapping[str, object], extra: Mapping[str, object]) -> dict[str, object]:
    merged = dict(base)
    for key, value in extra.items():
        below = merged.get(key)
        if isinstance(below, dict) and isinstance(value, dict):
            value = _merge(cast("dict[str, object]", below), cast("dict[str, object]", value))
        merged[key] = value
    return merged


def _find_tools() -> dict[str, str]:
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), *_TOOL_FOLDERS])
    found = {tool: shutil.which(tool, path=path) for tool in _TOOLS}
    missing = [tool for tool, where in found.items() if where is None]
    if missing:
        raise RealmError(
            f"a test realm needs MIT Kerberos, and {', '.join(missing)} is not installed here; on Debian and Ubuntu: "
            "apt install krb5-kdc krb5-admin-server krb5-user libkrb5-dev"
        )
    return {tool: where for tool, where in found.items() if where is not None}


def _run(argv: Sequence[str], env: Mapping[str, str], answers: str = "") -> str:
    try:
        done = subprocess.run(  # noqa: S603 (the realm's own tools)
            argv,
            env=env,
            input=answers,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
            timeout=_TOOL_SECONDS,
            check=False,
            # So the terminal's Ctrl-C ends only the tests: a kadmin.local that is interrupted could leave a lock.
            start_new_session=True,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        # "from None": the cause contains the answers, which are passwords.
        raise RealmError(f"{Path(argv[0]).name} {' '.join(argv[1:])}: {error}") from None
    if done.returncode:
        raise RealmError(f"{Path(argv[0]).name} {' '.join(argv[1:])}: {done.stdout.strip()}")
    return done.stdout
