"""A keytab that is not there yet, cannot be read, is broken, or is replaced, while one ``Kerberos`` serves on."""

from __future__ import annotations

import os
import pwd
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from async_kerberos import Kerberos, Reason
from async_kerberos.testing import Realm, Service, User

from ..support.initiator import fresh
from ..support.keytabs import keytab_option
from .conftest import DOORS, Answer, Apart, Traffic, ask, host_of, someone_else, target_of

# Whether the credential is for one principal, or takes any key: the library then reports other errors.
ONE_OR_ANY = pytest.mark.parametrize("any_host", [False, True], ids=["one-host", "any-host"])


# Whether the service has its own keys, from the file, or the library reads it for each token.
READERS = pytest.mark.parametrize("reader", ["own-keys", "library"])


@pytest.fixture
def no_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    """The keys before do not stay in force where the keytab is gone, or broken."""
    monkeypatch.setattr("async_kerberos._gss.keyring._GRACE_SECONDS", 0.0)


def named(keytab: Path, reader: str) -> Path | str:
    """The option ``keytab``."""
    return keytab_option(keytab, library=reader == "library")


def put(keytab: Path, content: bytes) -> None:
    """Replace the keytab at once."""
    new = keytab.with_suffix(".new")
    new.write_bytes(content)
    new.replace(keytab)


def _broken(good: bytes) -> dict[str, bytes]:
    return {
        "empty": b"",
        "garbage": b"this is no keytab\n" * 20,
        "header-alone": good[:2],
        "cut": good[:60],
        "older-version": b"\5\1" + good[2:],
        "zeros": b"\5\2" + bytes(300),
        "huge-entry": b"\5\2\x7f\xff\xff\xff" + good[6:],
        "huge-hole": b"\5\2\x80\0\0\0" + good[6:],
        "garbage-entry": b"\5\2\0\0\0\x57" + b"\xa5" * 200,
    }


@ONE_OR_ANY
@READERS
@pytest.mark.usefixtures("no_grace")
@pytest.mark.parametrize("fault", ["missing", "folder", "link-loop", *_broken(b"")])
def test_broken(
    fault: str,
    reader: str,
    any_host: bool,
    service: Service,
    users: tuple[User, User],
    make_kerberos: Callable[..., Kerberos],
) -> None:
    """Requests get 500 as long as the keytab is broken, at the start and while serving, and 200 from then on."""
    keytab, good = service.keytab, service.keytab.read_bytes()
    kerberos = make_kerberos(hostname="*" if any_host else host_of(service), keytab=named(keytab, reader))

    def damage() -> None:
        keytab.unlink()
        if fault == "folder":
            keytab.mkdir()
        elif fault == "link-loop":
            keytab.symlink_to(keytab)
        elif fault != "missing":
            put(keytab, _broken(good)[fault])

    def mend() -> None:
        if keytab.is_dir():
            keytab.rmdir()
        put(keytab, good)

    damage()
    with Traffic(kerberos, service, {"user": users[0].ccache}) as traffic:
        traffic.become({"user": Reason.MISCONFIGURED})
        mend()
        traffic.become({"user": None})
        damage()
        traffic.become({"user": Reason.MISCONFIGURED})
        mend()
        traffic.become({"user": None})
    assert traffic.history() == {"user": {(Reason.MISCONFIGURED, None, Reason.MISCONFIGURED, None)}}


@ONE_OR_ANY
@pytest.mark.parametrize("serving", [False, True], ids=["at-start", "while-serving"])
def test_truncated(
    serving: bool, any_host: bool, service: Service, users: tuple[User, User], make_kerberos: Callable[..., Kerberos]
) -> None:
    """Cut short at any length, a keytab is good if it has the whole key of the ticket, and makes 500s otherwise.

    The library reads it, also where the service begins without keys of its own.
    """
    keytab, good = service.keytab, service.keytab.read_bytes()
    hostname = "*" if any_host else host_of(service)
    kerberos = make_kerberos(hostname=hostname, keytab=named(keytab, "library"))
    assert ask(kerberos, fresh(target_of(service), ccache=users[0].ccache)) is None
    # MIT's format, version 2: after the version the entries, each after its length. The best key comes first.
    (length,) = struct.unpack(">i", good[2:6])
    whole = 2 + 4 + length
    answers: list[Answer] = []
    for size in range(len(good)):
        put(keytab, good[:size])
        if not serving:
            kerberos = make_kerberos(hostname=hostname, keytab=keytab)
        answers.append(ask(kerberos, fresh(target_of(service), ccache=users[0].ccache)))
    assert answers == [Reason.MISCONFIGURED] * whole + [None] * (len(good) - whole)


@pytest.mark.parametrize("how", ["renamed", "copied", "kadmin"])
@ONE_OR_ANY
@READERS
@pytest.mark.usefixtures("no_grace")
def test_rotated(
    how: str,
    reader: str,
    any_host: bool,
    realm: Realm,
    service: Service,
    users: tuple[User, User],
    make_kerberos: Callable[..., Kerberos],
) -> None:
    """A key is rotated, retired and restored under one ``Kerberos``, and no request in between gets a stray answer.

    With the old key kept, tickets of before still work, and new ones do at once; without it, old ones get 403. The new
    keytab is renamed over the old one, written over it (whoever reads in between may find it empty: 500), or changed by
    MIT's own tool under a lock (it removes the keys of a version one by one: 403 for another reason in between).
    """
    keytab = service.keytab
    early, late = users
    kerberos = make_kerberos(hostname="*" if any_host else host_of(service), keytab=named(keytab, reader))
    before = keytab.read_bytes()
    fresh(target_of(service), ccache=early.ccache)
    assert realm.rekey(service, update_keytab=False) == 2
    addition = keytab.with_suffix(".addition")
    realm.kadmin("ktadd", "-k", f"FILE:{addition}", "-norandkey", service.principal)
    after = addition.read_bytes()
    both = before + after[2:]

    def write(content: bytes, *kadmin: str) -> None:
        if how == "kadmin":
            realm.kadmin(kadmin[0], "-k", f"FILE:{keytab}", *kadmin[1:])
        elif how == "copied":
            keytab.write_bytes(content)
        else:
            put(keytab, content)

    def expect(early_gets: Answer, late_gets: Answer) -> None:
        traffic.become({"early": early_gets, "late": late_gets})

    with Traffic(kerberos, service, {"early": early.ccache, "late": late.ccache}) as traffic:
        expect(None, Reason.KEY_VERSION)
        write(both, "ktadd", "-norandkey", service.principal)
        expect(None, None)
        write(after, "ktremove", service.principal, "old")
        expect(Reason.KEY_VERSION, None)
        aside = keytab.rename(keytab.with_suffix(".aside"))
        expect(Reason.MISCONFIGURED, Reason.MISCONFIGURED)
        aside.rename(keytab)
        expect(Reason.KEY_VERSION, None)
        put(keytab, both)
        expect(None, None)

    expected: dict[str, tuple[Answer, ...]] = {
        "early": (None, Reason.KEY_VERSION, Reason.MISCONFIGURED, Reason.KEY_VERSION, None),
        "late": (Reason.KEY_VERSION, None, Reason.MISCONFIGURED, None),
    }
    if how == "copied":
        expected = {"early": (None, Reason.KEY_VERSION, None), "late": (Reason.KEY_VERSION, None)}
    # What is left out may come in between.
    but = {"renamed": None, "copied": Reason.MISCONFIGURED, "kadmin": Reason.KEY_TYPE}[how]
    assert traffic.history(but=but) == {user: {answers} for user, answers in expected.items()}


@ONE_OR_ANY
def test_unreadable(
    any_host: bool, service: Service, users: tuple[User, User], open_folder: Path, tmp_path: Path
) -> None:
    """A keytab that the server's user may not read makes 500s until that user may.

    Where the library reads it, each time anew. The service's own keys stay in force for a while.
    """
    keytab = open_folder / "keytab"
    keytab.write_bytes(service.keytab.read_bytes())
    uid = someone_else()
    replay = open_folder / "replay"
    replay.mkdir()
    if uid is not None:
        os.chown(replay, uid, uid)

    def reasons() -> set[str | None]:
        found: set[str | None] = set()
        for door in DOORS:
            reply = server.ask(fresh(target_of(service), ccache=users[0].ccache), door)
            if reply.reason is not None:
                assert (reply.status, reply.headers) == (500, [])
            found.add(reply.reason)
        return found

    env = {"KRB5RCACHEDIR": str(replay)}
    hostname = "*" if any_host else None
    keytab.chmod(0)
    library = keytab_option(keytab, library=True)
    with Apart(service, hostname=hostname, keytab=library, uid=uid, env=env) as server:
        for _ in range(2):
            assert reasons() == {"MISCONFIGURED"}
            keytab.chmod(0o644)
            assert reasons() == {None}
            keytab.chmod(0)
    with Apart(service, hostname=hostname, keytab=keytab, uid=uid, env=env) as server:
        assert reasons() == {"MISCONFIGURED"}
        keytab.chmod(0o644)
        time.sleep(1.1)
        assert reasons() == {None}
        keytab.chmod(0)
        time.sleep(1.1)
        assert reasons() == {None}


@dataclass(frozen=True)
class Told:
    """What the log has to say of a fault.

    Attributes:
        damage: does it to the keytab.
        texts: what is in the line, with ``{keytab}`` and ``{host}`` to be filled in.
    """

    damage: Callable[[Path, bytes], object]
    texts: tuple[str, ...]


def _make_folder(keytab: Path) -> None:
    keytab.unlink()
    keytab.mkdir()


TOLD = {
    "missing": Told(lambda keytab, _: keytab.unlink(), ("keytab {keytab}: it does not exist",)),
    "empty": Told(lambda keytab, _: put(keytab, b""), ("keytab {keytab}: it is empty",)),
    "no-keys": Told(lambda keytab, good: put(keytab, good[:2]), ("keytab {keytab}: there is no key in it",)),
    "garbage": Told(lambda keytab, _: put(keytab, b"garbage"), ("keytab {keytab}: it is not a keytab",)),
    "cut": Told(lambda keytab, good: put(keytab, good[:60]), ("keytab {keytab}: an entry in it is longer",)),
    "folder": Told(lambda keytab, _: _make_folder(keytab), ("keytab {keytab}: it is not a regular file",)),
    "others": Told(
        lambda keytab, good: put(keytab, good.replace(b".faults.test", b".others.test")),
        ("keytab {keytab}: it has keys of HTTP/", ".others.test@KRBTEST.COM"),
    ),
}


@pytest.mark.parametrize("serving", [False, True], ids=["at-start", "while-serving"])
@pytest.mark.parametrize("fault", TOLD)
def test_told(
    fault: str,
    serving: bool,
    service: Service,
    users: tuple[User, User],
    make_kerberos: Callable[..., Kerberos],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The log says which keytab it is, and what is wrong with it; so does the one at set-up."""
    reader = "library" if serving else "own-keys"  # own keys stay in force for a while
    kerberos = make_kerberos(hostname=host_of(service), keytab=named(service.keytab, reader))
    if serving:
        assert ask(kerberos, fresh(target_of(service), ccache=users[0].ccache)) is None
    TOLD[fault].damage(service.keytab, service.keytab.read_bytes())
    texts = [text.format(keytab=named(service.keytab, reader), host=host_of(service)) for text in TOLD[fault].texts]
    assert ask(kerberos, fresh(target_of(service), ccache=users[0].ccache)) is Reason.MISCONFIGURED
    assert all(text in caplog.text for text in texts), caplog.text
    if not serving:
        caplog.clear()
        kerberos.log_setup()
        (record,) = caplog.records
        assert record.levelname == "WARNING"
        assert all(text in caplog.text for text in texts), caplog.text


def test_a_few_principals(
    realm: Realm, service: Service, make_kerberos: Callable[..., Kerberos], caplog: pytest.LogCaptureFixture
) -> None:
    """Where a keytab has many principals, a few are named, those of the same service first."""
    others = [realm.service(f"{kind}/{host_of(service)}", keytab=service.keytab) for kind in ("cifs", "host", "imap")]
    make_kerberos(hostname="nobody.faults.test", keytab=service.keytab).log_setup()
    named = ", ".join([service.principal, *(other.principal for other in others[:2])])
    assert f"keytab {service.keytab}: it has keys of {named} and 1 more" in caplog.text
    caplog.clear()
    make_kerberos(hostname="nobody.faults.test", keytab="MEMORY:nobody").log_setup()
    assert "keytab MEMORY:nobody)" not in caplog.text
    assert "keytab MEMORY:nobody. " in caplog.text


@pytest.mark.parametrize("which", ["file", "folder"])
def test_unreadable_told(which: str, service: Service, users: tuple[User, User], open_folder: Path) -> None:
    """The log names the user who may not read the keytab, and the file or folder, its owner and its mode."""
    folder = open_folder / "keys"
    folder.mkdir()
    keytab = folder / "keytab"
    keytab.write_bytes(service.keytab.read_bytes())
    keytab.chmod(0o640 if which == "file" else 0o644)
    folder.chmod(0o755 if which == "file" else 0o700)
    uid = someone_else()
    if uid is None:  # the owner is who may not read it
        (keytab if which == "file" else folder).chmod(0o040)
    culprit = keytab if which == "file" else folder
    mode = f"{culprit.stat().st_mode & 0o7777:04o}"
    try:
        with Apart(service, keytab=keytab, uid=uid) as server:
            reply = server.ask(fresh(target_of(service), ccache=users[0].ccache))
    finally:
        folder.chmod(0o755)
    assert (reply.reason, reply.status) == ("MISCONFIGURED", 500)
    assert f"keytab {keytab}: {_named(os.geteuid() if uid is None else uid)} may not read it; " in reply.log
    assert f"{culprit} belongs to {_named(os.geteuid())} and has the mode {mode}" in reply.log


def _named(uid: int) -> str:
    return f"{pwd.getpwuid(uid).pw_name} (uid {uid})"
