"""Requests as tests write them, by their credentials; and what tests read of the outcomes."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

from async_kerberos import Accepted, AuthRequest, Denied, Headers, Identity, Kerberos, Outcome, Reason
from async_kerberos._decision.answers import plain_denial
from async_kerberos.outcomes import Checked
from async_kerberos.request import Peer

from .initiator import negotiate

PLAIN = plain_denial(403, Reason.OTHER).headers
"""The headers of an answer that says its status and nothing else."""


def auth_request(
    authorization: Sequence[str] = (),
    peer: Peer | None = None,
    earlier: Accepted | Checked | None = None,
    *,
    fields: Mapping[str, Sequence[str]] | None = None,
    **facts: Any,
) -> AuthRequest:
    """A request with these values of ``Authorization``, and other fields; ``earlier`` also as it came back."""
    together = dict(fields or {})
    if authorization:
        together["authorization"] = tuple(authorization)
    checked = earlier.checked if isinstance(earlier, Accepted) else earlier
    return AuthRequest(together, peer=peer, earlier=checked, **facts)


def token_request(token: bytes, peer: Peer | None = None) -> AuthRequest:
    """A request with this token of GSSAPI's."""
    return auth_request((negotiate(token),), peer)


def found(
    identity: Identity,
    headers: Headers = (),
    kerberos: Kerberos | None = None,
    authorization: tuple[str, ...] = (),
    *,
    spnego: bool = True,
    judged: bool = False,
    asked_for: tuple[str, str] = ("GET", ""),
) -> Accepted:
    """What ``kerberos`` has come to for a request with these credentials."""
    by = (kerberos or Kerberos()).rules
    return Accepted(identity, headers, Checked(by, identity, spnego, authorization, judged, asked_for))


def accepted(outcome: Outcome) -> Accepted:
    """The outcome, which lets somebody in."""
    assert isinstance(outcome, Accepted), outcome
    return outcome


def identity_of(outcome: Outcome) -> Identity:
    """The user that the outcome lets in."""
    identity = accepted(outcome).identity
    assert identity is not None
    return identity


def denied(outcome: Outcome) -> Denied:
    """The outcome, which is a denial."""
    assert isinstance(outcome, Denied), outcome
    return outcome


def reply_of(outcome: Outcome) -> bytes:
    """The token of the answer; empty where there is none."""
    (value,) = [value for name, value in outcome.headers if name == "WWW-Authenticate"]
    return base64.b64decode(value.removeprefix("Negotiate").lstrip(), validate=True)
