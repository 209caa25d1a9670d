"""Firefox, driven by Marionette, the protocol below its WebDriver.

Arguments: the program, the URL, the file with the body, then requests such as "GET /hello". It goes to the first one as
somebody does who types the address; the page that it finds there makes the others.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

SECONDS = 50.0

FETCH = """
const [method, path, body, done] = arguments
const headers = body === null ? {} : {'Content-Type': 'text/plain'}
fetch(path, {method, body, headers}).then(async answer => done([answer.status, await answer.text()]), done)
"""
SHOWN = "return [performance.getEntriesByType('navigation')[0].responseStatus, document.body.textContent]"


class Marionette:
    """A connection to the browser: each message is a JSON text, its length before it."""

    def __init__(self, port: int, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + SECONDS
        while True:
            try:
                self._socket = socket.create_connection(("127.0.0.1", port), SECONDS)
                break
            except ConnectionRefusedError:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
        self._file = self._socket.makefile("rb")
        self._number = 0
        self._read()

    def order(self, name: str, **arguments: Any) -> Any:
        """Give an order, and return its result."""
        self._number += 1
        text = json.dumps([0, self._number, name, arguments]).encode()
        self._socket.sendall(b"%d:%s" % (len(text), text))
        _, _, error, result = self._read()
        if error is not None:
            raise RuntimeError(f"{name}: {error['message']}")
        return result

    def _read(self) -> Any:
        length = b""
        while not length.endswith(b":"):
            character = self._file.read(1)
            if not character:
                raise RuntimeError("the browser has ended")
            length += character
        return json.loads(self._file.read(int(length[:-1])))


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def main() -> None:
    program, url, file, *requests = sys.argv[1:]
    host = urlsplit(url).hostname
    profile = Path(os.environ["HOME"]) / "profile"
    profile.mkdir()
    port = free_port()
    preferences = {
        "marionette.port": port,
        "network.negotiate-auth.trusted-uris": url,
        "network.dns.localDomains": host,
        "network.captive-portal-service.enabled": False,
        "network.connectivity-service.enabled": False,
        "network.http.speculative-parallel-limit": 0,
        "dom.security.https_first": False,
    }
    lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});" for name, value in preferences.items()]
    (profile / "user.js").write_text("\n".join(lines))
    command: list[str | Path] = [
        program,
        "--headless",
        "--marionette",
        "--no-remote",
        "--profile",
        profile,
        "about:blank",
    ]
    process = subprocess.Popen(command, stdout=sys.stderr)
    try:
        browser = Marionette(port, process)
        browser.order("WebDriver:NewSession")
        first, *others = (request.split() for request in requests)
        browser.order("WebDriver:Navigate", url=url + first[1])
        answers = [browser.order("WebDriver:ExecuteScript", script=SHOWN, args=[])["value"]]
        for method, path in others:
            body = Path(file).read_text() if method == "POST" else None
            arguments = [method, path, body]
            answers.append(browser.order("WebDriver:ExecuteAsyncScript", script=FETCH, args=arguments)["value"])
        for status, text in answers:
            print(status, "-", text)
        browser.order("Marionette:Quit", flags=["eForceQuit"])
        process.wait(SECONDS)
    finally:
        process.kill()
        process.wait()


if __name__ == "__main__":
    main()
