"""Tokens of mechanisms that are not allowed, and the program that sends them where a plug-in for NTLM is loaded."""

from __future__ import annotations

import base64
import json
import logging
import resource
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import gssapi.raw as gss

from async_kerberos import Accepted, Kerberos, Outcome, Reason

from ..support import tokens
from ..support.asking import auth_request, reply_of
from ..support.initiator import KRB5, NTLM, ONE_WAY, SPNEGO, Initiator, negotiate
from ..support.tokens import IAKERB, MS_KRB5, NEGOEX, NTLMSSP, neg_token_init, wrap
from .trial import HOST, PEER

NTLM_USER, NTLM_DOMAIN = "bob", "EXAMPLE"
ACCEPTED = "accepted"

# Every one of these is sent with a good ticket in it, where there is a place for one.
OTHER_MECHANISMS = {
    "krb5-of-1993": "1.3.5.1.5.2",
    "spkm": "1.3.6.1.5.5.1.1",
    "lipkey": "1.3.6.1.5.5.9",
    "scram-sha-1": "1.3.6.1.5.5.14",
    "eap-aes128": "1.3.6.1.5.5.15.1.1.17",
    "pku2u": "1.3.6.1.5.2.7",
    "user-to-user": "1.2.840.113554.1.2.2.3",
    "netlogon": "1.3.6.1.4.1.311.2.2.17",
    "negoex": NEGOEX.dotted_form,
    "ntlmssp": NTLMSSP.dotted_form,
    "iakerb": IAKERB.dotted_form,
    "spnego": SPNEGO.dotted_form,
}


def forbidden() -> dict[str, tuple[bytes, Reason]]:
    """First tokens, and why they are refused; ``CONTINUE`` where the client is asked for Kerberos instead."""
    wrong, another = Reason.WRONG_MECHANISM, Reason.CONTINUE
    iakerb = tokens.iakerb_proxy("KRBTEST.COM", tokens.as_req("alice", "KRBTEST.COM"))
    ticket = Initiator(mech=KRB5).step()
    ap_req = tokens.unwrap_ap_req(ticket)
    cases = {
        "ntlm": (NTLM, wrong),
        "ntlm-framed": (wrap(NTLMSSP, NTLM), wrong),
        "ntlm-first": (neg_token_init([NTLMSSP, KRB5], NTLM), another),
        "ntlm-first-framed": (neg_token_init([NTLMSSP, KRB5], wrap(NTLMSSP, NTLM)), another),
        "ntlm-alone": (neg_token_init([NTLMSSP], NTLM), wrong),
        "ntlm-alone-without-a-token": (neg_token_init([NTLMSSP]), wrong),
        "ntlm-as-kerberos": (neg_token_init([KRB5, NTLMSSP], NTLM), wrong),
        "ntlm-in-kerberos": (wrap(KRB5, NTLM), Reason.MALFORMED),
        "ntlm-in-spnego-alone": (wrap(SPNEGO, NTLM), Reason.MALFORMED),
        "negoex": (tokens.negoex(), Reason.MALFORMED),
        "negoex-framed": (wrap(NEGOEX, tokens.negoex()), wrong),
        "negoex-first": (neg_token_init([NEGOEX, KRB5, NTLMSSP], tokens.negoex()), another),
        "negoex-alone": (neg_token_init([NEGOEX], tokens.negoex()), wrong),
        "iakerb": (iakerb, wrong),
        "iakerb-first": (neg_token_init([IAKERB, KRB5], iakerb), another),
        "iakerb-alone": (neg_token_init([IAKERB], iakerb), wrong),
        "iakerb-as-kerberos": (neg_token_init([KRB5], iakerb), wrong),
        "spnego-as-kerberos": (neg_token_init([KRB5], neg_token_init([KRB5], ticket)), wrong),
    }
    for name, oid in OTHER_MECHANISMS.items():
        mech = gss.OID.from_int_seq(oid)
        if mech != SPNEGO:
            cases[f"ticket-by-{name}"] = (wrap(mech, b"\1\0" + ap_req), wrong)
        cases[f"ticket-in-spnego-by-{name}-alone"] = (neg_token_init([mech], ticket), wrong)
        cases[f"ticket-in-spnego-by-{name}"] = (neg_token_init([mech, KRB5], ticket), another)
    # Microsoft's number for Kerberos is one in SPNEGO only.
    cases["ticket-by-microsoft"] = (wrap(MS_KRB5, b"\1\0" + ap_req), wrong)
    return cases


def told(outcome: Outcome) -> str:
    """An outcome in one line: who was accepted, or why not."""
    if isinstance(outcome, Accepted):
        return f"{ACCEPTED} {outcome.principal}"
    if outcome.reason is Reason.CONTINUE:
        reply = reply_of(outcome)
        asks = tokens.oid(KRB5) in reply and b"NTLMSSP" not in reply and tokens.oid(NTLMSSP) not in reply
        return f"{outcome.status}, asked for {'Kerberos' if asks else 'something else'}"
    return f"{outcome.status} {outcome.reason.value}"


def send_forbidden(kerberos: Kerberos) -> dict[str, tuple[str, str]]:
    """Send every one of them, and where Kerberos is asked for, go on with NTLM.

    Returns:
        What came of each, and what should.
    """

    def send(token: bytes) -> str:
        return told(kerberos.authenticate_blocking(auth_request((negotiate(token),), PEER)))

    results: dict[str, tuple[str, str]] = {}
    for name, (token, reason) in forbidden().items():
        if reason is not Reason.CONTINUE:
            results[name] = send(token), f"403 {reason.value}"
            continue
        for later, leg in {"ntlm": NTLM, "ntlm framed": wrap(NTLMSSP, NTLM)}.items():
            results[name] = send(token), "401, asked for Kerberos"
            results[f"{name}, then {later}"] = send(tokens.neg_token_resp(leg)), f"403 {Reason.WRONG_MECHANISM.value}"
    return results


def send_tickets(kerberos: Kerberos) -> list[str]:
    """Sign in with a ticket, by SPNEGO and without."""
    headers = [Initiator(mech=mech).header for mech in (SPNEGO, KRB5)]
    return [told(kerberos.authenticate_blocking(auth_request((header,), PEER))) for header in headers]


def exchange_ntlm(accept: Callable[[bytes], tuple[str, bytes | None]]) -> list[str]:
    """Sign in by NTLM within SPNEGO, with a user's password. Returns what came of each leg."""
    user = gss.import_name(f"{NTLM_DOMAIN}\\{NTLM_USER}".encode(), gss.NameType.user)
    acquired: Any = gss.acquire_cred(user, mechs=[NTLMSSP], usage="initiate")
    target = gss.import_name(f"HTTP@{HOST}".encode(), gss.NameType.hostbased_service)
    context: Any = None
    reply: bytes | None = None
    legs: list[str] = []
    while True:
        step: Any = gss.init_sec_context(
            target, acquired.creds, mech=NTLMSSP, flags=ONE_WAY, context=context, input_token=reply
        )
        context = step.context
        token = tokens.neg_token_resp(step.token) if legs else neg_token_init([NTLMSSP], step.token)
        leg, answer = accept(token)
        legs.append(leg)
        if not step.more_steps or answer is None:
            return legs
        reply = tokens.take_response_token(answer)


class _Plain:
    """What an acceptor does that takes what GSSAPI offers."""

    def __init__(self, keytab: str | None) -> None:
        if keytab is None:
            acquired: Any = gss.acquire_cred(None, usage="accept")
        else:
            acquired = gss.acquire_cred_from({b"keytab": keytab.encode()}, None, usage="accept")
        self._creds = acquired.creds
        self._context: Any = None

    def accept(self, token: bytes) -> tuple[str, bytes | None]:
        accepted: Any = gss.accept_sec_context(token, self._creds, self._context)
        if accepted.more_steps:
            self._context = accepted.context
            return "challenge" if b"NTLMSSP\0\2" in accepted.token else "continue", accepted.token
        name = gss.display_name(accepted.initiator_name, name_type=False).name.decode()
        return f"{ACCEPTED} {name} by {accepted.mech.dotted_form}", None


class _Ours:
    def __init__(self, kerberos: Kerberos) -> None:
        self._kerberos = kerberos

    def accept(self, token: bytes) -> tuple[str, bytes | None]:
        outcome = self._kerberos.authenticate_blocking(auth_request((negotiate(token),), PEER))
        continues = not isinstance(outcome, Accepted) and outcome.reason is Reason.CONTINUE
        return told(outcome), reply_of(outcome) if continues else None


def _no_restriction(cred_handle: gss.Creds, mech_set: Iterable[gss.OID]) -> None:
    """In the place of ``set_neg_mechs``."""


def main(arguments: Mapping[str, Any]) -> None:
    """Do one thing in a process with the plug-in, and print what came of it as JSON; the log goes to stderr."""
    assert NTLMSSP in gss.indicate_mechs()
    keytab: str | None = arguments["keytab"]
    do: str = arguments["do"]
    result: object
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # what the plug-in makes crash is no news
    if do == "plain":
        plain = _Plain(keytab)
        result = plain.accept(base64.b64decode(arguments["token"]))[0]
    elif do == "plain-exchange":
        result = exchange_ntlm(_Plain(keytab).accept)
    else:
        logging.basicConfig(level=logging.WARNING)
        if arguments["unrestricted"]:
            gss.set_neg_mechs = _no_restriction
        kerberos = Kerberos(hostname=arguments["hostname"], keytab=keytab)
        if do == "exchange":
            result = exchange_ntlm(_Ours(kerberos).accept)
        else:
            result = {"forbidden": send_forbidden(kerberos), "tickets": send_tickets(kerberos)}
    print(json.dumps(result))


if __name__ == "__main__":
    main(json.load(sys.stdin))
