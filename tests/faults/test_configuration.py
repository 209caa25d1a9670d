"""A ``krb5.conf`` that the library cannot use: the log names the file, and users get in once it is mended."""

from __future__ import annotations

import itertools
import os
import pwd
from collections.abc import Callable
from pathlib import Path

import pytest

from async_kerberos import Kerberos, Reason
from async_kerberos.testing import Service, User

from ..support.initiator import KRB5, MUTUAL, ONE_WAY, SPNEGO, fresh
from ..support.waiting import WITHOUT_CONFIGURATION, free_credentials
from .conftest import Apart, ask, host_of, readable_copy, someone_else, target_of

pytestmark = WITHOUT_CONFIGURATION

_BAD = "[libdefaults]\nthis is no relation\n"


def _file(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    return path


def _malformed(folder: Path) -> tuple[Path, str]:
    bad = _file(folder, "bad.conf", _BAD)
    return bad, f"{bad}: Syntax error in profile relation"


def _included(folder: Path) -> tuple[Path, str]:
    bad, said = _malformed(folder)
    return _file(folder, "outer.conf", f"include {_file(folder, 'middle.conf', f'include {bad}')}\n"), said


def _included_missing(folder: Path) -> tuple[Path, str]:
    return _file(folder, "outer.conf", f"include {folder}/none.conf\n"), f"{folder}/none.conf: No such file"


def _folder_missing(folder: Path) -> tuple[Path, str]:
    return _file(folder, "outer.conf", f"[libdefaults]\nincludedir {folder}/none\n"), f"{folder}/none: No such file"


def _in_folder(folder: Path) -> tuple[Path, str]:
    inner = folder / "krb5.conf.d"
    inner.mkdir()
    _file(inner, "a.conf", "[libdefaults]\n")
    for name in (".a.conf", "a.conf~"):  # they do not count
        _file(inner, name, _BAD)
    return _file(folder, "outer.conf", f"includedir {inner}\n"), f"{_file(inner, 'b.conf', _BAD)}: Syntax error"


def _value(folder: Path) -> tuple[Path, str]:
    path = _file(folder, "value.conf", "[libdefaults]\nallow_weak_crypto = perhaps\n")
    return path, f"{path}: Invalid boolean value"


def _link_loop(folder: Path) -> tuple[Path, str]:
    path = folder / "loop.conf"
    path.symlink_to(path)
    return path, f"{path}: Too many levels of symbolic links"


FAULTS = [_malformed, _included, _included_missing, _folder_missing, _in_folder, _value, _link_loop]


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("any_host", [False, True], ids=["one-host", "any-host"])
def test_told(
    fault: Callable[[Path], tuple[Path, str]],
    any_host: bool,
    service: Service,
    users: tuple[User, User],
    make_kerberos: Callable[..., Kerberos],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """At the start and while serving, for every kind of client, it is 500, and the file that is to blame is named."""
    options = {"hostname": "*" if any_host else host_of(service), "keytab": service.keytab}
    serving = make_kerberos(**options)

    def tokens() -> list[str]:
        target, ccache = target_of(service), users[0].ccache
        kinds = itertools.product((SPNEGO, KRB5), (MUTUAL, ONE_WAY))
        return [fresh(target, mech=mech, flags=flags, ccache=ccache) for mech, flags in kinds]

    assert [ask(serving, token) for token in tokens()] == [None] * 4
    path, said = fault(tmp_path)
    for kerberos in (serving, make_kerberos(**options)):
        authorizations = tokens()
        free_credentials()
        with monkeypatch.context() as patch:
            patch.setenv("KRB5_CONFIG", str(path))
            for authorization in authorizations:
                caplog.clear()
                assert ask(kerberos, authorization) is Reason.KRB5_CONF
                assert said in caplog.text
                assert "Mend the file that is named" in caplog.text
            caplog.clear()
            make_kerberos(**options).log_setup()
            assert said in caplog.text
        assert [ask(kerberos, token) for token in tokens()] == [None] * 4


def test_circle(
    service: Service,
    make_kerberos: Callable[..., Kerberos],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Files that include each other are looked at once."""
    one, other = tmp_path / "one.conf", tmp_path / "other.conf"
    free_credentials()
    one.write_text(f"include {other}\n")
    other.write_text(f"include {one}\n")
    monkeypatch.setenv("KRB5_CONFIG", str(one))
    make_kerberos(hostname=host_of(service), keytab=service.keytab).log_setup()
    assert f"{other}: " in caplog.text


@pytest.mark.parametrize("which", ["file", "folder", "included-folder"])
def test_unreadable(which: str, service: Service, users: tuple[User, User], open_folder: Path, tmp_path: Path) -> None:
    """Where the server's user may not read it, the log names the user, what is to blame, its owner and its mode."""
    folder = open_folder / "etc"
    folder.mkdir()
    configuration = Path(os.environ["KRB5_CONFIG"])
    path = folder / "krb5.conf"
    path.write_text(configuration.read_text() + (f"\nincludedir {folder}/more\n" if which == "included-folder" else ""))
    path.chmod(0o644)
    (folder / "more").mkdir()
    culprit = {"file": path, "folder": folder, "included-folder": folder / "more"}[which]
    uid = someone_else()
    keytab = readable_copy(service, open_folder)
    replay = open_folder / "replay"
    replay.mkdir()
    replay.chmod(0o777)
    env = {"KRB5_CONFIG": str(path), "KRB5RCACHEDIR": str(replay)}
    with Apart(service, keytab=keytab, uid=uid, env=env) as server:
        mode = culprit.stat().st_mode & 0o777
        culprit.chmod(0o070)
        try:
            reply = server.ask(fresh(target_of(service), ccache=users[0].ccache))
        finally:
            culprit.chmod(mode)
        assert (reply.reason, reply.status) == ("KRB5_CONF", 500), reply.log
        user, owner = (
            f"{pwd.getpwuid(number).pw_name} (uid {number})"
            for number in (os.geteuid() if uid is None else uid, os.geteuid())
        )
        named = path if which == "folder" else culprit
        assert f"{named}: {user} may not read it; {culprit} belongs to {owner} and has the mode 0070" in reply.log
        assert server.ask(fresh(target_of(service), ccache=users[0].ccache)).reason is None
