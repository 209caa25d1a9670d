"""The contract's application in gunicorn's process, and how many threads there are in it."""

from __future__ import annotations

import threading
from typing import Any

from ..support import deployments
from ..support.http import SECONDS

# gunicorn's, by tests.support.gunicorn_main. It starts them as they are needed.
THREADS = 4


def application() -> Any:
    """The application, and ``/threads``: asked by as many at once as there are threads, it answers when all run."""
    contract = deployments.application()
    all_run = threading.Barrier(THREADS)

    def counted(environ: dict[str, Any], start_response: Any) -> Any:
        if environ["PATH_INFO"] != "/threads":
            return contract(environ, start_response)
        all_run.wait(SECONDS)
        body = str(threading.active_count()).encode()
        start_response("200 OK", [("Content-Length", str(len(body)))])
        return [body]

    return counted
