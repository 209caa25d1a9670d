"""A headless Chromium that signs in with a user's ticket, driven by the DevTools protocol through a pair of pipes."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import select
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

# Hang guards: on an idle machine it starts within a second, and answers within milliseconds.
_START_SECONDS = 90.0
_SECONDS = 60.0

_PROGRAMS = ("chromium", "google-chrome")

# Ambient authentication wants an allowlist, which `*` fills. The rest keeps a browser quiet that nobody looks at.
_FLAGS = (
    "--headless",
    "--remote-debugging-pipe",
    "--auth-server-allowlist=*",
    "--ignore-certificate-errors",
    "--host-resolver-rules=MAP *.test 127.0.0.1",
    "--no-proxy-server",
    "--no-sandbox",  # it does not work as root, nor in most containers; all pages here are the tests' own
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

# A fresh profile refuses its first Negotiate, and looks the host's name up by DNS, which there is none of.
_LOCAL_STATE = {
    "net": {"received_http_auth_negotiate_headers": True},
    "auth": {"disable_negotiate_cname_lookup": True},
}
# Cookies of third parties allowed: where they are not, frames and pictures of another site get no ticket either.
_PREFERENCES = {"profile": {"cookie_controls_mode": 0, "block_third_party_cookies": False}}


class BrowserError(RuntimeError):
    """The browser does not start, does not answer, or has ended."""


class OrderError(BrowserError):
    """The browser cannot do what it was told."""


def program() -> str:
    """The path of the browser.

    Raises:
        BrowserError: there is none.
    """
    for name in _PROGRAMS:
        path = shutil.which(name)
        if path is not None:
            return path
    raise BrowserError(f"there is none of {', '.join(_PROGRAMS)}; install one: scripts/system-packages chromium")


class Browser:
    """A browser with its own profile. It ends with the block, and also when this process dies: its pipe ends then.

    Args:
        folder: for its profile and its log; it is empty, and the caller removes it.
        env: variables for its process, added to this one's: the realm's, and the user's ticket cache.
    """

    def __init__(self, folder: Path, env: Mapping[str, str]) -> None:
        self._folder = folder
        self._env = dict(env)
        self._log = folder / "chromium.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._numbers = iter(range(1, 1_000_000))
        self._unread = b""
        self._to = self._from = -1

    def __enter__(self) -> Browser:
        browser = program()
        profile = self._folder / "profile"
        (profile / "Default").mkdir(parents=True)
        (profile / "Local State").write_text(json.dumps(_LOCAL_STATE))
        (profile / "Default" / "Preferences").write_text(json.dumps(_PREFERENCES))
        its_input, self._to = _pipe()
        self._from, its_output = _pipe()
        # It reads orders from descriptor 3 and answers on 4.
        shell = f'exec "$@" 3<&{its_input} 4>&{its_output} {its_input}<&- {its_output}>&-'
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                ["bash", "-c", shell, "bash", browser, *_FLAGS, f"--user-data-dir={profile}", "about:blank"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **self._env, "HOME": str(self._folder)},
                pass_fds=(its_input, its_output),
                start_new_session=True,
            )
        os.close(its_input)
        os.close(its_output)
        try:
            self.order("Browser.getVersion", seconds=_START_SECONDS)
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with contextlib.suppress(BrowserError):
            self.order("Browser.close")
        self._end()

    def tab(self) -> Tab:
        """A new tab, which lasts as long as the browser."""
        target = self.order("Target.createTarget", {"url": "about:blank"})["targetId"]
        return Tab(self, self.order("Target.attachToTarget", {"targetId": target, "flatten": True})["sessionId"])

    def order(
        self, method: str, arguments: Mapping[str, Any] | None = None, session: str = "", seconds: float = _SECONDS
    ) -> dict[str, Any]:
        """Give an order, and return its result.

        Raises:
            OrderError: it cannot be done.
            BrowserError: there is no answer in so many seconds.
        """
        number = next(self._numbers)
        message: dict[str, Any] = {"id": number, "method": method, "params": dict(arguments or {})}
        if session:
            message["sessionId"] = session
        try:
            os.write(self._to, json.dumps(message).encode() + b"\0")
        except BrokenPipeError as error:
            raise BrowserError(f"{method}: the browser has ended\n{self._said()}") from error
        deadline = time.monotonic() + seconds
        while True:
            answer = self._read(method, deadline)
            if answer.get("id") == number:
                break
        if "error" in answer:
            raise OrderError(f"{method}: {answer['error']['message']}")
        result: dict[str, Any] = answer["result"]
        return result

    def _read(self, method: str, deadline: float) -> dict[str, Any]:
        """The next message: an answer, or an event."""
        while b"\0" not in self._unread:
            if not select.select([self._from], [], [], max(0.0, deadline - time.monotonic()))[0]:
                raise BrowserError(f"{method}: the browser does not answer\n{self._said()}")
            data = os.read(self._from, 1 << 16)
            if not data:
                raise BrowserError(f"{method}: the browser has ended\n{self._said()}")
            self._unread += data
        line, _, self._unread = self._unread.partition(b"\0")
        message: dict[str, Any] = json.loads(line)
        return message

    def _said(self) -> str:
        return self._log.read_text(errors="replace")[-4000:]

    def _end(self) -> None:
        assert self._process is not None
        for descriptor in (self._to, self._from):
            os.close(descriptor)
        try:
            self._process.wait(_SECONDS)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


class Tab:
    """A tab of a browser.

    Args:
        browser: the browser.
        session: the DevTools session that it is attached to.
    """

    def __init__(self, browser: Browser, session: str) -> None:
        self._browser = browser
        self._session = session

    def visit(self, url: str) -> None:
        """Go to an address, as somebody does who types it; return when the answer has begun to show.

        Raises:
            BrowserError: there is no answer to show.
        """
        failure = self._browser.order("Page.navigate", {"url": url}, self._session).get("errorText")
        if failure:
            raise BrowserError(f"{url}: {failure}")

    def reload(self) -> None:
        """Load the page once more, as the key F5 does, with the data that its form had sent."""
        self._browser.order("Page.reload", session=self._session)

    def order(self, method: str, arguments: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Give an order for this tab, and return its result.

        Raises:
            OrderError: it cannot be done.
            BrowserError: there is no answer.
        """
        return self._browser.order(method, arguments, self._session)

    def evaluate(self, expression: str) -> Any:
        """What a script's expression is for the page; None while there is a page between two."""
        arguments = {"expression": expression, "returnByValue": True}
        try:
            return self._browser.order("Runtime.evaluate", arguments, self._session)["result"].get("value")
        except OrderError:
            return None


def _pipe() -> tuple[int, int]:
    """The two ends of a pipe, by numbers that are none of those that the shell gives the browser."""
    ends = os.pipe()
    try:
        read, write = (fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in ends)
    finally:
        for end in ends:
            os.close(end)
    return read, write
