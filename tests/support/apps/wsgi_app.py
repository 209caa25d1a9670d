"""The contract's application on WSGI alone, below the middleware."""

from __future__ import annotations

import json
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from async_kerberos.adapters.wsgi import KerberosMiddleware
from async_kerberos.kerberos import default_kerberos

from . import MAYBE, OWN_CHALLENGE, OWN_HEADERS, Options, facts, given, pieces, who_it_is

Fields = list[tuple[str, str]]

_OWN: Fields = [("WWW-Authenticate", OWN_CHALLENGE)]
# What a framework would raise or have handled is here what it is in the end: a status.
_ANSWERS: dict[str, tuple[int, Fields]] = {
    "/redirect": (302, [("Location", "/hello")]),
    "/missing": (404, []),
    "/teapot": (418, []),
    "/both": (200, list(OWN_HEADERS.items())),
    "/again": (401, _OWN),
    "/raised-again": (401, _OWN),
}


def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """The application, unprotected."""
    user = who_it_is(environ.get("REMOTE_USER"), environ["kerberos"])
    path: str = environ["PATH_INFO"]
    status, fields = _ANSWERS.get(path, (200, []))
    body = [user.encode()]
    if path == "/who":
        body = [_places(environ).encode()]
    elif path == "/stream":
        body = pieces(user)
    elif path == "/echo":
        body = [environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))]
    if path != "/stream":
        fields = [*fields, ("Content-Length", str(len(b"".join(body))))]
    start_response(f"{status} {HTTPStatus(status).phrase}", list(fields))
    return [] if environ["REQUEST_METHOD"] == "HEAD" else body


def _places(environ: dict[str, Any]) -> str:
    identity = environ["kerberos"]
    assert environ["AUTH_TYPE"] == "Negotiate"
    return json.dumps(
        {
            "environ": identity.principal,
            **facts(identity),
            "REMOTE_USER": environ["REMOTE_USER"],
        }
    )


def build(options: Options | None) -> Any:
    """The application below the middleware."""
    app = KerberosMiddleware(application, **given(options))
    (app.kerberos or default_kerberos()).log_setup_once()  # not beside the first request, whose calls a test counts
    optional = KerberosMiddleware(application, app.kerberos, optional=True)

    def dispatch(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        return (optional if environ["PATH_INFO"] in MAYBE else app)(environ, start_response)

    return dispatch
