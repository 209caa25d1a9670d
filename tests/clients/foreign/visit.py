"""Clients in Python, each in a process of its own.

Arguments: which client, the URL, the file with the body, then requests such as "GET /hello".
"""

# pyright: basic
# Half of these libraries have no types.

from __future__ import annotations

import asyncio
import base64
import http.client
import sys
import urllib.request
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

SECONDS = 30


class Request(NamedTuple):
    """A request; the body is None where there is none."""

    method: str
    url: str
    body: bytes | None


class Answer(NamedTuple):
    """What the client made of the answer; ``proved`` where it has checked that the server knows its key."""

    status: int
    proved: bool
    text: str


Answers = Iterable[Answer]

URL: str
HOST: str


def types(request: Request) -> dict[str, str]:
    return {} if request.body is None else {"Content-Type": "text/plain"}


# Libraries that sign in by themselves. Asked to insist on mutual authentication, they raise where there is none.


def _session(session: Any, auth: Any, requests: list[Request]) -> Answers:
    session.trust_env = False
    for request in requests:
        answer = session.request(
            request.method, request.url, data=request.body, auth=auth, headers=types(request), timeout=SECONDS
        )
        yield Answer(answer.status_code, True, answer.text)


def requests_gssapi(requests: list[Request]) -> Answers:
    import requests as library
    from requests_gssapi import REQUIRED, HTTPSPNEGOAuth

    with library.Session() as session:
        yield from _session(session, HTTPSPNEGOAuth(mutual_authentication=REQUIRED), requests)


def requests_kerberos(requests: list[Request]) -> Answers:
    import requests as library
    from requests_kerberos import REQUIRED, HTTPKerberosAuth

    with library.Session() as session:
        yield from _session(session, HTTPKerberosAuth(mutual_authentication=REQUIRED), requests)


def niquests(requests: list[Request]) -> Answers:
    import niquests as library  # pyright: ignore[reportMissingImports] (in a folder of its own)
    from requests_gssapi import REQUIRED, HTTPSPNEGOAuth

    with library.Session() as session:
        yield from _session(session, HTTPSPNEGOAuth(mutual_authentication=REQUIRED), requests)


def _httpx(auth: Any, requests: list[Request]) -> Answers:
    import httpx

    with httpx.Client(auth=auth, trust_env=False, timeout=SECONDS) as client:
        for request in requests:
            answer = client.request(request.method, request.url, content=request.body, headers=types(request))
            yield Answer(answer.status_code, True, answer.text)


def httpx_gssapi(requests: list[Request]) -> Answers:
    from httpx_gssapi import REQUIRED, HTTPSPNEGOAuth

    return _httpx(HTTPSPNEGOAuth(mutual_authentication=REQUIRED), requests)


def httpx_kerberos(requests: list[Request]) -> Answers:
    from httpx_kerberos import HTTPKerberosAuth, MutualAuthentication

    return _httpx(HTTPKerberosAuth(mutual_authentication=MutualAuthentication.REQUIRED), requests)


def _opened(opener: Any, requests: list[Request], *, proved: bool) -> Answers:
    for request in requests:
        asked = urllib.request.Request(request.url, request.body, types(request), method=request.method)
        with opener.open(asked, timeout=SECONDS) as answer:
            yield Answer(answer.status, proved, answer.read().decode())


def urllib_kerberos(requests: list[Request]) -> Answers:
    from urllib_kerberos import HTTPKerberosAuthHandler

    return _opened(urllib.request.build_opener(HTTPKerberosAuthHandler()), requests, proved=False)


def urllib_gssapi(requests: list[Request]) -> Answers:
    from urllib_gssapi import HTTPSPNEGOAuthHandler

    return _opened(urllib.request.build_opener(HTTPSPNEGOAuthHandler()), requests, proved=False)


# Libraries that make tokens, and the standard library's client.

Step = Callable[[bytes], bytes]


def _by_hand(requests: list[Request], begin: Callable[[], tuple[Step, Callable[[], bool]]]) -> Answers:
    connection = http.client.HTTPConnection(HOST, urlsplit(URL).port, timeout=SECONDS)
    for request in requests:
        step, complete = begin()
        headers = {"Authorization": negotiate(step(b""))}
        connection.request(request.method, urlsplit(request.url).path, request.body, headers | types(request))
        answer = connection.getresponse()
        text = answer.read().decode()
        step(reply_in(answer.getheader("WWW-Authenticate")))
        yield Answer(answer.status, complete(), text)
    connection.close()


def negotiate(token: bytes) -> str:
    return f"Negotiate {base64.b64encode(token).decode()}"


def reply_in(header: str | None) -> bytes:
    return base64.b64decode((header or "").removeprefix("Negotiate "), validate=True)


def pyspnego(requests: list[Request]) -> Answers:
    import spnego

    def begin() -> tuple[Step, Callable[[], bool]]:
        flags = spnego.ContextReq.mutual_auth | spnego.ContextReq.sequence_detect
        context = spnego.client(hostname=HOST, service="HTTP", protocol="negotiate", context_req=flags)
        return (lambda token: context.step(token or None) or b""), lambda: context.complete

    return _by_hand(requests, begin)


def pykerberos(requests: list[Request]) -> Answers:
    import kerberos

    def begin() -> tuple[Step, Callable[[], bool]]:
        flags = kerberos.GSS_C_MUTUAL_FLAG | kerberos.GSS_C_SEQUENCE_FLAG
        _, context = kerberos.authGSSClientInit(f"HTTP@{HOST}", gssflags=flags)
        results = []

        def step(token: bytes) -> bytes:
            results.append(kerberos.authGSSClientStep(context, base64.b64encode(token).decode()))
            return base64.b64decode(kerberos.authGSSClientResponse(context) or "")

        return step, lambda: results[-1] == kerberos.AUTH_GSS_COMPLETE

    return _by_hand(requests, begin)


# Clients that know no Kerberos, and are given a token by python-gssapi: on the handshake of a WebSocket too.


def _gssapi() -> tuple[Step, Callable[[], bool]]:
    import gssapi

    name = gssapi.Name(f"HTTP@{HOST}", gssapi.NameType.hostbased_service)
    context = gssapi.SecurityContext(
        name=name,
        usage="initiate",
        mech=gssapi.OID.from_int_seq("1.3.6.1.5.5.2"),
        flags=gssapi.RequirementFlag.mutual_authentication,
    )
    return (lambda token: context.step(token or None) or b""), lambda: context.complete


def aiohttp(requests: list[Request]) -> Answers:
    import aiohttp as library

    async def ask(session: Any, request: Request) -> Answer:
        step, complete = _gssapi()
        headers = {"Authorization": negotiate(step(b"")), **types(request)}
        if request.method == "WS":
            async with session.ws_connect(request.url, headers=headers) as websocket:
                reply = websocket._response.headers.get("WWW-Authenticate")
                text = await websocket.receive_str(timeout=SECONDS)
            status = websocket._response.status
        else:
            async with session.request(request.method, request.url, data=request.body, headers=headers) as answer:
                status, text, reply = answer.status, await answer.text(), answer.headers.get("WWW-Authenticate")
        step(reply_in(reply))
        return Answer(status, complete(), text)

    async def ask_all() -> list[Answer]:
        # By the C library, which knows the tests' host: with aiodns installed, that would be asked.
        connector = library.TCPConnector(resolver=library.ThreadedResolver())
        async with library.ClientSession(connector=connector, timeout=library.ClientTimeout(SECONDS)) as session:
            return [await ask(session, request) for request in requests]

    return asyncio.run(ask_all())


def websockets(requests: list[Request]) -> Answers:
    from websockets.sync.client import connect

    for request in requests:
        step, complete = _gssapi()
        headers = {"Authorization": negotiate(step(b""))}
        url = request.url.replace("http", "ws", 1)
        with connect(url, additional_headers=headers, open_timeout=SECONDS, proxy=None) as websocket:
            text = str(websocket.recv(SECONDS))
        answer: Any = websocket.response
        step(reply_in(answer.headers["WWW-Authenticate"]))
        yield Answer(answer.status_code, complete(), text)


def websocket_client(requests: list[Request]) -> Answers:
    import websocket as library

    for request in requests:
        step, complete = _gssapi()
        url = request.url.replace("http", "ws", 1)
        headers = {"Authorization": negotiate(step(b""))}
        websocket: Any = library.create_connection(url, SECONDS, header=headers)
        text = websocket.recv()
        step(reply_in(websocket.getheaders()["www-authenticate"]))
        yield Answer(websocket.getstatus(), complete(), text)
        websocket.close()


def main() -> None:
    global URL, HOST
    name, URL, file, *texts = sys.argv[1:]
    HOST = urlsplit(URL).hostname or ""
    requests = []
    for text in texts:
        method, path = text.split()
        requests.append(Request(method, URL + path, Path(file).read_bytes() if method == "POST" else None))
    for answer in globals()[name.replace("-", "_")](requests):
        print(answer.status, "proved" if answer.proved else "-", answer.text)


if __name__ == "__main__":
    main()
