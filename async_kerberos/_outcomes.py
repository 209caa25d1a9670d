"""What an attempt to sign in comes to: values alone, no behaviour of a server."""

from __future__ import annotations

import enum
import functools
from dataclasses import dataclass, field

from ._never_sent import NeverSent

Headers = tuple[tuple[str, str], ...]
"""Response headers, to be appended to what a response has; the same name may come twice."""


class Reason(enum.Enum):
    """Why a request was not let through: a closed list.

    The value is the reason in words, as the log has it. A client never learns it.
    """

    NO_CREDENTIALS = "no credentials"
    CONTINUE = "another leg is needed"
    MALFORMED = "malformed"
    TOO_LARGE = "token too large"
    WRONG_MECHANISM = "wrong mechanism"
    REPLAY = "replay"
    CLOCK_SKEW = "clock skew"
    EXPIRED = "expired ticket"
    WRONG_SERVICE = "wrong service principal"
    KEY_VERSION = "key version mismatch"
    KEY_TYPE = "no key of the ticket's encryption type"
    FORBIDDEN_ENCRYPTION = "forbidden encryption type"
    UNKNOWN_KEY = "unknown key"
    TRANSIT = "untrusted path between realms"
    BAD_PAC = "malformed PAC"
    BAD_BINDINGS = "bad channel bindings"
    NOT_TLS = "not over TLS"
    CROSS_SITE = "cross-site request"
    HALF_OPEN_LOST = "half-open context lost"
    NOT_AUTHORISED = "not authorised"
    OVERLOADED = "overloaded"
    TIMED_OUT = "timed out"
    DNS = "DNS does not answer"
    MISCONFIGURED = "server misconfigured"
    KRB5_CONF = "krb5.conf unusable"
    SERVER_FAULT = "server fault"
    OTHER = "other"

    @property
    def remedy(self) -> str:
        """One sentence that tells the operator what to do, or what to look at."""
        return _REMEDIES[self]


_REMEDIES = {
    Reason.NO_CREDENTIALS: "Nothing to do: the client is asked for a ticket.",
    Reason.CONTINUE: "Nothing to do: the exchange goes on.",
    Reason.MALFORMED: "Look at the client, or at a proxy that rewrites the Authorization header.",
    Reason.TOO_LARGE: "Raise max_token_size, and the server's header limit, if the user is in very many groups.",
    Reason.WRONG_MECHANISM: (
        "The client could get no ticket and fell back to NTLM: check that the URL's host name has a service principal "
        "in the KDC and is in the browser's list of trusted sites."
    ),
    Reason.REPLAY: (
        "The same token came twice: a client or a proxy repeats requests, or somebody replays them; a client that "
        "follows a redirect with its last token gets in with failure_status=401."
    ),
    Reason.CLOCK_SKEW: "Set the clocks of client and server by NTP; Kerberos allows five minutes.",
    Reason.EXPIRED: "The user needs a new ticket: sign in again, or kinit.",
    Reason.WRONG_SERVICE: "Check hostname and service against the name clients use; `klist -k` lists the keytab.",
    Reason.KEY_VERSION: "Export the keytab again; clients get tickets for the new key once theirs expire.",
    Reason.KEY_TYPE: (
        "Export the keytab again, with a key of each type that the KDC has for the service: of kadmin's ktadd and of "
        "Samba's exportkeytab that is the default, of ktpass `-crypto All`."
    ),
    Reason.FORBIDDEN_ENCRYPTION: (
        "This server's Kerberos library does not permit this type: have the KDC make AES keys for the service (Active "
        "Directory: msDS-SupportedEncryptionTypes, then a new password), and export the keytab again; what is "
        "permitted is permitted_enctypes in krb5.conf."
    ),
    Reason.UNKNOWN_KEY: "Export the keytab again: it has no key, or another key, for the ticket's service principal.",
    Reason.TRANSIT: (
        "The ticket came through a realm that nobody has called trusted: name the realms between the user's and this "
        "one in [capaths] in krb5.conf, on the KDCs and here, if they are."
    ),
    Reason.BAD_PAC: (
        "The KDC has put authorization data into the ticket that the Kerberos library cannot read: update the KDC or "
        "the library; if it is no KDC's, somebody else has the service's key: change it."
    ),
    Reason.BAD_BINDINGS: (
        "Check that certificate is the one that clients see: if it is, the client sends no bindings, or somebody "
        "passes on tickets that were made for another TLS connection."
    ),
    Reason.NOT_TLS: "Have clients use https; behind a proxy that ends TLS, name its address in trusted_proxies.",
    Reason.CROSS_SITE: (
        "Another site made a browser send this, or a sandboxed frame, or an own form under Referrer-Policy: "
        "no-referrer on plain HTTP. If the site is one of yours, name its origin in trusted_origins. If it is this "
        "very site, have the proxy pass on Host with its port, or set X-Forwarded-Host and be named in "
        "trusted_proxies. A view that other sites may post to takes cross_site='allow', and so does a middleware "
        "around it."
    ),
    Reason.NOT_AUTHORISED: "Nothing to do, unless this user should have access.",
    Reason.HALF_OPEN_LOST: (
        "Exchanges of several legs need a connection of their own up to this server: keep-alive, HTTP/1, and no proxy "
        "that hides the client's port."
    ),
    Reason.OVERLOADED: "More sign-ins than the workers can take: add processes, or machines.",
    Reason.TIMED_OUT: "A worker did not answer in time: look for a keytab or replay cache on a storage that hangs.",
    Reason.DNS: (
        "Every sign-in waits for DNS, which is asked for the service's host name: mend the resolver "
        "(/etc/resolv.conf), or set dns_canonicalize_hostname = false under [libdefaults] in krb5.conf."
    ),
    Reason.MISCONFIGURED: (
        "Point keytab or KRB5_KTNAME at a readable keytab that holds the service principal, and check hostname and "
        "service; `klist -k` lists what is in a keytab."
    ),
    Reason.KRB5_CONF: (
        "Mend the file that is named, or have KRB5_CONFIG name another; the process has to be able to read it, and "
        "every file and folder that it includes."
    ),
    Reason.SERVER_FAULT: (
        "Usually the replay cache's folder (KRB5RCACHEDIR) or file (KRB5RCACHENAME) is not the process's to write to, "
        "its disk is full, or the process has too many files open."
    ),
    Reason.OTHER: "Run the server with KRB5_TRACE=/dev/stderr to see what the Kerberos library does.",
}


@dataclass(frozen=True)
class Identity(NeverSent):
    """A user who has proved, by a Kerberos ticket, who they are.

    Attributes:
        principal: the client principal in its text form (RFC 1964, section 2.1.1), such as ``alice@EXAMPLE.COM``.
            ``/``, ``@`` and ``\\`` within a component come escaped by a backslash.
        service_principal: the principal that the ticket was made for, such as ``HTTP/www.example.com@EXAMPLE.COM``.
            Without a realm where the credential alone had settled it.
        channel_bound: whether the ticket was presented on the TLS connection that it was made for: the client's
            channel bindings (RFC 5929) are those of the configured certificate.
    """

    principal: str
    service_principal: str = ""
    channel_bound: bool = False

    def __str__(self) -> str:
        return self.principal

    @property
    def name(self) -> str:
        """The principal without its realm: ``alice``, or ``alice/admin``."""
        return split_realm(self.principal)[0]

    @property
    def realm(self) -> str:
        """The realm: ``EXAMPLE.COM``; empty where the principal has none."""
        return split_realm(self.principal)[1]

    @property
    def anonymous(self) -> bool:
        """Whether the KDC vouches for somebody without saying whom (RFC 8062, section 3); never let in."""
        return f"{self.principal}@".startswith("WELLKNOWN/ANONYMOUS@")


def split_realm(principal: str) -> tuple[str, str]:
    """Split ``name@REALM`` at the ``@`` that no backslash escapes (RFC 1964, section 2.1.1)."""
    if "\\" not in principal:
        name, _, realm = principal.partition("@")
        return name, realm
    escaped = False
    for position, character in enumerate(principal):
        if escaped:
            escaped = False
        elif character == "\\":
            escaped = True
        elif character == "@":
            return principal[:position], principal[position + 1 :]
    return principal, ""


@dataclass(frozen=True)
class Accepted(NeverSent):
    """The client has proved who it is.

    Attributes:
        identity: who.
        headers: to be appended to whatever response follows: the acceptor's reply, by which the client can make sure
            of the server (mutual authentication). Empty where GSSAPI made no reply, or where another result has
            brought it already.
        kerberos: the ``Kerberos`` that made this result.
        authorization: the values of ``Authorization`` that it was made from; it says nothing of any other request.
        judged: whether it was made sure that no other site made a browser send the request (``cross_site``).
    """

    identity: Identity
    headers: Headers = field(default=(), repr=False)
    kerberos: object = field(default=None, repr=False, compare=False)
    authorization: tuple[str, ...] = field(default=(), repr=False, compare=False)
    judged: bool = field(default=False, repr=False, compare=False)


@dataclass(frozen=True)
class Denied(NeverSent):
    """The request must not reach the application; this is the answer to it.

    Attributes:
        status: the HTTP status code.
        headers: ``WWW-Authenticate`` and ``Retry-After``, where they belong.
        reason: why. The client must not learn it.
    """

    status: int
    reason: Reason
    headers: Headers = field(default=(), repr=False)

    @property
    def body(self) -> str:
        """The body for the client: the status in words and nothing else."""
        return _phrase(self.status)


@functools.cache
def _phrase(status: int) -> str:
    from http import HTTPStatus  # takes longer than all of this module

    return HTTPStatus(status).phrase


Outcome = Accepted | Denied
