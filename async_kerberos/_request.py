"""What the decision needs to know of a request, in no framework's terms."""

from __future__ import annotations

from dataclasses import dataclass, field

from ._outcomes import Accepted

Peer = tuple[str, int]
"""Address and port of a client: a connection, as long as nothing between client and server shares it."""


@dataclass(frozen=True, init=False)
class AuthRequest:
    """What the decision needs to know of a request, in no framework's terms.

    Attributes:
        authorization: the values of all its ``Authorization`` fields.
        peer: address and port of the client, as the server says; None where it says nothing, as on a Unix socket.
            Port 0 says that the address is not that of the connection: a proxy told it, and the server believed it.
        earlier: what an earlier check of this same request came to.
        own_connection: whether a later leg of the exchange may come on the same connection, and no request of anybody
            else's meanwhile: HTTP/1, and no WebSocket.
        secure: whether the server says that the request came over TLS.
        forwarded_for: the values of ``X-Forwarded-For`` and ``Forwarded``.
        forwarded_proto: the values of ``X-Forwarded-Proto``.
    """

    authorization: tuple[str, ...] = field(default=(), repr=False)
    peer: Peer | None = None
    earlier: Accepted | None = None
    own_connection: bool = True
    secure: bool = False
    forwarded_for: tuple[str, ...] = ()
    forwarded_proto: tuple[str, ...] = ()

    def __init__(
        self,
        authorization: tuple[str, ...] = (),
        peer: Peer | None = None,
        earlier: Accepted | None = None,
        own_connection: bool = True,
        secure: bool = False,
        forwarded_for: tuple[str, ...] = (),
        forwarded_proto: tuple[str, ...] = (),
    ) -> None:
        # One is made for every request; what the dataclass would do, field by field, takes four times as long.
        self.__dict__.update(
            authorization=authorization,
            peer=peer,
            earlier=earlier,
            own_connection=own_connection,
            secure=secure,
            forwarded_for=forwarded_for,
            forwarded_proto=forwarded_proto,
        )

    @property
    def connection(self) -> Peer | None:
        """The connection that the exchange has to itself: what a later leg is known by.

        Behind a proxy it is the proxy's, which many clients may share, whatever stands in ``peer``.
        """
        if self.peer is None or not self.peer[1] or not self.own_connection or self.forwarded_for:
            return None
        return self.peer
