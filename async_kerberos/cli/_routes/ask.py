"""A running copy of an application is asked for its routes, as a stranger asks."""

from __future__ import annotations

import http.client
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from ...errors import KerberosError
from .finding import Route, State

_SECONDS = 10.0  # for one answer
_PARAMETERS = frozenset("<{*")


class AskError(KerberosError):
    """It cannot be asked."""


@dataclass(frozen=True)
class Answer:
    """What came.

    Attributes:
        status: the status of the answer.
        differs: how that differs from what was found; empty if it does not.
    """

    status: int
    differs: str


class Asker:
    """Asks by GET alone, without credentials, and follows no redirect.

    Args:
        url: of the application: scheme, host and, if it is not 80 or 443, port; and the path that it is served under.

    Raises:
        AskError: it is no such URL.
    """

    def __init__(self, url: str) -> None:
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise AskError(f"{url!r} is no URL: {error}") from error
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise AskError(f"{url!r} is no URL such as https://www.example.com")
        if parts.username is not None or parts.query or parts.fragment:
            raise AskError("the URL may have neither credentials nor a query: it is asked as a stranger asks")
        self._https = parts.scheme == "https"
        self._host, self._port = parts.hostname, port
        self._path = parts.path.rstrip("/")

    def ask(self, route: Route) -> Answer | None:
        """What comes for a route; None of one that cannot be asked for: it has parameters, or takes no GET.

        Raises:
            AskError: nothing comes.
        """
        takes_get = "GET" in route.methods or not route.methods
        if route.websocket or not takes_get or not route.path.startswith("/") or _PARAMETERS & set(route.path):
            return None
        status = self._status(self._path + quote(route.path, safe="/%:@!$&'()+,;=~"))
        return Answer(status, _difference(route.verdict.state, status))

    def _status(self, path: str) -> int:
        connection_type = http.client.HTTPSConnection if self._https else http.client.HTTPConnection
        connection = connection_type(self._host, self._port, timeout=_SECONDS)
        try:
            connection.request("GET", path, headers={"Connection": "close"})
            return connection.getresponse().status
        except (OSError, http.client.HTTPException) as error:
            raise AskError(f"no answer for {path}: {error}") from error
        finally:
            connection.close()


def _difference(state: State, status: int) -> str:
    refused = status in (401, 403)
    if state is State.PROTECTED and not refused:
        return f"found protected, and {status} came without a ticket"
    if state in (State.OPEN, State.OPTIONAL, State.EXEMPT):
        if refused:
            return f"found {state.value}, and {status} came: something else guards it"
        if status == 404:
            return f"found {state.value}, and 404 came: it is not there, or its view says so"
    return ""
