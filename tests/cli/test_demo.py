"""The demo, from the first line it prints to the last file it removes."""

from __future__ import annotations

import os
import pty
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from .conftest import ROOT, Command, Start

FRAMEWORKS = ("flask", "quart", "starlette", "fastapi", "asgi", "wsgi")
_EXAMPLES = Path(__file__).parents[2] / "examples"
_SERVING = "Serving until Ctrl-C"

STEPS = (
    r"^1\. A request without a ticket$",
    r"^   > GET / HTTP/1\.1$",
    r"^   < 401 ",
    r"^   < WWW-Authenticate: Negotiate$",
    r"^2\. A ticket from the KDC$",
    r"^   client   alice@KRBTEST\.COM$",
    r"^   service  HTTP/localhost@KRBTEST\.COM$",
    r"^   expires  20\d\d-\d\d-\d\d \d\d:\d\d:\d\d ",
    r"^3\. The same request with the ticket$",
    r"^   > GET / HTTP/1\.1$",
    r"^   > Authorization: Negotiate YI\w\w… \(\d{3,4} bytes\)$",
    r"^   < 200 OK$",
    r"^   < WWW-Authenticate: Negotiate oY\w\w… \(\d{2,3} bytes\)$",
    r"^   < Hello, alice@KRBTEST\.COM$",
    r"^4\. The server's reply$",
    r"^   mutual authentication verified: the server has the key of HTTP/localhost@KRBTEST\.COM$",
)


def assert_steps(output: str) -> None:
    """Every step is shown, in this order."""
    lines = iter(output.splitlines())
    for step in STEPS:
        assert any(re.search(step, line) for line in lines), f"{step} is not in its place in:\n{output}"


def serve(start: Start, *arguments: str, env: dict[str, str] | None = None) -> tuple[Command, str, int]:
    """A demo that has come to serve, the curl command that it printed, and its port."""
    command = start("demo", *arguments, "--port", "0", env=env)
    curl = command.read_until(r"\bcurl\b").rstrip("\n")
    command.read_until(_SERVING)
    port = re.search(r":(\d+)/$", curl)
    assert port is not None
    return command, curl, int(port[1])


def wrapper(folder: Path, name: str, script: str) -> dict[str, str]:
    """The environment in which a program of the realm is this script; ``$real`` is the one it stands for."""
    real = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin:/usr/local/sbin")
    assert real is not None
    folder.mkdir()
    program = folder / name
    program.write_text(f"#!/bin/sh\nreal={real}\n{script}\n")
    program.chmod(0o755)
    return {"PATH": f"{folder}:{os.environ['PATH']}"}


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_once(start: Start, framework: str) -> None:
    """With every framework, --once signs in, shows each step without a secret or a colour, and leaves nothing."""
    command = start("demo", framework, "--once")
    assert command.finish() == 0, command.output
    assert_steps(command.output)
    assert str(_EXAMPLES / f"{framework}_app.py") in command.output
    assert "server log: Kerberos: server is HTTP/localhost@KRBTEST.COM" in command.output
    assert "\x1b" not in command.output
    assert "curl" not in command.output
    for token in re.findall(r"Negotiate (\S+)", command.output):
        assert re.fullmatch(r"\w{4}…", token)
    assert command.left_behind() == []


def test_default_is_starlette(start: Start) -> None:
    """Without a framework named, it is Starlette."""
    command = start("demo", "--once")
    assert command.finish() == 0, command.output
    assert "Starlette behind Kerberos" in command.output


def test_developers_environment_does_not_matter(start: Start, tmp_path: Path) -> None:
    """What the developer's shell has set for a real server and a real realm does not reach the demo."""
    nowhere = str(tmp_path / "nowhere")
    variables = ("KRB5_CONFIG", "KRB5CCNAME", "KRB5_KTNAME", "KRB5_CLIENT_KTNAME", "KRB5RCACHEDIR")
    env = {"KERBEROS_HOSTNAME": "www.example.com", "PORT": "1", **dict.fromkeys(variables, nowhere)}
    command = start("demo", "--once", env=env)
    assert command.finish() == 0, command.output


def test_failing_sign_in(start: Start, tmp_path: Path) -> None:
    """Where the keytab has another key than the KDC, the status is 1, and the answer and the reason are shown."""
    # After the keys are in the keytab, the KDC gets others with the same version number.
    script = """
"$real" "$@" || exit
case " $* " in *" ktadd "*)
    "$real" delprinc -force HTTP/localhost && "$real" addprinc -randkey HTTP/localhost
esac
"""
    command = start("demo", "--once", env=wrapper(tmp_path / "bin", "kadmin.local", script))
    assert command.finish() == 1
    assert "< 403 Forbidden" in command.output
    assert "server log: Kerberos: 403 for 127.0.0.1: unknown key" in command.output
    assert "Error: the sign-in failed: the server answered 403 Forbidden" in command.output
    assert "verified" not in command.output
    assert "Traceback" not in command.output
    assert command.left_behind() == []


def test_no_ticket(start: Start, tmp_path: Path) -> None:
    """Where the KDC gives no ticket for the service, the status is 1 and the message has the reason."""
    script = """
"$real" "$@" || exit
case " $* " in *" ktadd "*) "$real" delprinc -force HTTP/localhost ;; esac
"""
    command = start("demo", "--once", env=wrapper(tmp_path / "bin", "kadmin.local", script))
    assert command.finish() == 1
    assert "Error: no ticket for HTTP/localhost: " in command.output
    assert "Traceback" not in command.output
    assert command.left_behind() == []


def test_failure_without_once(start: Start, tmp_path: Path) -> None:
    """A demo that cannot sign in does not go on to serve."""
    command = start("demo", "--port", "0", env=wrapper(tmp_path / "bin", "kinit", "echo no ticket today; exit 1"))
    assert command.finish() == 1
    assert "no ticket today" in command.output
    assert _SERVING not in command.output
    assert command.left_behind() == []


def test_missing_programs(start: Start, tmp_path: Path) -> None:
    """Where the programs of MIT Kerberos are missing, the message says what to install."""
    command = start("demo", "--once", env={"PATH": str(tmp_path)})
    assert command.finish() == 1
    assert "kinit" in command.output
    assert "apt install krb5-kdc" in command.output
    assert "Traceback" not in command.output


def test_port_taken(start: Start) -> None:
    """Where the port is taken, the status is 1, and the message names the port and the way out."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        command = start("demo", "--port", str(port))
        assert command.finish() == 1
    assert f"cannot serve on port {port} of 127.0.0.1: " in command.output
    assert "--port" in command.output
    assert "Traceback" not in command.output
    assert command.left_behind() == []


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_curl(start: Start, framework: str) -> None:
    """The printed curl command works as it stands, in another shell, and the request shows up in the log."""
    command, curl, _ = serve(start, framework)
    assert "curl --negotiate -u :" in curl
    result = subprocess.run(curl, shell=True, capture_output=True, text=True, env={"PATH": os.environ["PATH"]})
    assert result.stdout == "Hello, alice@KRBTEST.COM\n", result.stderr
    command.process.send_signal(signal.SIGINT)
    assert command.finish() == 0
    assert re.search(r'server log: 127\.0\.0\.1\S* - "GET / HTTP/1\.1" 200$', command.output, re.MULTILINE)


def test_curl_despite_a_proxy(start: Start) -> None:
    """Where the shell has a proxy set, the curl command still goes to this machine."""
    proxy = {"http_proxy": "http://127.0.0.1:9"}
    _, curl, _ = serve(start, env=proxy)
    result = subprocess.run(curl, shell=True, capture_output=True, text=True, env={"PATH": os.environ["PATH"], **proxy})
    assert result.stdout == "Hello, alice@KRBTEST.COM\n", result.stderr


def test_loopback_only(start: Start) -> None:
    """The demo serves on 127.0.0.1, and on no other address of the machine."""
    _, _, port = serve(start)
    socket.create_connection(("127.0.0.1", port)).close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", port))


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 0), (signal.SIGTERM, 143), (signal.SIGHUP, 129)], ids=str
)
@pytest.mark.parametrize("framework", ["starlette", "flask"])
def test_signal_while_serving(start: Start, framework: str, number: signal.Signals, status: int) -> None:
    """A signal ends the demo with the conventional status, Ctrl-C with 0; no process and no file is left."""
    command, _, port = serve(start, framework)
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(b"GET / HTTP/1.1\r\n")  # and no more: a client that hangs must not hold the demo
        command.process.send_signal(number)
        assert command.finish() == status
    assert "Traceback" not in command.output
    assert command.left_behind() == []


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)], ids=str
)
@pytest.mark.parametrize("moment", ["behind Kerberos", "url", r"^3\."])
def test_signal_before_serving(start: Start, moment: str, number: signal.Signals, status: int) -> None:
    """A signal at any moment before ends the demo with the conventional status, and nothing is left."""
    command = start("demo", "--port", "0")
    command.read_until(moment)
    command.process.send_signal(number)
    ended = command.finish()
    # The sign-in is over in milliseconds: the demo may be serving already, and then Ctrl-C is the normal end.
    assert ended == status or (_SERVING in command.output and ended == 0)
    assert "Traceback" not in command.output
    # A signal in the very call that starts the realm's keeper leaves nobody to wait for it: it ends by itself.
    assert command.left_for_good() == []


def test_signal_while_a_folder_is_tried_out(start: Start, tmp_path: Path) -> None:
    """`tempfile` writes a file to try a folder out, and removes it: a signal in between leaves nothing either."""
    site = tmp_path / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text("""
import os, signal, sys

def send(event, arguments):
    if event == "os.remove":
        os.kill(os.getpid(), signal.SIGTERM)

sys.addaudithook(send)
""")
    command = start("demo", "--once", env={"PYTHONPATH": f"{site}{os.pathsep}{ROOT}"})
    assert command.finish() == 143
    assert "Traceback" not in command.output
    assert command.left_behind() == []


def test_impatient_signals(start: Start) -> None:
    """Signals that come while it cleans up do not keep it from doing so."""
    command, _, _ = serve(start)
    for _ in range(20):
        command.process.send_signal(signal.SIGTERM)
        time.sleep(0.002)
    assert command.finish() == 143
    assert "Traceback" not in command.output
    assert command.left_behind() == []


def test_killed(start: Start) -> None:
    """Even where the demo is killed, its processes and files go, within moments."""
    command, _, _ = serve(start)
    command.process.kill()
    command.process.wait()
    assert command.left_for_good() == []


def test_reader_goes_away(start: Start) -> None:
    """Where the reader of the output goes away, as `head` does, the demo ends without a traceback or a trace."""
    command = start("demo", "--port", "0", stderr=subprocess.PIPE)
    command.read_until("behind Kerberos")
    command.stdout.close()
    assert command.process.wait() == 1
    assert command.process.stderr is not None
    assert "Traceback" not in command.process.stderr.read()
    assert command.left_behind() == []


def test_ascii_output(start: Start) -> None:
    """Where the output takes ASCII only, nothing fails."""
    command = start("demo", "--once", env={"PYTHONIOENCODING": "ascii"})
    assert command.finish() == 0, command.output
    assert re.search(r"Authorization: Negotiate YI\w\w\? \(\d+ bytes\)", command.output)


@pytest.mark.parametrize("colours", [True, False])
def test_terminal(start: Start, colours: bool) -> None:
    """On a terminal there are colours, unless NO_COLOR says otherwise; no line is wrapped either way."""
    controller, terminal = pty.openpty()
    env = {"TERM": "xterm-256color", "COLUMNS": "40", **({} if colours else {"NO_COLOR": "1"})}
    try:
        command = start("demo", "--once", env=env, stdout=terminal)
        os.close(terminal)
        terminal = -1
        shown = b""
        while True:
            try:
                shown += os.read(controller, 65536)
            except OSError:  # How Linux says that nobody holds the terminal any more.
                break
        assert command.process.wait() == 0
    finally:
        os.close(controller)
        if terminal != -1:
            os.close(terminal)
    assert bool(re.search(rb"\x1b\[3\dm", shown)) is colours
    plain = re.sub(r"\x1b\[\d*m", "", shown.decode())
    assert "mutual authentication verified: the server has the key of HTTP/localhost@KRBTEST.COM" in plain


def test_installed_from_a_wheel(start: Start, tmp_path: Path) -> None:
    """Without a checkout, the examples that the wheel has inside the package are the ones that run."""
    site = tmp_path / "site"
    shutil.copytree(ROOT / "async_kerberos", site / "async_kerberos", ignore=shutil.ignore_patterns("__pycache__"))
    inside = site / "async_kerberos" / "cli" / "examples"
    if not inside.exists():
        shutil.copytree(_EXAMPLES, inside, ignore=shutil.ignore_patterns("__pycache__"))
    program = (sys.executable, "-B", "-m", "async_kerberos.cli")
    command = start("demo", "asgi", "--once", program=program, env={"PYTHONPATH": str(site)})
    assert command.finish() == 0, command.output
    assert str(inside / "asgi_app.py") in command.output
    assert list(site.rglob("*.pyc")) == []


def test_no_examples(start: Start, tmp_path: Path) -> None:
    """An installation that lacks the examples says so."""
    shutil.copytree(ROOT / "async_kerberos", tmp_path / "site" / "async_kerberos")
    shutil.rmtree(tmp_path / "site" / "async_kerberos" / "cli" / "examples", ignore_errors=True)
    command = start("demo", "asgi", "--once", env={"PYTHONPATH": str(tmp_path / "site")})
    assert command.finish() == 1
    assert "asgi_app.py" in command.output
    assert "Traceback" not in command.output
    assert command.left_behind() == []
