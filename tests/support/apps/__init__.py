"""The application of the contract suite, once for each adapter.

Every one has the same routes, so that one test speaks for all:

=====================  =========================================================
``/hello``             200, the principal; GET, HEAD, POST and OPTIONS
``/echo``              POST: 200, the body that came
``/who``               200, JSON: what each place that has the identity says
``/stream``            200, the principal in pieces
``/redirect``          302
``/missing``           404, raised as the framework's HTTP error
``/teapot``            418, made by a handler of the view's own exception
``/both``              200, with headers of the view's own: :data:`OWN_HEADERS`
``/again``             401, returned, with a challenge of the view's own
``/raised-again``      401, raised
``/ws``                a WebSocket: the principal, then the end
``/ws-own``            as ``/ws``, but accepted with headers of the view
``/ws-who``            as ``/ws``, but with the JSON of ``/who``
``/maybe``             where nobody has to sign in, GET and POST: the principal,
                       or :data:`NOBODY`
``/ws-maybe``          a WebSocket likewise
=====================  =========================================================
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from async_kerberos import Identity

Options = Mapping[str, Any]
"""Options of ``init_kerberos`` and of ``Kerberos``."""

NOBODY = "nobody"

MAYBE = ("/maybe", "/ws-maybe")

OWN_CHALLENGE = 'Basic realm="own"'

OWN_HEADERS = {"WWW-Authenticate": OWN_CHALLENGE, "Cache-Control": "max-age=60", "Vary": "Accept"}


def given(options: Options | None) -> dict[str, Any]:
    """The options as keywords; none where the application configures nothing."""
    return dict(options or {})


FACTS = frozenset({"service", "mechanism", "method", "until", "local_name"})
"""What :func:`facts` tells."""


def facts(identity: Identity) -> dict[str, str]:
    """What an identity has beside the principal, for ``/who``."""
    return {
        "service": identity.service_principal,
        "mechanism": identity.mechanism,
        "method": identity.method,
        "until": "" if identity.until is None else identity.until.isoformat(),
        "local_name": str(getattr(identity, "local_name", "not asked for")),
    }


def who_it_is(*places: object) -> str:
    """What each place says that has the user: the principal, or nobody if none of them has one."""
    said = {NOBODY if place is None else str(place) for place in places}
    return " or ".join(sorted(said))


class TeapotError(Exception):
    """What the view of ``/teapot`` raises."""


def pieces(user: str) -> list[bytes]:
    """The body of ``/stream``."""
    return [b"one,", b"two,", user.encode()]
