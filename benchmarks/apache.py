"""Apache with mod_auth_gssapi, the peer in C: one process of its event MPM, serving the same greeting from a file."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from .apps import HELLO, HOSTNAME
from .scene import Scene
from .servers import Launch

_MODULES = Path("/usr/lib/apache2/modules")
_ORDINARY_USER = 65534  # the user `nobody`, because Apache refuses to serve as root

_CONFIGURATION = """
ServerRoot {folder}
ServerName {hostname}
Listen 127.0.0.1:{port}
PidFile {folder}/pid
ErrorLog {folder}/error.log
LogLevel warn
{modules}
ServerLimit 1
ThreadLimit 128
StartServers 1
ThreadsPerChild 128
MaxRequestWorkers 128
AsyncRequestWorkerFactor 4
MinSpareThreads 128
MaxSpareThreads 128
KeepAlive On
MaxKeepAliveRequests 0
KeepAliveTimeout 600
DocumentRoot {folder}/site
DirectoryIndex index.html
<Directory {folder}/site>
    AuthType GSSAPI
    GssapiAcceptorName HTTP@{hostname}
    GssapiAllowedMech krb5
    Require valid-user
</Directory>
"""
_LOADED = ("mpm_event", "authn_core", "authz_core", "authz_user", "dir", "auth_gssapi")


def find_apache() -> str | None:
    """The path of Apache, or None unless it and the module are installed."""
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin"])
    return shutil.which("apache2", path=path) if (_MODULES / "mod_auth_gssapi.so").exists() else None


class Apache:
    """A command for :func:`benchmarks.servers.serving`."""

    def __init__(self, program: str) -> None:
        self._program = program

    def __call__(self, scene: Scene, port: int) -> Launch:
        """Write its configuration and its page."""
        folder = scene.folder / f"apache-{port}"
        (folder / "site").mkdir(parents=True)
        (folder / "site" / "index.html").write_text(HELLO)
        modules = "\n".join(f"LoadModule {name}_module {_MODULES}/mod_{name}.so" for name in _LOADED)
        configuration = folder / "apache.conf"
        configuration.write_text(_CONFIGURATION.format(folder=folder, hostname=HOSTNAME, port=port, modules=modules))
        arguments = [self._program, "-D", "FOREGROUND", "-f", str(configuration)]
        env = scene.server_env()
        if os.geteuid() != 0:
            return Launch(arguments, env)
        # The user that Apache runs as may not read the realm's own files.
        env["KRB5_CONFIG"] = str(shutil.copy(Path(env["KRB5_CONFIG"]), folder / "krb5.conf"))
        env["KRB5_KTNAME"] = f"FILE:{shutil.copy(scene.realm.keytab, folder / 'keytab')}"
        for path in (folder, *folder.rglob("*"), Path(env["KRB5RCACHEDIR"])):
            os.chown(path, _ORDINARY_USER, _ORDINARY_USER)
        return Launch(arguments, env, user=_ORDINARY_USER)
