"""The lines of the log, about requests and about the setup."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence

from .._gss.steps import AcquireError, Steps
from ..reasons import Reason
from .events import Event
from .faults import Faults
from .floods import Floods, Kind, Summary
from .peers import group_of
from .silent import SilentClient

_logger = logging.getLogger("async_kerberos")

# A message of GSSAPI that names a file and two principals is shorter.
_LONGEST_DETAIL = 600
_LONGEST_FIELD = 200

_page_faults = Faults()


class RequestLog:
    """The log as a listener: a line for each attempt, and for what comes again and again one a minute.

    At the level DEBUG there is a line for each.

    Args:
        floods: counts what has no line of its own.
    """

    def __init__(self, floods: Floods) -> None:
        self._floods = floods

    def tell(self, event: Event, cause: BaseException | None = None) -> None:
        """Log an attempt; ``cause``: the error of the application's that has failed it."""
        reason = event.reason
        level = logging.DEBUG if reason is None else reason.level
        if not _logger.isEnabledFor(level):
            return
        if reason is not None and level > logging.DEBUG and not _logger.isEnabledFor(logging.DEBUG):
            kind = Kind(group_of(event.peer), reason, event.status, event.principal)
            has_line, summaries = self._floods.note(kind)
            self._log_summaries(summaries)
            if not has_line:
                return
        extra = fields_of(event)
        client = "a client" if event.peer is None else one_line(event.peer[0])
        if reason is None:
            _logger.debug("Kerberos: accepted %s from %s", one_line(event.principal or ""), client, extra=extra)
            return
        text = f"{reason.value} ({one_line(event.detail)})" if event.detail else reason.value
        values = event.status, client, text, reason.remedy
        _logger.log(level, "Kerberos: %d for %s: %s. %s", *values, exc_info=cause, extra=extra)

    def sum_up(self, *, at_once: bool = False) -> None:
        """Log what has come meanwhile, and had no line; ``at_once``: without waiting for the end of the minute."""
        self._log_summaries(self._floods.due(at_once=at_once))

    def warn_of(self, client: SilentClient, principals: str) -> None:
        """Warn of a client that never brings a ticket.

        Args:
            client: the client.
            principals: the service's.
        """
        host = one_line(client.host, _LONGEST_FIELD)
        _logger.warning(
            "Kerberos: %s was asked for a ticket %d times within %d seconds, and brought none. It asked for the host "
            "%s; this service is %s. Mostly the URL has an address, or a name that the KDC does not know; or the "
            "browser is not told to trust the site; or the user has no ticket (klist); or a proxy strips the "
            "Authorization header.",
            one_line(client.peer) or "a client",
            client.times,
            client.seconds,
            # In quotes: what a client has written does not go on as our own words.
            repr(client.host[:_LONGEST_FIELD]) if client.host else "(none)",
            one_line(principals),
            extra={
                "kerberos_outcome": "challenged",
                "kerberos_reason": Reason.NO_CREDENTIALS.name,
                "kerberos_status": Reason.NO_CREDENTIALS.status,
                "kerberos_peer": one_line(client.peer, _LONGEST_FIELD) or None,
                "kerberos_host": host,
                "kerberos_count": client.times,
            },
        )

    def _log_summaries(self, summaries: Sequence[Summary]) -> None:
        for summary in summaries:
            level = max(reason.level for reason in summary.reasons)
            extra: dict[str, object] = {"kerberos_count": summary.total}
            kind = summary.kind
            if kind is None:
                reasons = ", ".join(f"{reason.value} ({count})" for reason, count in summary.reasons.most_common())
                what = (
                    f"{summary.total} more requests that were not let in, of clients that have no line here: {reasons}"
                )
            else:
                # A server that believes a proxy takes any text for an address.
                peer = one_line(kind.peer, _LONGEST_FIELD)
                principal = one_line(kind.principal or "", _LONGEST_FIELD)
                who = f", {principal}" if principal else ""
                what = f"{kind.status} for {peer or 'a client'}{who}: {kind.reason.value}: {summary.total} more"
                extra["kerberos_outcome"] = "failed" if (kind.status or 0) >= 500 else "refused"
                extra["kerberos_reason"], extra["kerberos_status"] = kind.reason.name, kind.status
                extra["kerberos_peer"], extra["kerberos_principal"] = peer or None, principal or None
            _logger.log(level, "Kerberos: %s, within %d seconds", what, summary.seconds, extra=extra)


def fields_of(event: Event) -> dict[str, object]:
    """The event as the ``extra`` of a record: plain values, of which those of a client are short, and in one line."""
    return {
        "kerberos_outcome": event.outcome,
        "kerberos_reason": None if event.reason is None else event.reason.name,
        "kerberos_status": event.status,
        "kerberos_principal": None if event.principal is None else one_line(event.principal, _LONGEST_FIELD),
        "kerberos_method": event.method,
        "kerberos_mechanism": event.mechanism,
        "kerberos_host": one_line(event.host, _LONGEST_FIELD),
        "kerberos_peer": None if event.peer is None else one_line(event.peer[0], _LONGEST_FIELD),
        "kerberos_path": one_line(event.path, _LONGEST_FIELD),
        "kerberos_token_size": event.token_size,
        "kerberos_waited": round(event.waited, 6),
        "kerberos_stepped": round(event.stepped, 6),
        "kerberos_adapter": event.adapter,
        "kerberos_detail": one_line(event.detail),
        "kerberos_count": 1,
    }


def log_page_failed(status: int, what: str, error: Exception) -> None:
    """Log that the application has failed to make a body, by what, and with which error.

    Each type of error is logged once a minute, unless the level is DEBUG: strangers choose how often one comes.
    """
    if _page_faults.is_new(what, type(error).__qualname__) or _logger.isEnabledFor(logging.DEBUG):
        _logger.error("Kerberos: %s failed; the built-in body of the %d was sent", what, status, exc_info=error)


def log_setup(steps: Steps, *, names_keytab: bool, warnings: Callable[[], list[str]] = list) -> str:
    """Log which service principal the server has, or what is wrong with the keytab. Blocks.

    Args:
        steps: the acceptor.
        names_keytab: whether the application sets the option ``keytab``.
        warnings: returns what else is wrong.

    Returns:
        The principals; empty if something is wrong.
    """
    principal = ""
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
    return principal


def one_line(text: str, longest: int = _LONGEST_DETAIL) -> str:
    """Shorten and escape a text: a client may have put line breaks or control characters into it."""
    head = text[: longest + 1]
    if not head.isprintable():
        head = "".join(character if character.isprintable() else ascii(character)[1:-1] for character in head)
    return head if len(head) <= longest else f"{head[:longest]}…"
