"""How a throwaway realm ends, and what it survives: signals, ``stop``, threads, forks, a keeper that is killed."""

import gc
import os
import signal
import sys
import threading
from pathlib import Path

import pytest

from async_kerberos.testing import Realm, RealmError

from ...support.realms import eventually, is_clean, kinds_of, klist, line_of, pid_of, script

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")


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
