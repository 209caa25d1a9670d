"""How a throwaway realm starts: its port, several at once, and starts that fail."""

import os
import secrets
import signal
import socket
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from async_kerberos.testing import Realm, RealmError, User

from ...support.realms import eventually, is_clean, script

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")

MODULE = "async_kerberos.testing._realm"


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
