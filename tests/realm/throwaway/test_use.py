"""A throwaway realm in use: users, services, tickets, keys, ``krb5.conf`` and the environment."""

import os
import signal
import sys
import threading
from datetime import timedelta
from pathlib import Path
from typing import cast

import gssapi
import pytest

from async_kerberos.testing import ConfSection, Realm, RealmError, User

from ...support.realms import GSSError, eventually, kinds_of, klist, pid_of, sign_in

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")


def test_a_user_has_a_ticket(realm: Realm) -> None:
    """The ticket cache of a new user holds a ticket-granting ticket of the realm."""
    alice = realm.user("alice")
    listed = klist(alice)
    assert "Default principal: alice@KRBTEST.COM" in listed
    assert "krbtgt/KRBTEST.COM@KRBTEST.COM" in listed


def test_sign_in(realm: Realm) -> None:
    """A user signs in to a service with nothing but what the realm made, and the acceptor sees who it is."""
    service = realm.service("HTTP/www.example.test")
    assert sign_in(realm, realm.user("alice"), service, "www.example.test") == "alice@KRBTEST.COM"


def test_replay_cache_is_the_realms(realm: Realm) -> None:
    """The replay cache of a sign-in is in the realm's folder, so it goes with the realm."""
    sign_in(realm, realm.user("alice"), realm.service("HTTP/www.example.test"), "www.example.test")
    assert list((realm.folder / "rcache").iterdir())


def test_services_share_a_keytab_or_have_their_own(realm: Realm, tmp_path: Path) -> None:
    """Services go into the default keytab, one named by a relative path, or one anywhere."""
    first, second = realm.service("HTTP/one.example.test"), realm.service("HTTP/two.example.test")
    third = realm.service("HTTP/three.example.test", keytab="three.keytab")
    fourth = realm.service("HTTP/four.example.test", keytab=tmp_path / "four.keytab")
    assert first.keytab == second.keytab == realm.keytab
    assert third.keytab == realm.folder / "three.keytab"
    alice = realm.user("alice")
    for service in (first, second, third, fourth):
        host = service.principal.removeprefix("HTTP/").removesuffix("@KRBTEST.COM")
        assert sign_in(realm, alice, service, host) == "alice@KRBTEST.COM"
    with pytest.raises(GSSError):
        sign_in(realm, alice, third, "one.example.test")


def test_any_password_will_do(realm: Realm) -> None:
    """A password with quotes, blanks, a dollar and letters beyond ASCII gets a ticket."""
    password = """it's a "pass" phräse $x `id` \\"""
    assert realm.user("alice", password=password).password == password


def test_similar_names_have_caches_of_their_own(realm: Realm) -> None:
    """The principals a/b and a_b do not share a ticket cache."""
    assert realm.user("a/b").ccache != realm.user("a_b").ccache


def test_no_ticket_until_asked(realm: Realm) -> None:
    """A user made with ticket=False has no ticket cache until kinit()."""
    alice = realm.user("alice", ticket=False)
    assert not alice.ccache.exists()
    assert alice.kinit().ccache.exists()


def test_ticket_options(realm: Realm) -> None:
    """kinit() asks for a lifetime, for a renewable ticket, and for one that is not forwardable."""
    alice = realm.user("alice")
    assert "F" in klist(alice, "-f").partition("Flags: ")[2]
    alice.kinit(lifetime=timedelta(minutes=5), renewable=timedelta(hours=1), forwardable=False)
    flags = klist(alice, "-f").partition("Flags: ")[2]
    assert "R" in flags
    assert "F" not in flags
    with realm.environ(alice):
        credentials = gssapi.Credentials(usage="initiate")
    assert credentials.lifetime is not None
    assert 0 < credentials.lifetime <= 300


def test_rekey(realm: Realm) -> None:
    """New keys have the next version number, go into the keytab, and leave the old ones there for tickets in use."""
    service = realm.service("HTTP/www.example.test")
    alice, bob = realm.user("alice"), realm.user("bob")
    sign_in(realm, alice, service, "www.example.test")
    assert realm.rekey(service) == 2
    assert sign_in(realm, alice, service, "www.example.test") == "alice@KRBTEST.COM"
    assert sign_in(realm, bob, service, "www.example.test") == "bob@KRBTEST.COM"


def test_rekey_without_the_keytab(realm: Realm) -> None:
    """With update_keytab=False the service cannot read new tickets."""
    service = realm.service("HTTP/www.example.test")
    assert realm.rekey(service, update_keytab=False) == 2
    with pytest.raises(GSSError):
        sign_in(realm, realm.user("alice"), service, "www.example.test")


def test_stop_and_start_the_kdc(realm: Realm) -> None:
    """Without its KDC the realm gives no ticket; started again on the same port, it does. Each twice is harmless."""
    alice = realm.user("alice")
    realm.stop_kdc()
    realm.stop_kdc()
    with pytest.raises(RealmError, match="Cannot contact any KDC"):
        alice.kinit()
    realm.start_kdc()
    realm.start_kdc()
    alice.kinit()


def test_a_kdc_that_died_is_started_again(realm: Realm, temporary_folder: Path) -> None:
    """start_kdc() notices that the KDC it started is gone."""
    os.kill(pid_of(temporary_folder, "kdc"), signal.SIGKILL)
    assert eventually(lambda: kinds_of(temporary_folder) == ["keeper"])
    realm.start_kdc()
    realm.user("alice")


def test_kadmin(realm: Realm) -> None:
    """kadmin() passes arguments as they are and returns what was printed; its failure is an error with the text."""
    alice = realm.user("alice", ticket=False)
    realm.kadmin("modprinc", "-maxlife", "2 hours", alice.principal)
    assert "Maximum ticket life: 0 days 02:00:00" in realm.kadmin("getprinc", alice.principal)
    with pytest.raises(RealmError, match="already exists"):
        realm.user("alice")


def test_krb5_conf_is_merged() -> None:
    """Additions join the realm's own settings, dollars stay as they are, several values stay several, None removes."""
    rules = ["RULE:[1:$1@$0](.*@KRBTEST\\.COM)s/@.*//", "DEFAULT"]
    extra: dict[str, ConfSection] = {
        "libdefaults": {"clockskew": "30", "rdns": None},
        "realms": {"KRBTEST.COM": {"auth_to_local": rules}, "OTHER.TEST": {"kdc": "127.0.0.1:1"}},
    }
    with Realm(krb5_conf=extra) as realm:
        text = Path(realm.env["KRB5_CONFIG"]).read_text()
        realm.user("alice")
    lines = [line.strip() for line in text.splitlines()]
    assert "clockskew = 30" in lines
    assert "dns_canonicalize_hostname = false" in lines
    assert not [line for line in lines if line.startswith("rdns")]
    assert [line for line in lines if line.startswith("auth_to_local")] == [f"auth_to_local = {rule}" for rule in rules]
    assert lines.count("KRBTEST.COM = {") == lines.count("OTHER.TEST = {") == 1


@pytest.mark.parametrize("value", [30, b"30", ["a", ["b"]], [None]])
def test_krb5_conf_of_wrong_type(value: object) -> None:
    """A value that krb5.conf cannot have is refused before anything is started."""
    with pytest.raises(TypeError, match="krb5_conf"):
        Realm(krb5_conf={"libdefaults": {"clockskew": cast("str", value)}})


def test_environ_is_restored(realm: Realm, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the block the environment is what it was, whatever was set, unset or raised inside."""
    alice, service = realm.user("alice"), realm.service("HTTP/www.example.test", keytab="www.keytab")
    monkeypatch.setenv("KRB5CCNAME", "before")
    monkeypatch.delenv("KRB5_KTNAME", raising=False)
    before = dict(os.environ)

    def use() -> None:
        with realm.environ(alice, service):
            assert os.environ["KRB5CCNAME"] == f"FILE:{alice.ccache}"
            assert os.environ["KRB5_KTNAME"] == f"FILE:{service.keytab}"
            assert os.environ["KRB5_CONFIG"] == realm.env["KRB5_CONFIG"]
            os.environ["KRB5CCNAME"] = "inside"
            del os.environ["KRB5_CONFIG"]
            raise LookupError

    with pytest.raises(LookupError):
        use()
    assert dict(os.environ) == before


def test_env_is_kerberos_only(realm: Realm) -> None:
    """The variables are those of Kerberos, name nothing outside the realm's folder, and cannot be changed."""
    assert all(variable.startswith("KRB5") for variable in realm.env)
    values = [value.removeprefix("FILE:") for value in realm.env.values()]
    assert all(value == os.devnull or Path(value).is_relative_to(realm.folder) for value in values)
    with pytest.raises(TypeError):
        realm.env["KRB5CCNAME"] = "other"  # type: ignore[index]  # pyright: ignore[reportIndexIssue] (the test is that)


def test_passwords_are_not_shown(realm: Realm) -> None:
    """No repr, and no text of an error on the way to a ticket, has the password."""
    alice = realm.user("alice", password="open-sesame")
    shown = [repr(alice), str(alice), repr(realm), repr(realm.service("HTTP/www.example.test"))]
    with pytest.raises(RealmError) as exists:
        realm.user("alice", password="open-sesame")
    realm.stop_kdc()
    with pytest.raises(RealmError) as unreachable:
        alice.kinit()
    shown += [str(exists.value), str(unreachable.value)]
    assert not [text for text in shown if "open-sesame" in text]


def test_threads_share_a_realm(realm: Realm) -> None:
    """Users made on several threads at once all get tickets."""
    users: list[User] = []

    def make(number: int) -> None:
        users.append(realm.user(f"user{number}"))

    threads = [threading.Thread(target=make, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(user.ccache.exists() for user in users)
    assert len(users) == 8
