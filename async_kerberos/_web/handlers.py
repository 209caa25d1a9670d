"""The body that an application's own handler of a 401 or a 403 makes, registered in its framework's way."""

from __future__ import annotations

import weakref
from collections.abc import Awaitable, Callable
from typing import Any

from .._decision.pages import Page, with_body
from .._threads.waits import finish as finish
from ..outcomes import Denied
from ..telemetry.faults import Faults
from ..telemetry.log import log_page_failed

_UNTYPED = "text/plain; charset=utf-8"

_faults: weakref.WeakKeyDictionary[object, Faults] = weakref.WeakKeyDictionary()


async def with_handlers_body(
    app: object, denied: Denied, make: Callable[[], Awaitable[tuple[bytes, str | None]]]
) -> Denied:
    """The answer with a handler's body and content type; all else is as it was, whatever the handler does.

    Args:
        app: the application.
        denied: the answer.
        make: calls the handler, and returns the body and the content type, if there is one.
    """
    try:
        body, content_type = await make()
        page: Page = body, content_type or _UNTYPED
        return with_body(denied, page)
    except Exception as error:
        faults = _faults.setdefault(app, Faults())
        log_page_failed(faults, denied.status, f"the application's handler of {denied.status}", error)
        return denied


def handler_of(app: Any, blueprints: list[str], error: type[Exception], status: int) -> Callable[[Any], Any] | None:
    """The handler that an application of Flask's or Quart's has for exactly this status.

    Args:
        app: the application.
        blueprints: the names of the blueprints of the request, the nearest first.
        error: the class that Werkzeug has for the status.
        status: the status.
    """
    for name in (*blueprints, None):
        handler: Callable[[Any], Any] | None = app.error_handler_spec.get(name, {}).get(status, {}).get(error)
        if handler is not None:
            return handler
    return None
