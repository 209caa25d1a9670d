"""What uWSGI says of a request otherwise than other WSGI servers do: the scheme, the client's port, a chunked body."""

from __future__ import annotations

import importlib
import os
import socket
from collections.abc import Mapping
from typing import Any

_VERSION = "uwsgi.version"
# uWSGI's core/protocol.c, the functions uwsgi_proto_check_20 and _22. In environ, "-" and "_" of a header are the same.
_SET_THE_SCHEME = ("HTTP_X_FORWARDED_PROTO", "HTTP_X_FORWARDED_SSL")


def scheme_is_hearsay(environ: Mapping[str, Any]) -> bool:
    """Whether the request's scheme may be what a client wrote: under uWSGI, two header fields override what it knows.

    They also override ``UWSGI_SCHEME`` and ``HTTPS``, by which a web server in front of uWSGI says the scheme.

    Args:
        environ: the WSGI environment, on any server.
    """
    return _VERSION in environ and any(name in environ for name in _SET_THE_SCHEME)


def peer_port(environ: Mapping[str, Any]) -> int:
    """The client's port, which uWSGI leaves out of environ where it speaks HTTP itself (``http-socket``).

    Args:
        environ: the WSGI environment, on any server. The call must be made on the thread that handles the request.

    Returns:
        The port. 0 on other servers; also where the connection is that of a web server in front of uWSGI, so that its
        address is not the one that the environment gives for the client.
    """
    duplicate = connection_of(environ)
    if duplicate is None:
        return 0
    try:
        with duplicate:
            peer: Any = duplicate.getpeername()
    except OSError:
        return 0
    # A Unix socket's peer has no address; on a socket for both families, that of an IPv4 peer has a prefix.
    known = not isinstance(peer, str) and peer[0].removeprefix("::ffff:") == environ.get("REMOTE_ADDR")
    return int(peer[1]) if known else 0


def connection_of(environ: Mapping[str, Any]) -> socket.socket | None:
    """A duplicate of the request's socket, which the caller closes; None on other servers.

    Args:
        environ: the WSGI environment, on any server. The call must be made on the thread that handles the request.
    """
    if _VERSION not in environ:
        return None
    try:
        return socket.socket(fileno=os.dup(_uwsgi().connection_fd()))
    except (ImportError, OSError, ValueError):  # ValueError: on a thread that handles no request
        return None


def read_chunk(_: int) -> bytes:
    """The next piece of a chunked body, which uWSGI leaves out of ``wsgi.input``; empty at its end."""
    chunk: bytes = _uwsgi().chunked_read()
    return chunk


def _uwsgi() -> Any:
    return importlib.import_module("uwsgi")  # uWSGI makes this module in its own processes
