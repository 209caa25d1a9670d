"""One decision behind two doors: on a thread, the coroutine never suspends."""

from __future__ import annotations

import base64
from collections.abc import Generator
from typing import Any

import pytest

from async_kerberos import AuthRequest, Identity, Kerberos, Outcome
from async_kerberos._decision.guard import NO_GUARD, Guard
from async_kerberos._threads.waits import OnThread, finish

from ...support.asking import auth_request, found
from ...support.initiator import KRB5
from ...support.tokens import neg_token_init, neg_token_resp

KERBEROS = Kerberos(hostname="www.example.test", keytab="/no/such/keytab", require_tls=True)
ALICE = Identity("alice@X", "HTTP/www.example.test@X")
TOKEN = f"Negotiate {base64.b64encode(neg_token_init([KRB5])).decode()}"
LATER = f"Negotiate {base64.b64encode(neg_token_resp(b'later')).decode()}"
# By the stage that ends the decision.
REQUESTS = {
    "origin": auth_request(method="POST", fields={"origin": ["https://evil.test"]}),
    "transport": auth_request((TOKEN,)),
    "reuse, its own": auth_request((TOKEN,), earlier=found(ALICE, (), KERBEROS, (TOKEN,))),
    "reuse, another's": auth_request((TOKEN,), earlier=found(ALICE, (), Kerberos(), (TOKEN,)), secure=True),
    "no credentials": auth_request(secure=True),
    "header": auth_request(("Negotiate",), secure=True),
    "token": auth_request(("Negotiate QUJD",), secure=True),
    "half-open": auth_request((LATER,), secure=True),
    "step": auth_request((TOKEN,), secure=True),
}


@pytest.mark.parametrize("request_", REQUESTS.values(), ids=REQUESTS)
@pytest.mark.parametrize("guard", [NO_GUARD, Guard(cross_site="allow")], ids=["no guard", "guard"])
def test_no_stage_suspends(request_: AuthRequest, guard: Guard) -> None:
    """Whichever stage ends it, the decision is made when it is begun, by one ``send``."""
    decision = KERBEROS._decision.decide(request_, guard, OnThread())  # pyright: ignore[reportPrivateUsage] (below the doors)
    with pytest.raises(StopIteration) as end:
        decision.send(None)
    outcome: Outcome = end.value.value
    assert outcome == KERBEROS.authenticate_blocking(request_, guard)


class Suspension:
    """What an event loop would have to resume."""

    def __await__(self) -> Generator[None, None, None]:
        yield


def test_suspended() -> None:
    """A stage that waits for a loop where there is none is an error at once, and the coroutine is closed."""
    closed: list[bool] = []

    async def suspend() -> None:
        try:
            await Suspension()
        finally:
            closed.append(True)

    with pytest.raises(RuntimeError, match="event loop"):
        finish(suspend())
    assert closed == [True]


def test_what_is_raised() -> None:
    """What the coroutine raises goes to the caller."""

    async def fail() -> Any:
        raise LookupError("no")

    with pytest.raises(LookupError, match="no"):
        finish(fail())
