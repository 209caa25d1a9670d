"""Clients that this project did not write, each behind the same call.

requests-gssapi and requests-kerberos have no annotations, hence the ``Any`` around them.
"""

from __future__ import annotations

import asyncio
import importlib
import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx
import requests
import requests.adapters
from httpx_gssapi import REQUIRED, HTTPSPNEGOAuth

from ..support import HOSTNAME

_requests_gssapi: Any = importlib.import_module("requests_gssapi")
_requests_kerberos: Any = importlib.import_module("requests_kerberos")

# A hang guard: no client waits that long for anything.
_SECONDS = 30.0

MUTUAL_AUTHENTICATION_ERRORS = (
    importlib.import_module("httpx_gssapi.exceptions").MutualAuthenticationError,
    importlib.import_module("requests_gssapi.exceptions").MutualAuthenticationError,
    importlib.import_module("requests_kerberos.exceptions").MutualAuthenticationError,
)


@dataclass(frozen=True)
class Call:
    """One call of a client.

    Attributes:
        port: the server's, on 127.0.0.1; the client knows the host by its name.
        path: the path.
        follow: whether redirects are followed.
        stream: whether the body is read piece by piece.
        fields: header fields of the request.
    """

    port: int
    path: str = "/hello"
    follow: bool = False
    stream: bool = False
    fields: Mapping[str, str] | None = None

    @property
    def url(self) -> str:
        """The whole URL."""
        return f"http://{HOSTNAME}:{self.port}{self.path}"


@dataclass(frozen=True)
class Answer:
    """What a client made of the answer.

    Attributes:
        status: the last status.
        text: the last body.
        verified: one truth value for each reply of the server that the client judged: whether its context was complete
            with it, which it is when the server has proved that it knows the service's key.
        location: the field ``Location``, which a client that sanitises an unproved answer removes.
    """

    status: int
    text: str
    verified: tuple[bool, ...] = ()
    location: str | None = None


@dataclass(frozen=True)
class Client:
    """A client.

    Attributes:
        name: for the test's id.
        get: makes a call; negotiates as the user whose ticket cache is the environment's.
        mutual: whether it can insist on mutual authentication, as it then does.
        preemptive: whether it sends a token before it is asked for one, and fails itself if it has none.
        renews: whether it makes a new token for each request as it follows a redirect. The others send again the one
            that the first request was accepted with, which is a replay.
    """

    name: str
    get: Callable[[Call], Answer]
    mutual: bool = True
    preemptive: bool = False
    renews: bool = False

    def __str__(self) -> str:
        return self.name


def _noting(auth: Any, context: Callable[[Sequence[Any]], Any]) -> list[bool]:
    """Have each judgement of a server's reply noted: ``authenticate_server`` is where all three make it.

    Two of them are content if python-gssapi's ``step`` raises nothing, which it puts off to the next look at the
    context. That look is here.
    """
    judged: list[bool] = []
    original: Callable[..., bool] = auth.authenticate_server

    def authenticate_server(*args: Any) -> bool:
        result = original(*args)
        judged.append(result and bool(context(args).complete))
        return result

    auth.authenticate_server = authenticate_server
    return judged


def _curl(call: Call) -> Answer:
    command = ["curl", "-q", "--silent", "--show-error", "--noproxy", "*", "--max-time", str(_SECONDS)]
    command += ["--negotiate", "-u", ":", "--resolve", f"{HOSTNAME}:{call.port}:127.0.0.1"]
    command += ["--write-out", "%{stderr}%{http_code} %header{location}"]
    command += ["--location"] if call.follow else []
    command += ["--no-buffer"] if call.stream else []
    for name, value in (call.fields or {}).items():
        command += ["--header", f"{name}: {value}"]
    done = subprocess.run([*command, call.url], capture_output=True, text=True, check=True, env=os.environ)
    status, _, location = done.stderr.partition(" ")
    return Answer(int(status), done.stdout, location=location or None)


def _httpx_auth(*, preemptive: bool) -> tuple[Any, list[bool]]:
    auth = HTTPSPNEGOAuth(mutual_authentication=REQUIRED, opportunistic_auth=preemptive)
    return auth, _noting(auth, lambda given: given[1])


def _httpx(call: Call, *, preemptive: bool) -> Answer:
    auth, judged = _httpx_auth(preemptive=preemptive)
    with (
        httpx.Client(
            auth=auth, follow_redirects=call.follow, headers=call.fields, trust_env=False, timeout=_SECONDS
        ) as client,
        client.stream("GET", call.url) as response,
    ):
        text = "".join(response.iter_text()) if call.stream else response.read().decode()
    return Answer(response.status_code, text, tuple(judged), response.headers.get("location"))


def _httpx_async(call: Call, *, preemptive: bool) -> Answer:
    auth, judged = _httpx_auth(preemptive=preemptive)

    async def get() -> Answer:
        async with (
            httpx.AsyncClient(
                auth=auth, follow_redirects=call.follow, headers=call.fields, trust_env=False, timeout=_SECONDS
            ) as client,
            client.stream("GET", call.url) as response,
        ):
            if call.stream:
                text = "".join([piece async for piece in response.aiter_text()])
            else:
                text = (await response.aread()).decode()
        return Answer(response.status_code, text, tuple(judged), response.headers.get("location"))

    return asyncio.run(get())


class _ClosingAdapter(requests.adapters.HTTPAdapter):
    """Closes what it received: a response that ``auth`` refuses by an exception is in nobody else's hands."""

    def __init__(self) -> None:
        super().__init__()
        self._received: list[requests.Response] = []

    def send(self, *args: Any, **kwargs: Any) -> requests.Response:
        response = super().send(*args, **kwargs)
        self._received.append(response)
        return response

    def close(self) -> None:
        for response in self._received:
            response.close()
        super().close()


def _requests(call: Call, auth: Any, judged: list[bool]) -> Answer:
    with requests.Session() as session:
        session.mount("http://", _ClosingAdapter())
        session.trust_env = False
        with session.get(
            call.url,
            auth=auth,
            allow_redirects=call.follow,
            stream=call.stream,
            headers=dict(call.fields or {}),
            timeout=_SECONDS,
        ) as response:
            text = b"".join(response.iter_content(4)).decode() if call.stream else response.text
            return Answer(response.status_code, text, tuple(judged), response.headers.get("location"))


def _with_requests_gssapi(call: Call, *, preemptive: bool) -> Answer:
    auth = _requests_gssapi.HTTPSPNEGOAuth(
        mutual_authentication=_requests_gssapi.REQUIRED, opportunistic_auth=preemptive
    )
    return _requests(call, auth, _noting(auth, lambda _: auth.context[HOSTNAME]))


def _with_requests_kerberos(call: Call, *, preemptive: bool) -> Answer:
    auth = _requests_kerberos.HTTPKerberosAuth(
        mutual_authentication=_requests_kerberos.REQUIRED, force_preemptive=preemptive
    )
    # It keeps its contexts to itself.
    return _requests(call, auth, _noting(auth, lambda _: getattr(auth, "_context")[HOSTNAME]))  # noqa: B009


def _with(get: Callable[..., Answer], *, preemptive: bool) -> Callable[[Call], Answer]:
    return lambda call: get(call, preemptive=preemptive)


CLIENTS = [
    Client("curl", _curl, mutual=False, renews=True),
    *(
        Client(name + suffix, _with(get, preemptive=preemptive), preemptive=preemptive)
        for name, get in {
            "httpx-gssapi": _httpx,
            "httpx-gssapi-async": _httpx_async,
            "requests-gssapi": _with_requests_gssapi,
            "requests-kerberos": _with_requests_kerberos,
        }.items()
        for suffix, preemptive in {"": False, "-preemptive": True}.items()
    ),
]
