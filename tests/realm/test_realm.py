"""The throwaway realm of :mod:`async_kerberos.testing`, with a real KDC."""

import gc
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import gssapi
import gssapi.raw
import pytest

import async_kerberos
from async_kerberos.testing import ConfSection, Realm, RealmError, Service, User

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")

# pyright cannot follow python-gssapi's annotations of the results.
raw: Any = gssapi.raw
GSSError: type[Exception] = raw.GSSError

MODULE = "async_kerberos.testing._realm"
# Nothing here takes a second. It bounds how long a failing test looks for what never comes.
PATIENCE_SECONDS = 30.0


@pytest.fixture(autouse=True)
def temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of the test's own for the realms: what a realm leaves behind is found by its name."""
    folder = tmp_path / "realms"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setenv("TMPDIR", str(folder))
    return folder


@pytest.fixture
def realm() -> Iterator[Realm]:
    with Realm() as realm:
        yield realm


def processes_of(folder: Path) -> dict[int, str]:
    """The KDCs and keepers of the realms below a folder: their process ids and what they are."""
    found: dict[int, str] = {}
    for process in Path("/proc").iterdir():
        if not process.name.isdigit():
            continue
        try:
            command = (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
            environment = (process / "environ").read_bytes()
        except OSError:
            continue  # It ended while it was looked at, or is another user's.
        if command[0].endswith("krb5kdc") and f"KRB5_CONFIG={folder}/".encode() in environment:
            found[int(process.name)] = "kdc"
        elif str(folder) in command and any(argument.endswith("_keeper.py") for argument in command):
            found[int(process.name)] = "keeper"
    return found


def kinds_of(folder: Path) -> list[str]:
    return sorted(processes_of(folder).values())


def pid_of(folder: Path, kind: str) -> int:
    (pid,) = [pid for pid, its_kind in processes_of(folder).items() if its_kind == kind]
    return pid


def is_clean(folder: Path) -> bool:
    return not processes_of(folder) and not list(folder.iterdir())


def eventually(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def script(code: str, *, own_group: bool = False) -> "subprocess.Popen[str]":
    """Run Python code that can import the package."""
    start = """
        import os, signal, sys, time

        def wait_for_a_signal():
            while True:  # One long sleep would sleep on where the signal comes just before it.
                time.sleep(0.01)
    """
    root = str(Path(async_kerberos.__file__).parents[1])
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(start) + textwrap.dedent(code)],
        env={**os.environ, "PYTHONPATH": root},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=own_group,
    )


def line_of(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    line = process.stdout.readline().strip()
    if not line:
        raise AssertionError(process.communicate()[1])
    return line


def klist(user: User, *options: str) -> str:
    done = subprocess.run(
        ["klist", *options], env={**os.environ, **user.env}, capture_output=True, text=True, check=True
    )
    return done.stdout


def sign_in(realm: Realm, user: User, service: Service, host: str) -> str:
    """One sign-in, initiator and acceptor in this process: the name that the acceptor sees."""
    with realm.environ(user, service):
        target = gssapi.Name(f"HTTP@{host}", gssapi.NameType.hostbased_service)
        initiator = gssapi.SecurityContext(name=target, mech=gssapi.MechType.kerberos, usage="initiate")
        accepted = raw.accept_sec_context(initiator.step(), gssapi.Credentials(usage="accept"))
    return str(gssapi.Name(accepted.initiator_name))


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


def test_two_realms_at_once() -> None:
    """Two open realms, of one name even, know nothing of each other."""
    with Realm() as one, Realm() as two, Realm(name="OTHER.TEST") as three:
        assert len({one.port, two.port, three.port}) == 3
        assert one.folder != two.folder
        alice = one.user("alice")
        with pytest.raises(RealmError, match="not found"):
            User(principal=alice.principal, password=alice.password, ccache=alice.ccache, _realm=two).kinit()
        assert three.user("alice").principal == "alice@OTHER.TEST"
        two.stop()
        alice.kinit()


def test_realms_in_parallel_processes(temporary_folder: Path) -> None:
    """Processes that open realms at the same time do not get into each other's way."""
    code = """
        from async_kerberos.testing import Realm
        input()
        with Realm() as realm:
            realm.user("alice")
            print(realm.port)
    """
    processes = [script(code) for _ in range(4)]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    outputs = [process.communicate() for process in processes]
    assert [process.returncode for process in processes] == [0] * 4, outputs
    assert is_clean(temporary_folder)


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_taken_port_is_passed_over(kind: socket.SocketKind, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where another program has the port, TCP or UDP, the realm takes another one."""
    with socket.socket(type=kind) as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", 0))
        taken = other.getsockname()[1]
        choose = secrets.choice
        first_choices = [taken, taken]

        def choice(ports: Sequence[int]) -> int:
            return first_choices.pop() if first_choices else choose(ports)

        monkeypatch.setattr(f"{MODULE}.secrets.choice", choice)
        with Realm() as realm:
            assert realm.port != taken
            assert first_choices == []
            realm.user("alice")


def test_port_of_another_realm_is_passed_over(realm: Realm, monkeypatch: pytest.MonkeyPatch) -> None:
    """A realm does not take another's port, not even while that one's KDC is stopped."""
    realm.stop_kdc()
    monkeypatch.setattr(f"{MODULE}._PORTS", [realm.port])
    with pytest.raises(RealmError, match="no free port"):
        Realm().start()
    realm.start_kdc()
    realm.user("alice")


def fake_kdc(folder: Path, monkeypatch: pytest.MonkeyPatch, body: str) -> None:
    folder.mkdir()
    program = folder / "krb5kdc"
    program.write_text(f"#!/bin/sh\n{body}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


def test_failed_start_leaves_nothing(temporary_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A KDC that does not come up is an error with what it said; no process and no folder stays, and stop() is fine."""
    fake_kdc(tmp_path / "bin", monkeypatch, "echo out of luck; exit 3")
    realm = Realm()
    with pytest.raises(RealmError, match=r"(?s)code 3.*out of luck"):
        realm.start()
    assert is_clean(temporary_folder)
    realm.stop()
    with pytest.raises(RealmError, match="only once"):
        realm.start()


def test_failed_database_leaves_nothing(temporary_folder: Path) -> None:
    """A krb5.conf that Kerberos refuses is an error with what it said, and nothing stays."""
    with pytest.raises(RealmError, match="Improper format"):
        Realm(krb5_conf={"libdefaults": {"nonsense = {\n[": "x"}}).start()
    assert is_clean(temporary_folder)


def test_a_late_taker_of_the_port(temporary_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A port that is taken between the claim and the KDC's start is one more try, and the last try is an error."""
    tries = tmp_path / "tries"
    fake_kdc(tmp_path / "bin", monkeypatch, f"echo x >> {tries}; echo 'bind: Address already in use'; exit 1")
    with pytest.raises(RealmError, match="no free port"):
        Realm().start()
    assert len(tries.read_text().split()) > 1
    assert is_clean(temporary_folder)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_signal_while_starting(
    number: signal.Signals, temporary_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A signal while the KDC is coming up leaves no process and no folder."""
    pid_file = tmp_path / "pid"
    fake_kdc(tmp_path / "bin", monkeypatch, f"echo $$ > {pid_file}.new; mv {pid_file}.new {pid_file}; exec sleep 600")
    with script("from async_kerberos.testing import Realm; Realm().start()") as process:
        assert eventually(pid_file.exists)
        process.send_signal(number)
        process.communicate()
    assert process.returncode == -number
    assert eventually(lambda: is_clean(temporary_folder))
    assert eventually(lambda: not Path(f"/proc/{pid_file.read_text().strip()}").exists())


OPEN_AND_WAIT = """
    from async_kerberos.testing import Realm
    realm = Realm().start()
    realm.user("alice")
    print("open", flush=True)
    wait_for_a_signal()
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_signal_ends_the_realm(number: signal.Signals, temporary_folder: Path) -> None:
    """A process that a signal ends dies of that signal and leaves no KDC, no keeper and no folder."""
    with script(OPEN_AND_WAIT) as process:
        assert line_of(process) == "open"
        assert kinds_of(temporary_folder) == ["kdc", "keeper"]
        process.send_signal(number)
        process.communicate()
    assert process.returncode == -number
    assert eventually(lambda: is_clean(temporary_folder))


def test_end_of_the_program_ends_the_realm(temporary_folder: Path) -> None:
    """A realm that was never stopped is gone by the time the program has ended."""
    with script("from async_kerberos.testing import Realm; Realm().start().user('alice')") as process:
        _, said = process.communicate()
    assert (process.returncode, said) == (0, "")
    assert is_clean(temporary_folder)


def test_dropped_realm_is_ended(temporary_folder: Path) -> None:
    """A realm that nobody holds any more is ended."""
    Realm().start()
    gc.collect()
    assert is_clean(temporary_folder)


def test_stop_leaves_nothing(temporary_folder: Path) -> None:
    """After stop() the KDC, the keeper and the folder are gone; a second stop() is fine; use is an error."""
    realm = Realm()
    with pytest.raises(RealmError, match="not started"):
        _ = realm.env
    realm.stop()
    realm.start()
    alice = realm.user("alice")
    assert kinds_of(temporary_folder) == ["kdc", "keeper"]
    realm.stop()
    assert is_clean(temporary_folder)
    realm.stop()
    for use in (realm.start_kdc, realm.stop_kdc, alice.kinit, lambda: realm.user("bob"), lambda: realm.env):
        with pytest.raises(RealmError, match="stopped"):
            use()


def test_signal_handlers_are_left_alone() -> None:
    """Opening and ending a realm changes the handler of no signal."""
    before = {number: signal.getsignal(number) for number in signal.valid_signals()}
    with Realm():
        assert {number: signal.getsignal(number) for number in signal.valid_signals()} == before
    assert {number: signal.getsignal(number) for number in signal.valid_signals()} == before


def test_own_handler_is_called(temporary_folder: Path) -> None:
    """A program that handles SIGTERM itself goes on, and so does its realm."""
    code = """
        from async_kerberos.testing import Realm
        handled = []
        signal.signal(signal.SIGTERM, lambda *_: handled.append(True))
        with Realm() as realm:
            print("open", flush=True)
            while not handled:
                time.sleep(0.01)
            realm.user("alice")
            print("used", flush=True)
    """
    with script(code) as process:
        assert line_of(process) == "open"
        process.terminate()
        out, said = process.communicate()
    assert (out.strip(), said, process.returncode) == ("used", "", 0)
    assert is_clean(temporary_folder)


def test_ctrl_c_does_not_reach_the_kdc(temporary_folder: Path) -> None:
    """Ctrl-C, which goes to the whole process group, is a KeyboardInterrupt and spares the KDC."""
    code = """
        from async_kerberos.testing import Realm
        with Realm() as realm:
            try:
                print("open", flush=True)
                wait_for_a_signal()
            except KeyboardInterrupt:
                realm.user("alice")
                print("used", flush=True)
    """
    with script(code, own_group=True) as process:
        assert line_of(process) == "open"
        os.killpg(process.pid, signal.SIGINT)
        out, said = process.communicate()
    assert (out.strip(), said, process.returncode) == ("used", "", 0)
    assert is_clean(temporary_folder)


def test_realm_outlives_the_thread_that_started_it(temporary_folder: Path) -> None:
    """A realm started on a thread that has ended works, and is ended on another thread."""
    realm = Realm()
    thread = threading.Thread(target=realm.start)
    thread.start()
    thread.join()
    alice = realm.user("alice")
    assert "krbtgt" in klist(alice)
    thread = threading.Thread(target=realm.stop)
    thread.start()
    thread.join()
    assert is_clean(temporary_folder)


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


FORK_AND_WAIT = """
    from async_kerberos.testing import Realm
    realm = Realm().start()
    child = os.fork()
    if child == 0:
        os.closerange(0, 3)
        time.sleep(600)
    print(child, flush=True)
    input()
    realm.stop()
    print("stopped", flush=True)
    os._exit(0)
"""


@pytest.mark.parametrize("kill", [True, False])
def test_forked_child_does_not_keep_the_realm(kill: bool, temporary_folder: Path) -> None:
    """A forked child that lives on keeps the realm neither after its parent's SIGKILL nor after stop()."""
    with script(FORK_AND_WAIT) as process:
        child = int(line_of(process))
        try:
            if kill:
                process.kill()
                assert eventually(lambda: is_clean(temporary_folder))
            else:
                assert process.stdin is not None
                process.stdin.write("go\n")
                process.stdin.flush()
                assert line_of(process) == "stopped"
                assert is_clean(temporary_folder)
            os.kill(child, 0)
        finally:
            os.kill(child, signal.SIGKILL)


def test_forked_child_does_not_end_the_realm(temporary_folder: Path) -> None:
    """A forked child may stop its copy of the realm and exit; the parent's realm works on."""
    code = """
        from async_kerberos.testing import Realm, RealmError
        with Realm() as realm:
            child = os.fork()
            if child == 0:
                realm.user("bob")
                try:
                    realm.stop_kdc()
                except RealmError:
                    realm.stop()
                    sys.exit(7)
            print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
            realm.user("alice")
    """
    with script(code) as process:
        out, said = process.communicate()
    assert (out.strip(), said, process.returncode) == ("7", "", 0)
    assert is_clean(temporary_folder)


def test_killed_keeper_takes_the_kdc_with_it(temporary_folder: Path) -> None:
    """Where the keeper itself is killed, the KDC goes too, and stop() removes the folder."""
    realm = Realm().start()
    os.kill(pid_of(temporary_folder, "keeper"), signal.SIGKILL)
    assert eventually(lambda: "kdc" not in kinds_of(temporary_folder))
    with pytest.raises(RealmError, match="cannot start the KDC"):
        realm.start_kdc()
    realm.stop()
    assert is_clean(temporary_folder)


def test_keeper_ignores_signals_sent_to_everything(realm: Realm, temporary_folder: Path) -> None:
    """A SIGTERM, SIGINT or SIGHUP sent to every process does not end the keeper before it has cleaned up."""
    keeper = pid_of(temporary_folder, "keeper")
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        os.kill(keeper, number)
    realm.user("alice")
    realm.stop_kdc()
    realm.start_kdc()
    assert pid_of(temporary_folder, "keeper") == keeper


def test_missing_programs_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, temporary_folder: Path) -> None:
    """Without the Kerberos programs the error names them and the packages to install, and nothing is started."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(f"{MODULE}._TOOL_FOLDERS", ())
    with pytest.raises(
        RealmError, match=r"krb5kdc.*kinit.*apt install krb5-kdc krb5-admin-server krb5-user libkrb5-dev"
    ):
        Realm().start()
    assert is_clean(temporary_folder)


def test_programs_outside_the_path_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The KDC is found where distributions put it, though /usr/sbin is not on the PATH of every user."""
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    with Realm() as realm:
        realm.user("alice")


def test_missing_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where no temporary folder can be made the error says why."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    with pytest.raises(RealmError, match=r"folder.*No such file"):
        Realm().start()


def test_missing_extra_is_named() -> None:
    """Without k5test the import fails with the name of the extra."""
    with script("sys.modules['k5test'] = None; import async_kerberos.testing") as process:
        _, said = process.communicate()
    assert "ImportError: async_kerberos.testing needs k5test: pip install 'async-kerberos[testing]'" in said


def test_import_is_light() -> None:
    """The import loads no web framework, and of gssapi nothing that the core does not load."""
    code = """
        import async_kerberos
        before = set(sys.modules)
        import async_kerberos.testing
        print({name.partition(".")[0] for name in set(sys.modules) - before})
    """
    with script(code) as process:
        out, said = process.communicate()
    assert said == ""
    assert not [name for name in ("gssapi", "flask", "quart", "starlette", "fastapi") if f"'{name}'" in out]
