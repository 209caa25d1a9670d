"""Apache with mod_wsgi, both Debian's."""

from __future__ import annotations

import os
import shutil
import site
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from .. import ROOT
from .programs import Program
from .thread import free_port

_ORDINARY_USER = 65534  # nobody

# python-gssapi refuses a second interpreter in one process, hence the global application group.
_CONFIGURATION = """
ServerRoot {folder}
ServerName localhost
Listen 127.0.0.1:{port}
PidFile {folder}/pid
ErrorLog /dev/stderr
LogLevel warn
{modules}
StartServers 1
ServerLimit 1
ThreadsPerChild 8
MaxRequestWorkers 8
KeepAlive On
WSGISocketPrefix {folder}/wsgi
WSGIPassAuthorization On
WSGIChunkedRequest On
WSGIApplicationGroup %{{GLOBAL}}
WSGIScriptAlias / {folder}/site.wsgi
{daemon}
<Directory {folder}>
    Require all granted
</Directory>
"""
_DAEMON = """
WSGIDaemonProcess site processes=1 threads=4 python-path={path} home={folder}
WSGIProcessGroup site
"""


class Apache(Program):
    """Apache with mod_wsgi.

    Args:
        packages: the folder into which Debian's packages ``apache2-bin`` and ``libapache2-mod-wsgi-py3`` are unpacked.
        factory: ``module:function`` of what makes the WSGI application, without arguments.
        daemon: whether the application runs in a process of its own, and not in Apache's.
        env: variables for the process, added to this one's.
    """

    def __init__(self, packages: Path, factory: str, *, daemon: bool, env: Mapping[str, str] | None = None) -> None:
        # Another user's processes would not come into a folder of pytest's.
        self._folder = tempfile.TemporaryDirectory(prefix="apache-")
        folder = Path(self._folder.name)
        super().__init__(folder)
        self._packages = packages
        self.address = ("127.0.0.1", free_port())
        module, _, name = factory.partition(":")
        lines = ["import sys", f"sys.path.insert(0, {str(ROOT)!r})", f"from {module} import {name} as make"]
        (folder / "site.wsgi").write_text("\n".join([*lines, "application = make()", ""]))
        path = os.pathsep.join(site.getsitepackages())
        modules = packages / "usr" / "lib" / "apache2" / "modules"
        text = _CONFIGURATION.format(
            folder=folder,
            port=self.address[1],
            modules="\n".join(
                f"LoadModule {loaded}_module {modules}/mod_{loaded}.so"
                for loaded in ("mpm_event", "authz_core", "alias", "wsgi")
            ),
            daemon=_DAEMON.format(path=path, folder=folder) if daemon else f"WSGIPythonPath {path}",
        )
        self._configuration = folder / "apache.conf"
        self._configuration.write_text(text)
        libraries = [str(found) for found in packages.glob("usr/lib/*-linux-*")]
        self._env["LD_LIBRARY_PATH"] = os.pathsep.join([*libraries, os.environ.get("LD_LIBRARY_PATH", "")]).strip(":")
        self._env.update(env or {})
        if os.geteuid() == 0:
            self._be_an_ordinary_user(folder)

    def _be_an_ordinary_user(self, folder: Path) -> None:
        """mod_wsgi runs no application as root, and another user may not read the realm's own files."""
        self._user = _ORDINARY_USER
        replay = folder / "replay"
        replay.mkdir()
        assert self.log is not None
        self.log.touch()
        self._env["KRB5RCACHEDIR"] = str(replay)
        self._env["KRB5_CONFIG"] = str(shutil.copy(self._env["KRB5_CONFIG"], folder / "krb5.conf"))
        keytab = self._env["KRB5_KTNAME"].removeprefix("FILE:")
        self._env["KRB5_KTNAME"] = f"FILE:{shutil.copy(keytab, folder / 'keytab')}"
        for path in (folder, *folder.rglob("*")):
            os.chown(path, _ORDINARY_USER, _ORDINARY_USER)

    def stop(self) -> None:
        """Stop."""
        super().stop()
        self._folder.cleanup()

    def _command(self) -> tuple[Sequence[str], Sequence[int]]:
        program = self._packages / "usr" / "sbin" / "apache2"
        return [str(program), "-D", "FOREGROUND", "-f", str(self._configuration)], ()


def python_of_mod_wsgi(packages: Path) -> str:
    """For which Python Debian's mod_wsgi was built: ``3.11``, say."""
    (found,) = packages.glob("usr/lib/apache2/modules/mod_wsgi.so-*")
    return found.name.rpartition("-")[2]


THIS_PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
