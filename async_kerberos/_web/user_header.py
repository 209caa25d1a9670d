"""A header that names the user, for applications that trust one. What a client sends under that name is removed."""

from __future__ import annotations

import logging
import re

from .._decision.answers import plain_denial
from ..errors import ConfigurationError
from ..identity import Identity
from ..reasons import Reason
from ..request import FIELDS
from .asgi import IDENTITY, App, Message, Receive, Send, send_denial
from .nearest import Scope

_logger = logging.getLogger("async_kerberos")

# RFC 9110, section 5.1: field-name = token
_NAME = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_NAME_IN_BYTES = re.compile(_NAME.encode())
# Gateways make a variable of a name: "-" becomes "_", and in some of them every character that is no letter or digit.
_ALIKE = re.compile(rb"[^0-9a-z]")

# Names of headers that say how a message is to be read, where it goes, how it came, or who sent it. Those that the
# decision reads are among FIELDS.
_TAKEN = frozenset(
    b"connection cookie date expect from http2-settings keep-alive range referer te trailer transfer-encoding"
    b" user-agent via x-forwarded-port x-forwarded-prefix x-forwarded-protocol x-forwarded-scheme x-forwarded-server"
    b" x-forwarded-ssl".split()
) | {name.encode() for name in FIELDS}
_TAKEN_PREFIXES = (b"accept", b"access-control-", b"content-", b"if-", b"proxy-", b"sec-")

# RFC 9110, section 5.5: a field value has no control characters, and no white space around it.
_NO_VALUE = re.compile(r"[\x00-\x1f\x7f-\x9f]|^\s|\s$")


class UserHeaderMiddleware:
    """Below the middleware that authenticates: names the user to the application, in a header.

    Args:
        app: the application.
        name: the header's name, the option ``user_header``.

    Raises:
        ConfigurationError: a header cannot have this name, or has another meaning.
    """

    def __init__(self, app: App, name: object) -> None:
        if not isinstance(name, str) or not re.fullmatch(_NAME, name):
            raise ConfigurationError("user_header", f"must be the name of a header such as 'Remote-User', not {name!r}")
        self.app = app
        self._name = name.lower().encode()
        self._alike = _alike(self._name)
        if self._alike in _TAKEN or self._alike.startswith(_TAKEN_PREFIXES):
            problem = f"{name!r} has another meaning: take a name that stands for the user alone, such as 'Remote-User'"
            raise ConfigurationError("user_header", problem)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI scope; of the lifespan, or of a request that has been let in."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        identity: Identity = scope[IDENTITY]
        if _NO_VALUE.search(identity.principal):
            _logger.warning("Kerberos: 403 for %a: no header can have this name. Rename the user.", identity.principal)
            await send_denial(scope, send, plain_denial(403, Reason.NOT_AUTHORISED))
            return
        # A copy: middlewares further out, such as a log of requests, still see what the client sent.
        inner = {**scope, "headers": self._headers_for(scope["headers"], identity.principal)}
        seen = dict(inner)

        def note() -> None:
            """Copy what changed to the outer scope: frameworks note the route there, which outer middlewares read."""
            changed = {key: value for key, value in inner.items() if key not in seen or seen[key] is not value}
            seen.update(changed)
            scope.update((key, value) for key, value in changed.items() if key != "headers")

        async def noting_send(message: Message) -> None:
            note()
            await send(message)

        try:
            await self.app(inner, receive, noting_send)
        finally:
            note()

    def _headers_for(self, fields: list[tuple[bytes, bytes]], user: str) -> list[tuple[bytes, bytes]]:
        # Bytes that are no field name are removed, too: stripped or upper-cased further down ("ß" becomes "SS"), they
        # could become this name.
        kept = [field for field in fields if _NAME_IN_BYTES.fullmatch(field[0]) and _alike(field[0]) != self._alike]
        # Always UTF-8: if some principals were sent in Latin-1, two principals could become the same bytes.
        return [*kept, (self._name, user.encode())]


def _alike(name: bytes) -> bytes:
    """What all spellings of a name have in common."""
    return _ALIKE.sub(b"-", name.lower())
