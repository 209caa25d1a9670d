"""What the decision needs to know of a request, in no framework's terms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ._never_sent import NeverSent
from .outcomes import Checked

Peer = tuple[str, int]
"""Address and port of a client: a connection, as long as nothing between client and server shares it."""

FIELDS = frozenset(
    {
        "authorization",
        "forwarded",
        "host",
        "origin",
        "sec-fetch-site",
        "upgrade",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-proto",
    }
)
"""Every header field that is read, by its name in small letters. The bridges copy these, and no other."""

MOST_VALUES = 64
"""How many values of one field are copied: each rule takes fewer and refuses more, so the rest makes no difference."""

Fields = Mapping[str, Sequence[str]]
"""The values of header fields, by names of :data:`FIELDS`; a field that did not come is not there."""


@dataclass(frozen=True, init=False)
class AuthRequest(NeverSent):
    """What the decision needs to know of a request, in no framework's terms.

    Attributes:
        fields: the values of the header fields that count, as sequences of texts, by their names in small letters: of
            ``authorization``, ``forwarded``, ``host``, ``origin``, ``sec-fetch-site``, ``upgrade``,
            ``x-forwarded-for``, ``x-forwarded-host`` and ``x-forwarded-proto``, those that came.
        method: the request's method.
        peer: address and port of the client, as the server says; None where it says nothing, as on a Unix socket.
            Port 0 says that the address is not that of the connection: a proxy told it, and the server believed it.
        exclusive: whether a later leg of the exchange may come on the same connection, and no request of anybody
            else's meanwhile: HTTP/1, and no WebSocket.
        secure: whether the server says that the request came over TLS.
        websocket: whether it is the handshake of a WebSocket.
        earlier: what an earlier check of this same request has found.
    """

    fields: Fields = field(default_factory=dict[str, Sequence[str]], repr=False, hash=False)
    method: str = "GET"
    peer: Peer | None = None
    exclusive: bool = True
    secure: bool = False
    websocket: bool = False
    earlier: Checked | None = None

    def __init__(
        self,
        fields: Fields | None = None,
        *,
        method: str = "GET",
        peer: Peer | None = None,
        exclusive: bool = True,
        secure: bool = False,
        websocket: bool = False,
        earlier: Checked | None = None,
    ) -> None:
        # One is made for every request; what the dataclass would do, field by field, takes four times as long.
        self.__dict__.update(
            fields={} if fields is None else fields,
            method=method,
            peer=peer,
            exclusive=exclusive,
            secure=secure,
            websocket=websocket,
            earlier=earlier,
        )

    @property
    def authorization(self) -> tuple[str, ...]:
        """The values of ``Authorization``."""
        return tuple(self.fields.get("authorization", ()))

    @property
    def connection(self) -> Peer | None:
        """The connection that the exchange has to itself: what a later leg is known by.

        Behind a proxy it is the proxy's, which many clients may share, whatever stands in ``peer``.
        """
        if self.peer is None or not self.peer[1] or not self.exclusive:
            return None
        if "x-forwarded-for" in self.fields or "forwarded" in self.fields:
            return None
        return self.peer

    @property
    def forwarded_for(self) -> Sequence[str]:
        """The values of ``X-Forwarded-For`` and ``Forwarded``."""
        return (*self.fields.get("x-forwarded-for", ()), *self.fields.get("forwarded", ()))
