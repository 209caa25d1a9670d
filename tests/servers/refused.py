"""Requests with a body and without a ticket, of which none may break a connection; by hand, with a table.

``python -m tests.servers.refused 20`` sends each of them 20 times to every server, directly and through nginx, and
prints how many came to something else than 401 and the challenge.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Generator
from pathlib import Path

from async_kerberos.testing import Realm

from ..support import HOSTNAME, ROOT
from ..support.http import Address, Connection
from ..support.servers import Nginx
from .sites import SITES

# How often in the suite.
ROUNDS = 2

SIZES = {"64 kB": 64_000, "300 kB": 300_000, "1 MB": 1_000_000, "8 MB": 8_000_000}

# As operators write it; and with the body passed on as it comes, over connections that are kept.
_PROXIES = {
    "nginx": "location / {{ proxy_pass http://{site}; }}",
    "nginx, unbuffered": (
        'location / {{ proxy_pass http://{site}; proxy_http_version 1.1; proxy_set_header Connection "";'
        " proxy_request_buffering off; }}"
    ),
}


def refused(address: Address, size: int, *, chunked: bool) -> str:
    """What a client that sends all of its body before it reads gets: nothing to say, or what is wrong."""
    try:
        with Connection(address) as connection:
            response = connection.request("/echo", method="POST", body=bytes(size), chunked=chunked)
    except (OSError, AssertionError) as error:
        return f"{type(error).__name__}: {error}"
    except Exception as error:  # h11's, for an answer that ends in the middle
        return f"{type(error).__name__}: {error}"
    if (response.status, response.challenges) == (401, ["Negotiate"]):
        return ""
    return f"{response.status} {response.challenges}"
