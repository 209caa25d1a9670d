"""A replay cache that cannot be used: nobody gets in, for nobody can tell whose token is a replay.

Once the cause is mended users get in without a restart. The one thing that takes a restart is another value of
``KRB5RCACHENAME``: a credential keeps the cache that it was acquired with.
"""

from __future__ import annotations

import os
import resource
from collections.abc import Callable
from pathlib import Path

import pytest

from async_kerberos import Kerberos, Reason
from async_kerberos.testing import Service, User

from ..support.initiator import fresh
from ..support.keytabs import keytab_option
from .conftest import UNPRIVILEGED, Apart, Reply, Traffic, ask, host_of, readable_copy, someone_else, target_of


def _swap(path: Path, target: Path | str) -> None:
    """Make the path a link to the target at once."""
    new = path.with_suffix(".new")
    new.symlink_to(target)
    new.replace(path)


@pytest.mark.parametrize("fault", ["file-for-folder", "link-for-file", "full", "disk-error"])
def test_unusable(
    fault: str,
    service: Service,
    users: tuple[User, User],
    make_kerberos: Callable[..., Kerberos],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """Requests get 500 as long as the cache is unusable, at the start and while serving, and 200 from then on.

    What was accepted in between is still known: the same token is a replay after the fault.
    """
    folder, aside = tmp_path / "replay", tmp_path / "aside"
    folder.mkdir()
    file = folder / f"krb5_{os.geteuid()}.rcache2"
    monkeypatch.setenv("KRB5RCACHEDIR", str(folder))
    if fault in ("full", "disk-error"):
        monkeypatch.setenv("KRB5RCACHENAME", f"file2:{file}")

    def damage() -> None:
        if fault == "file-for-folder":
            folder.rename(aside)
            folder.write_text("in the way")
        elif fault == "link-for-file":
            if file.exists():
                aside.hardlink_to(file)
            # Anybody could have made it, in a folder like /var/tmp: it is not followed.
            _swap(file, tmp_path / "elsewhere")
        else:
            _swap(file, {"full": "/dev/full", "disk-error": "/proc/version"}[fault])

    def mend() -> None:
        if fault == "file-for-folder":
            folder.unlink()
            aside.rename(folder)
        elif fault == "link-for-file" and aside.exists():
            aside.replace(file)
        elif fault == "link-for-file":
            file.unlink()
        else:
            _swap(file, aside)

    damage()
    kerberos = make_kerberos(hostname=host_of(service), keytab=keytab_option(service.keytab))
    ccache = users[0].ccache
    with Traffic(kerberos, service, {"user": ccache}) as traffic:
        assert traffic.settled() == {"user": Reason.SERVER_FAULT}
        mend()
        assert traffic.settled() == {"user": None}
        used = fresh(target_of(service), ccache=ccache)
        assert ask(kerberos, used) is None
        damage()
        assert traffic.settled() == {"user": Reason.SERVER_FAULT}
        mend()
        assert traffic.settled() == {"user": None}
    assert traffic.history() == {"user": {(Reason.SERVER_FAULT, None, Reason.SERVER_FAULT, None)}}
    assert ask(kerberos, used) is Reason.REPLAY


def _replies(server: Apart, service: Service, user: User, doors: tuple[str, ...]) -> list[Reply]:
    return [server.ask(fresh(target_of(service), ccache=user.ccache), door) for door in doors]


def _expect_faults(replies: list[Reply]) -> None:
    for reply in replies:
        assert (reply.reason, reply.status, reply.headers) == ("SERVER_FAULT", 500, []), reply


def test_unwritable(service: Service, users: tuple[User, User], open_folder: Path) -> None:
    """Where the server's user may not write into the folder requests get 500, until that user may."""
    uid = someone_else()
    keytab, folder = readable_copy(service, open_folder), open_folder / "replay"
    folder.mkdir()
    doors = ("blocking", "asyncio", "trio")
    folder.chmod(0o555)
    with Apart(service, keytab=keytab_option(keytab), uid=uid, env={"KRB5RCACHEDIR": str(folder)}) as server:
        for mode in (0o555, 0):
            folder.chmod(mode)
            _expect_faults(_replies(server, service, users[0], doors))
            folder.chmod(0o777)
            assert [reply.reason for reply in _replies(server, service, users[0], doors)] == [None] * 3
    (made,) = folder.iterdir()
    assert made.stat().st_uid == (os.geteuid() if uid is None else uid)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a file that is another user's")
def test_file_of_another(service: Service, users: tuple[User, User], tmp_path: Path) -> None:
    """Where the cache's file is another user's, who could have made it first, requests get 500 until it is gone."""
    file = tmp_path / "krb5_0.rcache2"
    file.touch(0o666)
    os.chown(file, UNPRIVILEGED, UNPRIVILEGED)
    with Apart(service, env={"KRB5RCACHEDIR": str(tmp_path)}) as server:
        _expect_faults(_replies(server, service, users[0], ("blocking", "asyncio")))
        file.unlink()
        assert [reply.reason for reply in _replies(server, service, users[0], ("blocking", "asyncio"))] == [None] * 2


@pytest.mark.parametrize(
    ("limit", "value", "doors"),
    [
        # An event loop that is to run in a process without descriptors would fail before any request.
        pytest.param(resource.RLIMIT_NOFILE, 3, ("blocking",), id="descriptors"),
        pytest.param(resource.RLIMIT_FSIZE, 0, ("blocking", "asyncio", "trio"), id="file-size"),
    ],
)
def test_limits(
    limit: int, value: int, doors: tuple[str, ...], service: Service, users: tuple[User, User], tmp_path: Path
) -> None:
    """Where the process runs into a limit of the system requests get 500, and 200 when the limit is raised."""
    with Apart(service, env={"KRB5RCACHEDIR": str(tmp_path)}) as server:
        before = resource.prlimit(server.pid, limit)
        for _ in range(2):
            # A credential that there is already: what one is acquired from is another fault.
            assert [reply.reason for reply in _replies(server, service, users[0], doors)] == [None] * len(doors)
            resource.prlimit(server.pid, limit, (value, before[1]))
            _expect_faults(_replies(server, service, users[0], doors))
            resource.prlimit(server.pid, limit, before)
        assert [reply.reason for reply in _replies(server, service, users[0], doors)] == [None] * len(doors)
