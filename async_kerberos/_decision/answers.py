"""From a refusal to the answer: status, challenges and body."""

from __future__ import annotations

import re
from collections.abc import Iterable
from http import HTTPStatus

from .._checks import elements
from .._protocol.header import challenge
from ..errors import ConfigurationError
from ..outcomes import Denied
from ..reasons import Reason, Refusal

_RETRY_AFTER_SECONDS = "1"  # a server that works empties a full queue in less

# RFC 9110, section 11.6.1: challenge = auth-scheme [ 1*SP ( token68 / #auth-param ) ]
_CHALLENGE = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+(?: +[!-~][ -~]*)?"
_NEGOTIATE = r"(?i)(?:^|,)\s*negotiate\b"


class Answers:
    """Makes the answers to requests that may not pass.

    Args:
        failure_status: the option of this name.
        other_challenges: the option of this name.
        asks_handlers: whether handlers of the application's may make the body of a 401 or a 403.

    Attributes:
        other_challenges: the option's value, as texts.

    Raises:
        ConfigurationError: an option is wrong.
    """

    def __init__(self, failure_status: object, other_challenges: object, asks_handlers: bool = True) -> None:
        if type(failure_status) is not int or failure_status not in (401, 403):
            raise ConfigurationError("failure_status", f"must be 401 or 403, not {failure_status!r}")
        self._failure_status = failure_status
        self.other_challenges = _check_challenges("other_challenges", other_challenges)
        self._asks_handlers = asks_handlers
        # Made once: half of all requests get this answer.
        self._challenged = self._denial(Refusal(Reason.NO_CREDENTIALS))

    def denial(self, refusal: Refusal) -> Denied:
        """The answer to a refused request."""
        return self._challenged if refusal.reason is Reason.NO_CREDENTIALS else self._denial(refusal)

    def _denial(self, refusal: Refusal) -> Denied:
        reason = refusal.reason
        status = reason.status or (401 if self.other_challenges else self._failure_status)
        if reason is Reason.NOT_ASKED and self.other_challenges:
            status = 401  # the client may come in by another scheme
        headers = [("WWW-Authenticate", value) for value in self._challenges(refusal, status)]
        if status == 503:
            headers.append(("Retry-After", _RETRY_AFTER_SECONDS))
        return plain_denial(status, reason, headers, asks_handler=self._asks_handlers and status in (401, 403))

    def _challenges(self, refusal: Refusal, status: int) -> list[str]:
        if refusal.reason is Reason.NO_CREDENTIALS:
            return [challenge(), *self.other_challenges]
        if refusal.reason is Reason.NOT_ASKED:
            return [*self.other_challenges]
        if refusal.reason is Reason.CONTINUE:
            # The token continues the exchange. A challenge of another scheme beside it would end the exchange.
            return [challenge(refusal.token)] + ([*self.other_challenges] if refusal.token is None else [])
        if refusal.reason.status is None and status == 401:  # a token was refused
            return [*self.other_challenges] or [challenge()]
        return []


def plain_denial(
    status: int, reason: Reason, headers: Iterable[tuple[str, str]] = (), *, asks_handler: bool = False
) -> Denied:
    """An answer that says the status in words and nothing else."""
    body = HTTPStatus(status).phrase.encode()
    typed = (*headers, ("Content-Type", "text/plain; charset=utf-8"))
    return Denied(status, reason, typed, body, asks_handler, plain=True)


def _check_challenges(option: str, value: object) -> tuple[str, ...]:
    challenges: list[str] = []
    for text in elements(option, value, "header values"):
        if not isinstance(text, str) or not re.fullmatch(_CHALLENGE, text):
            raise ConfigurationError(option, f"must be header values such as 'Basic realm=\"intranet\"', not {text!r}")
        if re.search(_NEGOTIATE, text):
            raise ConfigurationError(option, "Negotiate is offered already: name only the other schemes")
        challenges.append(text)
    return tuple(challenges)
