"""The lines of the log, about requests and about the setup."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable

from .._gss.steps import AcquireError, Steps
from ..identity import Identity
from ..outcomes import Denied
from ..reasons import Reason
from ..request import AuthRequest

_logger = logging.getLogger("async_kerberos")

# A message of GSSAPI that names a file and two principals is shorter.
_LONGEST_DETAIL = 600


def log_denied(denied: Denied, request: AuthRequest, detail: str, cause: BaseException | None = None) -> None:
    """Log why a request was denied, and the remedy; of an error in the application's code, where it was raised."""
    reason = denied.reason
    if _logger.isEnabledFor(reason.level):
        text = f"{reason.value} ({one_line(detail)})" if detail else reason.value
        values = denied.status, client_of(request), text, reason.remedy
        _logger.log(reason.level, "Kerberos: %d for %s: %s. %s", *values, exc_info=cause)


def log_signed_in(identity: Identity, request: AuthRequest) -> None:
    """Log who has signed in, at the level DEBUG."""
    if _logger.isEnabledFor(logging.DEBUG):
        _logger.debug("Kerberos: accepted %s from %s", one_line(identity.principal), client_of(request))


def log_setup(steps: Steps, *, names_keytab: bool, warnings: Callable[[], list[str]] = list) -> None:
    """Log which service principal the server has, or what is wrong with the keytab. Blocks.

    Args:
        steps: the acceptor.
        names_keytab: whether the application sets the option ``keytab``.
        warnings: returns what else is wrong.
    """
    try:
        principal = steps.describe()
    except AcquireError as error:
        problem = one_line(str(error))
        if error.reason is Reason.MISCONFIGURED and not names_keytab and "KRB5_KTNAME" not in os.environ:
            problem = f"set KRB5_KTNAME to your keytab file ({problem})"
        _logger.warning("Kerberos: %s. %s", problem, error.reason.remedy)
    else:
        _logger.info("Kerberos: server is %s", principal)
    for warning in [*steps.warnings(), *warnings()]:
        _logger.warning("Kerberos: %s", warning)


def client_of(request: AuthRequest) -> str:
    """The client's address, if it is known."""
    return "a client" if request.peer is None else one_line(request.peer[0])


def one_line(text: str) -> str:
    """Shorten and escape a text: a client may have put line breaks or control characters into it."""
    if len(text) > _LONGEST_DETAIL:
        text = f"{text[:_LONGEST_DETAIL]}…"
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in text)
