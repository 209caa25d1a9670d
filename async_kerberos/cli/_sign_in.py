"""The client of the demo. It calls HTTP and GSSAPI directly, so that the demo can show every step."""

from __future__ import annotations

import base64
import binascii
import http.client
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any, cast

import gssapi.raw as gss

from .._protocol.header import challenge
from ._server import DemoError

_SPNEGO = gss.OID.from_int_seq("1.3.6.1.5.5.2")
_FLAGS = (gss.RequirementFlag.mutual_authentication,)
_ANSWER_SECONDS = 30.0


@dataclass(frozen=True)
class Answer:
    """What the server answered.

    Attributes:
        status: the status code.
        reason: the status in words.
        challenges: the values of ``WWW-Authenticate``.
        body: the body.
    """

    status: int
    reason: str
    challenges: tuple[str, ...]
    body: str

    @property
    def negotiate(self) -> str | None:
        """The value of ``WWW-Authenticate`` for the scheme Negotiate; None if there is none."""
        return next((value for value in self.challenges if value.split(" ")[0].lower() == "negotiate"), None)


class Client:
    """A client that signs in once, with the ticket cache of the environment.

    Args:
        host: the host name in the URL. The server is on this machine.
        port: the server's port.
    """

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port
        self._name = gss.import_name(f"HTTP@{host}".encode(), gss.NameType.hostbased_service)
        self._context: gss.SecurityContext | None = None

    def get(self, authorization: str | None = None) -> Answer:
        """Request ``/``.

        Args:
            authorization: the value of ``Authorization``; None for a request without credentials.

        Raises:
            DemoError: there was no answer.
        """
        headers = {"Host": f"{self._host}:{self._port}"}
        if authorization is not None:
            headers["Authorization"] = authorization
        # By address: localhost may also be ::1, and another server may listen there.
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=_ANSWER_SECONDS)
        try:
            connection.request("GET", "/", headers=headers)
            response = connection.getresponse()
            body = response.read().decode(errors="replace")
        except (OSError, http.client.HTTPException) as error:
            raise DemoError(f"no answer from the server: {error}") from error
        finally:
            connection.close()
        return Answer(response.status, response.reason, tuple(response.msg.get_all("WWW-Authenticate", ())), body)

    def begin(self) -> tuple[str, datetime]:
        """Get a ticket for the service from the KDC, and make the token from it.

        Returns:
            The value of ``Authorization``, and when the ticket expires.

        Raises:
            DemoError: the KDC gave no ticket.
        """
        try:
            # python-gssapi annotates the fields of its results by names that pyright cannot follow, hence the casts.
            first = cast("Any", gss.init_sec_context(self._name, mech=_SPNEGO, flags=_FLAGS))
        except gss.GSSError as error:
            raise DemoError(f"no ticket for HTTP/{self._host}: {error}") from error
        self._context = first.context
        return challenge(first.token), datetime.now(timezone.utc) + timedelta(seconds=first.lifetime)

    def verify(self, negotiate: str) -> None:
        """Check by the server's reply to the token that it is the right server.

        Args:
            negotiate: the value of ``WWW-Authenticate``.

        Raises:
            DemoError: the server has not proved that it holds the service's key.
        """
        try:
            reply = base64.b64decode(negotiate.partition(" ")[2], validate=True)
            last = cast(
                "Any",
                gss.init_sec_context(self._name, context=self._context, mech=_SPNEGO, flags=_FLAGS, input_token=reply),
            )
        except (binascii.Error, gss.GSSError) as error:
            raise DemoError(f"the server's reply is wrong: {error}") from error
        if last.more_steps or gss.RequirementFlag.mutual_authentication not in last.flags:
            raise DemoError("the server's reply does not prove who it is")


def masked(value: str) -> str:
    """Shorten a value of ``Authorization`` or ``WWW-Authenticate``: a token is a secret while it is valid.

    The first four characters are no secret: they encode the ASN.1 header of the token.
    """
    scheme, _, token = value.partition(" ")
    if not token:
        return scheme
    return f"{scheme} {token[:4]}… ({len(token) * 3 // 4 - token[-2:].count('=')} bytes)"
