"""The headers that an application below the middleware sees: one may name the user, and credentials may be left out."""

from __future__ import annotations

import re
from typing import Any

from .._decision.guard import NO_GUARD, Guard
from ..errors import ConfigurationError
from ..kerberos import default_kerberos
from ..reasons import Reason, Refusal
from ..request import FIELDS, MOST_VALUES
from .asgi import App, Message, Receive, Send, refused, request_of, send_denial, state_of, values_of
from .nearest import Scope

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


class InnerHeadersMiddleware:
    """Below the middleware that authenticates: changes the headers that the application sees.

    Args:
        app: the application.
        user_header: the option of this name.
        hide_authorization: the option of this name.
        guard: that of the middleware.

    Raises:
        ConfigurationError: a header cannot have this name, or has another meaning.
    """

    def __init__(
        self, app: App, user_header: object = None, *, hide_authorization: bool = False, guard: Guard = NO_GUARD
    ) -> None:
        self.app = app
        self._guard = guard
        self._name = b"" if user_header is None else _check_name("user_header", user_header)
        self._hides = hide_authorization
        self._removed = {*([_alike(self._name)] if self._name else []), *([b"authorization"] if self._hides else [])}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI scope; of the lifespan, or of a request that has been let in."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        state = state_of(scope)
        if self._name and _NO_VALUE.search(state.username):
            decider = state.decider or default_kerberos()
            refusal = Refusal(Reason.NOT_AUTHORISED, f"no header can have the name {state.username!a}: rename the user")
            denied = await decider.refuse(request_of(scope, state), refusal, self._guard)
            await send_denial(scope, send, refused(scope, state, denied, decider))
            return
        if self._hides:
            state.hidden = state.hidden or tuple(values_of(scope["headers"], "authorization")[:MOST_VALUES])
        # A copy: middlewares further out, such as a log of requests, still see what the client sent.
        inner = {**scope, "headers": self._headers_for(scope["headers"], state.username)}
        environ: dict[str, Any] | None = scope.get("wsgi_environ")  # the bridge a2wsgi passes it on
        if environ is not None:
            inner["wsgi_environ"] = {name: value for name, value in environ.items() if not self._removes(name)}
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

    def _removes(self, variable: str) -> bool:
        """Whether a variable of WSGI's comes of a header that is removed."""
        name = variable.removeprefix("HTTP_")
        return name != variable and _alike(name.encode()) in self._removed

    def _headers_for(self, fields: list[tuple[bytes, bytes]], user: str) -> list[tuple[bytes, bytes]]:
        # Bytes that are no field name are removed, too: stripped or upper-cased further down ("ß" becomes "SS"), they
        # could become one of these names.
        removed = self._removed
        kept = [field for field in fields if _NAME_IN_BYTES.fullmatch(field[0]) and _alike(field[0]) not in removed]
        # Always UTF-8: if some principals were sent in Latin-1, two principals could become the same bytes.
        return [*kept, (self._name, user.encode())] if self._name and user else kept


def _check_name(option: str, name: object) -> bytes:
    if not isinstance(name, str) or not re.fullmatch(_NAME, name):
        raise ConfigurationError(option, f"must be the name of a header such as 'Remote-User', not {name!r}")
    raw = name.lower().encode()
    if _alike(raw) in _TAKEN or _alike(raw).startswith(_TAKEN_PREFIXES):
        problem = f"{name!r} has another meaning: take a name that stands for the user alone, such as 'Remote-User'"
        raise ConfigurationError(option, problem)
    if "_" in name:
        proper = name.replace("_", "-").title()
        raise ConfigurationError(option, f"{name!r} looks like a variable: the header is {proper!r}")
    return raw


def _alike(name: bytes) -> bytes:
    """What all spellings of a name have in common."""
    return _ALIKE.sub(b"-", name.lower())
