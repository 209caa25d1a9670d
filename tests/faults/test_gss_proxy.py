"""gss-proxy: a daemon that holds the keytab, and accepts for servers that may not read it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Generator
from pathlib import Path

import pytest

from async_kerberos.testing import Realm, Service, User

from ..support.debs import unpacked
from ..support.initiator import fresh
from ..support.waiting import wait_until
from .conftest import DOORS, Apart, host_of, someone_else, target_of

HOSTNAMES = pytest.mark.parametrize("hostname", [None, "*"], ids=["one-host", "any-host"])

_CONFIGURATION = """
[gssproxy]
[service/HTTP]
  mechs = krb5
  cred_store = keytab:{keytab}
  euid = {uid}
  socket = {folder}/http.sock
  cred_usage = accept
"""


@pytest.fixture
def proxied(service: Service, cifs: Service, open_folder: Path) -> Generator[dict[str, str], None, None]:
    """gss-proxy, with all keys of the service's keytab; the environment of a server that asks it."""
    package = unpacked("gssproxy")
    (libraries,) = {path.parent for path in package.glob("usr/lib/*/libini_config.so*")}
    uid = someone_else()
    configuration = open_folder / "gssproxy.conf"
    configuration.write_text(
        _CONFIGURATION.format(keytab=service.keytab, uid=os.geteuid() if uid is None else uid, folder=open_folder)
    )
    # Another user may not be able to look into the folder of the package.
    plugin = shutil.copy(libraries / "gssproxy" / "proxymech.so", open_folder)
    (open_folder / "mechanisms").write_text(f"gssproxy_v1 2.16.840.1.113730.3.8.15.1 {plugin} <interposer>\n")
    with (open_folder / "gssproxy.log").open("wb") as log:
        process = subprocess.Popen(
            [package / "usr/sbin/gssproxy", "-i", "-c", configuration, "-s", open_folder / "default.sock"],
            env={**os.environ, "LD_LIBRARY_PATH": str(libraries)},
            stdout=log,
            stderr=log,
        )
    try:
        wait_until((open_folder / "http.sock").exists, "gss-proxy is up")
        yield {
            "GSS_USE_PROXY": "yes",
            "GSSPROXY_SOCKET": str(open_folder / "http.sock"),
            "GSS_MECH_CONFIG": str(open_folder / "mechanisms"),
            # The plug-in puts what it is given into the default cache.
            "KRB5CCNAME": "MEMORY:none",
        }
    finally:
        process.terminate()
        process.wait()


@pytest.fixture
def cifs(realm: Realm, service: Service) -> Service:
    """Another service in the same keytab."""
    return realm.service(f"cifs/{host_of(service)}", keytab=service.keytab)


def expect_of(server: Apart, service: Service, user: User) -> None:
    """A ticket for the service is accepted by each door; one for another service, and garbage, are not."""
    for door in DOORS:
        reply = server.ask(fresh(target_of(service), ccache=user.ccache), door)
        assert reply.reason is None, reply.log
        reply = server.ask(fresh(f"cifs@{host_of(service)}", ccache=user.ccache), door)
        assert reply.status == 403, reply.log
        reply = server.ask("Negotiate YIIBIjANBgkqhkiG9w0=", door)
        assert reply.status == 403, reply.log


@HOSTNAMES
@pytest.mark.parametrize("is_there", [True, False], ids=["unreadable", "missing"])
def test_served(
    hostname: str | None,
    is_there: bool,
    proxied: dict[str, str],
    service: Service,
    users: tuple[User, User],
    open_folder: Path,
) -> None:
    """A server that cannot read the keytab is served by gss-proxy."""
    keytab = open_folder / "keytab"
    if is_there:
        keytab.write_bytes(service.keytab.read_bytes())
        keytab.chmod(0)
    with Apart(service, hostname=hostname, keytab=keytab, uid=someone_else(), env=proxied) as server:
        expect_of(server, service, users[0])


@HOSTNAMES
def test_readable(
    hostname: str | None, proxied: dict[str, str], service: Service, users: tuple[User, User], open_folder: Path
) -> None:
    """Where a server asks gss-proxy, that decides, though there is a keytab to read: its keys open no other service."""
    keytab = open_folder / "keytab"
    keytab.write_bytes(service.keytab.read_bytes())
    keytab.chmod(0o644)
    with Apart(service, hostname=hostname, keytab=keytab, uid=someone_else(), env=proxied) as server:
        expect_of(server, service, users[0])
