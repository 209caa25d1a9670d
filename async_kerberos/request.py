"""What the decision needs to know of a request, in no framework's terms."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from ._never_sent import NeverSent
from .outcomes import Checked

Peer = tuple[str, int]
"""Address and port of a client: they identify its connection, unless a proxy shares that among clients."""

EARLY_FIELDS = frozenset(
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
"""The names of the header fields that are looked at in each request, in small letters."""

FIELDS = EARLY_FIELDS | {"accept", "accept-language", "user-agent"}
"""The names of all header fields that the decision reads. The others are looked up once somebody asks for them."""

_CREDENTIALS = ("authorization",)

MOST_VALUES = 64
"""How many values of one field are copied. Each rule accepts fewer and rejects more, so the rest make no difference."""

Fields = Mapping[str, Sequence[str]]
"""The values of header fields, by names of :data:`FIELDS`; without the fields that did not come."""


@dataclass(frozen=True, init=False)
class AuthRequest(NeverSent):
    """What the decision needs to know of a request, in no framework's terms.

    Attributes:
        fields: header fields by their names in small letters, each with a sequence of its values. Those that count, if
            they came: ``authorization``, ``forwarded``, ``host``, ``origin``, ``sec-fetch-site``, ``upgrade``,
            ``x-forwarded-for``, ``x-forwarded-host`` and ``x-forwarded-proto``; and ``accept``, ``accept-language`` and
            ``user-agent``, where they are not looked up later.
        method: the request's method.
        path: the path that was asked for, decoded, with the part under which the application is mounted; empty if it is
            not known.
        plain_path: the path within the application as the client wrote it, not decoded. Empty where no guard exempts
            paths, and if the path could be read in more than one way: with ``//``, a dot segment or ``%2f``, say.
        peer: address and port of the client, as the server says; None where it says nothing, as on a Unix socket.
            Port 0 means that the address may not be the connection's: a proxy told it, or the server names no port.
        exclusive: whether the exchange's next leg comes on the same connection, with no other client's request in
            between: true of HTTP/1, but not of WebSockets.
        secure: whether the server says that the request came over TLS.
        websocket: whether it is the handshake of a WebSocket.
        earlier: the result of an earlier check of this same request.
        later: looks up the values of a field that is not in ``fields``; None where there are no others.
    """

    fields: Fields = field(default_factory=dict[str, Sequence[str]], repr=False, hash=False)
    method: str = "GET"
    path: str = ""
    peer: Peer | None = None
    exclusive: bool = True
    secure: bool = False
    websocket: bool = False
    earlier: Checked | None = None
    later: Callable[[str], Sequence[str]] | None = field(default=None, repr=False, compare=False)
    plain_path: str = ""

    def __init__(
        self,
        fields: Fields | None = None,
        *,
        method: str = "GET",
        path: str = "",
        peer: Peer | None = None,
        exclusive: bool = True,
        secure: bool = False,
        websocket: bool = False,
        earlier: Checked | None = None,
        later: Callable[[str], Sequence[str]] | None = None,
        plain_path: str = "",
    ) -> None:
        fields = {} if fields is None else fields
        # A rule would not see a field of another name, or in another shape.
        for name, values in fields.items():
            if name not in FIELDS or type(values) is str:
                raise TypeError(f"fields must be sequences of texts, by names of {sorted(FIELDS)}: see from_headers()")
        # Every request makes one object; the dataclass's own __init__, field by field, takes four times as long.
        self.__dict__.update(
            fields=fields,
            method=method,
            path=path,
            peer=peer,
            exclusive=exclusive,
            secure=secure,
            websocket=websocket,
            earlier=earlier,
            later=later,
            plain_path=plain_path,
        )

    @classmethod
    def from_headers(
        cls,
        get_all: Callable[[str], Sequence[str]],
        *,
        peer: Peer | None = None,
        secure: bool = False,
        method: str = "GET",
        path: str = "",
        exclusive: bool = False,
        websocket: bool = False,
    ) -> AuthRequest:
        """A request of a framework that is neither ASGI nor WSGI, such as tornado or aiohttp.

        Args:
            get_all: gives the values of a header field, by its name in small letters; none if it did not come.
            peer: as in the class.
            secure: as in the class.
            method: as in the class.
            path: as in the class.
            exclusive: as in the class. Without it, an exchange of several legs is refused.
            websocket: as in the class.
        """
        found = {name: tuple(get_all(name))[:MOST_VALUES] for name in FIELDS}
        fields = {name: values for name, values in found.items() if values}
        return cls(fields, method=method, path=path, peer=peer, exclusive=exclusive, secure=secure, websocket=websocket)

    def without_credentials(self) -> AuthRequest:
        """A copy for the application's own functions: it has neither credentials nor the result of an earlier check."""
        found = {name: self.values(name) for name in FIELDS if name not in _CREDENTIALS}
        fields = {name: values for name, values in found.items() if values}
        return AuthRequest(
            fields,
            method=self.method,
            path=self.path,
            peer=self.peer,
            exclusive=self.exclusive,
            secure=self.secure,
            websocket=self.websocket,
            plain_path=self.plain_path,
        )

    def values(self, name: str) -> tuple[str, ...]:
        """The values of a header field, by one of the names in :data:`FIELDS`; none where it did not come."""
        values = self.fields.get(name)
        if values:
            return tuple(values)
        if self.later is None or name in EARLY_FIELDS:
            return ()
        return tuple(self.later(name)[:MOST_VALUES])

    @property
    def host(self) -> str:
        """The value of ``Host``; empty where it did not come."""
        return next(iter(self.fields.get("host", ())), "")

    @property
    def authorization(self) -> tuple[str, ...]:
        """The values of ``Authorization``."""
        return tuple(self.fields.get("authorization", ()))

    @property
    def connection(self) -> Peer | None:
        """The connection that identifies a later leg of the exchange; None if the exchange has none of its own.

        Behind a proxy, many clients may share the proxy's connection, whatever ``peer`` is.
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
