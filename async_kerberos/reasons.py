"""Why a request is not let through: a closed list, and the exception with which each stage says so."""

from __future__ import annotations

import enum
from logging import DEBUG, ERROR, WARNING


class Reason(enum.Enum):
    """Why a request was not let through: a closed list.

    The value is the reason in words, as the log has it. A client never learns it.

    Attributes:
        status: the status of the answer. None: a token was refused, and the operator chooses (``failure_status``).
        level: the level of the line in the log, as a number of ``logging``.
        remedy: one sentence that tells the operator what to do, or what to look at.
    """

    _value_: str
    status: int | None
    level: int
    remedy: str

    def __new__(cls, words: str, status: int | None, level: int, remedy: str) -> Reason:
        """Make a reason from one row below."""
        reason = object.__new__(cls)
        reason._value_ = words
        reason.status, reason.level, reason.remedy = status, level, remedy
        return reason

    NO_CREDENTIALS = "no credentials", 401, DEBUG, "Nothing to do: the client is asked for a ticket."
    NOT_ASKED = (
        "not asked for a ticket",
        403,
        DEBUG,
        "Nothing to do, unless this client should be asked: challenge_when says that it is not.",
    )
    CONTINUE = "another leg is needed", 401, DEBUG, "Nothing to do: the exchange goes on."
    MALFORMED_HEADER = (
        "malformed header",
        400,
        WARNING,
        "Look at the client, or at a proxy that rewrites the Authorization header.",
    )
    MALFORMED = "malformed", None, WARNING, "Look at the client: what it sends is no token of SPNEGO or Kerberos."
    TOO_LARGE = (
        "token too large",
        431,
        WARNING,
        "Raise max_token_size, and the server's header limit, if the user is in very many groups.",
    )
    WRONG_MECHANISM = (
        "wrong mechanism",
        None,
        WARNING,
        "The client could get no ticket and fell back to NTLM: check that the URL's host name has a service principal "
        "in the KDC and is in the browser's list of trusted sites.",
    )
    REPLAY = (
        "replay",
        None,
        WARNING,
        "The same token came twice: a client or a proxy repeats requests, or somebody replays them; a client that "
        "follows a redirect with its last token gets in with failure_status=401.",
    )
    CLOCK_SKEW = (
        "clock skew",
        None,
        WARNING,
        "Set the clocks of client and server by NTP; Kerberos allows five minutes.",
    )
    EXPIRED = "expired ticket", None, WARNING, "The user needs a new ticket: sign in again, or kinit."
    WRONG_SERVICE = (
        "wrong service principal",
        None,
        WARNING,
        "Check hostname and service against the name clients use; `klist -k` lists the keytab.",
    )
    KEY_VERSION = (
        "key version mismatch",
        None,
        WARNING,
        "Export the keytab again; clients get tickets for the new key once theirs expire.",
    )
    KEY_TYPE = (
        "no key of the ticket's encryption type",
        None,
        WARNING,
        "Export the keytab again, with a key of each type that the KDC has for the service: kadmin's ktadd and Samba's "
        "exportkeytab do so by default, ktpass does with `-crypto All`.",
    )
    FORBIDDEN_ENCRYPTION = (
        "forbidden encryption type",
        None,
        WARNING,
        "This server's Kerberos library does not permit this type: have the KDC make AES keys for the service (Active "
        "Directory: msDS-SupportedEncryptionTypes, then a new password), and export the keytab again; what is "
        "permitted is permitted_enctypes in krb5.conf.",
    )
    UNKNOWN_KEY = (
        "unknown key",
        None,
        WARNING,
        "Export the keytab again: it has no key, or another key, for the ticket's service principal.",
    )
    TRANSIT = (
        "untrusted path between realms",
        None,
        WARNING,
        "The ticket came through a realm that is not configured as trusted: if you trust it, name the realms between "
        "the user's realm and this one under [capaths] in krb5.conf, on the KDCs and here.",
    )
    BAD_PAC = (
        "malformed PAC",
        None,
        WARNING,
        "The KDC has put authorization data into the ticket that the Kerberos library cannot read: update the KDC or "
        "the library; if no KDC of yours made the ticket, somebody else has the service's key: change the key.",
    )
    BAD_BINDINGS = (
        "bad channel bindings",
        None,
        WARNING,
        "Check that certificate is the one that clients see: if it is, the client sends no bindings, or somebody "
        "passes on tickets that were made for another TLS connection.",
    )
    NOT_TLS = (
        "not over TLS",
        403,
        WARNING,
        "Have clients use https; behind a proxy that ends TLS, name its address in trusted_proxies.",
    )
    CROSS_SITE = (
        "cross-site request",
        403,
        WARNING,
        "Another site made a browser send this, or a sandboxed frame did, or a form of this site under "
        "Referrer-Policy: no-referrer on plain HTTP. If the other site is yours, name its origin in trusted_origins. "
        "If it is this very site, have the proxy pass on Host with its port, or set X-Forwarded-Host and be named in "
        "trusted_proxies. A view that other sites may post to takes cross_site='allow', and so does a middleware "
        "around it.",
    )
    HALF_OPEN_LOST = (
        "half-open context lost",
        None,
        WARNING,
        "Exchanges of several legs need a connection of their own up to this server: keep-alive, HTTP/1, and no proxy "
        "that hides the client's port.",
    )
    NOT_AUTHORISED = "not authorised", 403, WARNING, "Nothing to do, unless this user should have access."
    APPLICATION_FAULT = (
        "the application's function failed",
        500,
        ERROR,
        "Mend the function that is named; the users for whom it fails do not get in meanwhile.",
    )
    OVERLOADED = "overloaded", 503, ERROR, "More sign-ins than the workers can take: add processes, or machines."
    TIMED_OUT = (
        "timed out",
        503,
        ERROR,
        "A worker did not answer in time: look for a keytab or replay cache on a storage that hangs.",
    )
    DNS = (
        "DNS does not answer",
        503,
        ERROR,
        "Every sign-in waits for DNS, which is asked for the service's host name: mend the resolver "
        "(/etc/resolv.conf), or set dns_canonicalize_hostname = false under [libdefaults] in krb5.conf.",
    )
    MISCONFIGURED = (
        "server misconfigured",
        500,
        ERROR,
        "Point keytab or KRB5_KTNAME at a readable keytab that holds the service principal, and check hostname and "
        "service; `klist -k` lists what is in a keytab.",
    )
    KRB5_CONF = (
        "krb5.conf unusable",
        500,
        ERROR,
        "Mend the file that is named, or have KRB5_CONFIG name another; the process has to be able to read it, and "
        "every file and folder that it includes.",
    )
    SERVER_FAULT = (
        "server fault",
        500,
        ERROR,
        "Usually the process may not write to the replay cache's folder (KRB5RCACHEDIR) or file (KRB5RCACHENAME), "
        "its disk is full, or the process has too many files open.",
    )
    OTHER = "other", None, WARNING, "Run the server with KRB5_TRACE=/dev/stderr to see what the Kerberos library does."


Times = tuple[float, float]
"""How long a token waited for a thread, and how long GSSAPI took for it, in seconds."""

NO_TIMES: Times = (0.0, 0.0)
"""Those of a request that GSSAPI was not asked about."""


class Refusal(Exception):  # noqa: N818 (it reports a decision, not a fault of the program)
    """Every stage of the decision raises this to refuse a request; ``Sequence`` catches it.

    Attributes:
        reason: why.
        detail: more for the log; it may name principals and files, never a token or a key.
        token: the acceptor's token for the client, if another leg is needed.
        times: how long the check of the token took, as far as it came.
    """

    def __init__(self, reason: Reason, detail: str = "", token: bytes | None = None, times: Times = NO_TIMES) -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail
        self.token = token
        self.times = times
