"""DNS, which the library asks for the service's host name: one that does not answer, and one that says another name."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from async_kerberos import Reason
from async_kerberos.testing import Realm, Service, User

from ..support.initiator import fresh
from .conftest import THIS_HOST, Apart, host_of, target_of

# How long a request may wait, and how long the resolver does: for ten times as long, if nothing is configured. A busy
# machine may take two seconds until DNS is asked: what has waited for it for a second and a half is told to have.
_SECONDS, _RESOLVER_SECONDS = 4.0, 5


def _within(folder: Path, hosts: str = "") -> list[str]:
    """The command to run a server by where names resolve otherwise.

    Args:
        folder: for files.
        hosts: lines of ``/etc/hosts``, which is asked before DNS.
    """
    resolver = folder / "resolv.conf"
    resolver.write_text(f"nameserver 127.0.0.1\nsearch .\noptions timeout:{_RESOLVER_SECONDS} attempts:1\n")
    table = folder / "hosts"
    table.write_text(hosts)
    files = {"/etc/resolv.conf": str(resolver), "/etc/hosts": str(table)}
    # A user who is not root may become root in a user namespace.
    unshare = ["unshare", "--mount", "--net", *([] if os.geteuid() == 0 else ["--map-root-user"])]
    return [*unshare, sys.executable, "-m", "tests.faults.elsewhere_main", json.dumps(files)]


def _configuration(folder: Path, canonicalize: str) -> dict[str, str]:
    """Variables by which krb5.conf has DNS asked, or not."""
    file = folder / "dns.conf"
    file.write_text(f"[libdefaults]\n\tdns_canonicalize_hostname = {canonicalize}\n")
    return {"KRB5_CONFIG": f"{file}:{os.environ['KRB5_CONFIG']}", "KRB5RCACHEDIR": str(folder)}


@pytest.mark.parametrize("door", ["asyncio", "trio"])
def test_silent(door: str, service: Service, users: tuple[User, User], tmp_path: Path) -> None:
    """The service's own keys need no DNS. Where the library reads the keytab sign-ins wait for it.

    They are told so, and not that a storage hangs; with the remedy, nobody waits.
    """
    own, library, host = service.keytab, f"WRFILE:{service.keytab}", host_of(service)
    for hostname, keytab, canonicalize, reason in (
        (host, own, "true", None),
        ([host, "other.faults.test"], own, "true", None),
        ("*", own, "true", None),
        (host, library, "true", "DNS"),
        (host, library, "false", None),
    ):
        env, within = _configuration(tmp_path, canonicalize), _within(tmp_path)
        with Apart(service, hostname=hostname, keytab=keytab, seconds=_SECONDS, env=env, within=within) as server:
            reply = server.ask(fresh(target_of(service), ccache=users[0].ccache), door)
        assert reply.reason == reason, reply.log
        if reason:
            assert (reply.status, list(map(tuple, reply.headers))) == (503, [("Retry-After", "1")])
            assert reply.log.endswith(Reason.DNS.remedy)


def test_silent_for_a_thread(service: Service, users: tuple[User, User], tmp_path: Path) -> None:
    """A thread that waits without a deadline logs that it waits for DNS; once there is a credential, nobody waits."""
    env = _configuration(tmp_path, "true")
    keytab = f"WRFILE:{service.keytab}"
    with Apart(service, keytab=keytab, seconds=_SECONDS, env=env, within=_within(tmp_path)) as server:
        first, second = (server.ask(fresh(target_of(service), ccache=users[0].ccache)) for _ in range(2))
    assert (first.reason, second.reason) == (None, None)
    assert f"seconds for {host_of(service)}. {Reason.DNS.remedy}" in first.log
    assert second.log == ""


def test_another_name(realm: Realm, service: Service, users: tuple[User, User], tmp_path: Path) -> None:
    """A site whose name is an alias of the machine's is served by its own keys.

    Where the library reads the keytab, and DNS makes another name of the configured one, the log names both, and the
    keytab that lacks the other.
    """
    hosts = f"127.0.0.1 machine.faults.test {host_of(service)}\n"
    env = _configuration(tmp_path, "true")
    with Apart(service, keytab=service.keytab, env=env, within=_within(tmp_path, hosts)) as server:
        assert server.ask(fresh(target_of(service), ccache=users[0].ccache)).reason is None
    keytab = f"WRFILE:{service.keytab}"
    with Apart(service, keytab=keytab, env=env, within=_within(tmp_path, hosts)) as server:
        reply = server.ask(fresh(target_of(service), ccache=users[0].ccache))
    assert (reply.reason, reply.status) == ("MISCONFIGURED", 500)
    made = f"DNS, or the search domain in resolv.conf, made HTTP/machine.faults.test of HTTP/{host_of(service)}"
    assert made in reply.log
    assert f"keytab {keytab}: it has keys of {service.principal};" in reply.log


@pytest.mark.parametrize("answers", [True, False], ids=["answers", "silent"])
def test_this_host(answers: bool, service: Service, users: tuple[User, User], tmp_path: Path) -> None:
    """Where no host name is configured and the system tells this host's without a domain, DNS is asked, and once."""
    env = _configuration(tmp_path, "true")
    hosts = f"127.0.0.1 {host_of(service)} web1\n" if answers else ""
    within = [*_within(tmp_path, hosts), "unshare", "--uts", "sh", "-c", 'hostname web1 && exec "$@"', "sh"]
    with Apart(service, hostname=THIS_HOST, keytab=service.keytab, seconds=_SECONDS, env=env, within=within) as server:
        first = server.ask(fresh(target_of(service), ccache=users[0].ccache), "asyncio")
        (tmp_path / "hosts").write_text("")
        second = server.ask(fresh(target_of(service), ccache=users[0].ccache))
    if answers:
        assert (first.reason, second.reason) == (None, None)
        assert (first.log, second.log) == ("", "")
    else:
        assert (first.reason, second.reason) == ("DNS", "MISCONFIGURED")
        assert "no key for HTTP/web1; keytab " in second.log, second.log
