"""The client's side of GSSAPI, one leg at a time."""

from __future__ import annotations

import base64
import os
import struct
from pathlib import Path
from typing import Any, cast

import gssapi.raw as gss

SPNEGO = gss.OID.from_int_seq("1.3.6.1.5.5.2")
KRB5 = gss.OID.from_int_seq("1.2.840.113554.1.2.2")

MUTUAL = int(gss.RequirementFlag.mutual_authentication)
ONE_WAY = int(gss.RequirementFlag.integrity)  # without any flag, python-gssapi asks for mutual authentication
# Two legs with Kerberos: the initiator answers the acceptor's reply with another AP-REP.
TWO_LEGS = MUTUAL | int(gss.RequirementFlag.dce_style)

# Taken before any guard wraps the names in gssapi.raw, which is where the acceptor looks them up.
_acquire_cred_from = gss.acquire_cred_from
_inquire_context = gss.inquire_context

NTLM = b"NTLMSSP\0\1\0\0\0\7\x82\x08\xa2" + bytes(24)  # a NEGOTIATE_MESSAGE, [MS-NLMP] section 2.2.1.1


class Initiator:
    """One attempt of a client to sign in.

    Args:
        target: the service, as ``service@host`` or, with a slash in it, as a principal.
        mech: ``SPNEGO``, or ``KRB5`` for tokens that no SPNEGO is wrapped around.
        flags: ``MUTUAL``, ``ONE_WAY`` or ``TWO_LEGS``.
        ccache: the ticket cache; None for that of the environment.
        bindings: the application data of the channel bindings (RFC 5929) to send; None for none.
    """

    def __init__(
        self,
        target: str = "HTTP@www.example.test",
        *,
        mech: gss.OID = SPNEGO,
        flags: int = MUTUAL,
        ccache: Path | None = None,
        bindings: bytes | None = None,
    ) -> None:
        kind = gss.NameType.kerberos_principal if "/" in target else gss.NameType.hostbased_service
        self._name = gss.import_name(target.encode(), kind)
        self._mech = mech
        self._flags = flags
        self._bindings = None if bindings is None else gss.ChannelBindings(application_data=bindings)
        self._creds: gss.Creds | None = None
        if ccache is not None:
            acquired: Any = _acquire_cred_from({b"ccache": os.fsencode(ccache)}, usage="initiate")
            self._creds = acquired.creds
        self._context: gss.SecurityContext | None = None
        self.complete = False

    def step(self, reply: bytes | None = None) -> bytes:
        """The next token to send; empty where the exchange is over.

        Args:
            reply: the token of the acceptor's answer, on every leg but the first.

        Raises:
            gssapi.raw.GSSError: the reply is not one of the service that the ticket is for.
        """
        result: Any = gss.init_sec_context(
            self._name,
            self._creds,
            mech=self._mech,
            flags=self._flags,
            context=self._context,
            channel_bindings=self._bindings,
            input_token=reply,
        )
        self._context = result.context
        self.complete = not result.more_steps
        return cast("bytes", result.token or b"")

    def verify(self, reply: bytes) -> None:
        """Make sure that the reply proves the server's identity, and that the exchange is over with it."""
        assert not self.complete, "the client did not wait for a reply"
        assert self.step(reply) == b""
        assert self.complete

    @property
    def header(self) -> str:
        """The value of ``Authorization`` for the first leg."""
        return negotiate(self.step())


def negotiate(token: bytes) -> str:
    """The value of ``Authorization`` with this token."""
    return f"Negotiate {base64.b64encode(token).decode('ascii')}"


def fresh(target: str = "HTTP@www.example.test", **options: Any) -> str:
    """The value of ``Authorization`` with a new token, where the reply does not matter."""
    return Initiator(target, **options).header


def reply_token(challenges: list[str]) -> bytes:
    """The one token among the values of ``WWW-Authenticate``."""
    tokens = [value.split(" ", 1)[1] for value in challenges if value.startswith("Negotiate ")]
    assert len(tokens) == 1, f"one reply expected, not {challenges}"
    return base64.b64decode(tokens[0], validate=True)


def shift_clock(ccache: Path, seconds: int) -> None:
    """Make the users of this ticket cache believe that the KDC's clock is so far ahead (negative: behind).

    The header of the file (version 4) has the field DeltaTime for it, which ``kdc_timesync`` heeds.
    """
    content = ccache.read_bytes()
    assert content[:2] == b"\x05\x04", "not a ticket cache of version 4"
    (length,) = struct.unpack(">H", content[2:4])
    header = struct.pack(">HHii", 1, 8, seconds, 0)
    ccache.write_bytes(content[:2] + struct.pack(">H", len(header)) + header + content[4 + length :])
