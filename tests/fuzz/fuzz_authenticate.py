"""Fuzzes the whole path of a sign-in: ``python -m tests.fuzz.fuzz_authenticate [libFuzzer's arguments]``.

An input is a script of requests to a ``Kerberos`` with a real keytab. Tokens are made afresh, by clients with real
tickets, as the script asks for them, and then changed as it says: so no input goes stale.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..support.initiator import KRB5, MUTUAL, ONE_WAY, SPNEGO, TWO_LEGS, negotiate
from ..support.tokens import (
    NTLMSSP,
    neg_token_init,
    neg_token_resp,
    take_neg_token_init,
    unwrap,
    unwrap_ap_req,
    wrap_ap_req,
)
from .der import Node, take_apart
from .harness import Script, fuzz, instrumented

with instrumented(__name__):
    from async_kerberos import Accepted, HalfOpenLimits
    from async_kerberos.testing import Realm

    from ..support.exchange import Attempt, Clients, Exchange

_MOST_REQUESTS = 16
_LIMITS = HalfOpenLimits(total=3, per_peer=2, seconds=30.0)
_OPTIONS: Sequence[dict[str, Any]] = (
    {},
    {"hostname": "*", "failure_status": 401, "max_token_size": 2_048},
    {"other_challenges": ['Basic realm="fuzz"'], "max_token_size": 1_024},
    {"on_loop": True},
)
_PEERS = (
    ("192.0.2.1", 1),
    ("192.0.2.1", 2),
    ("192.0.2.1", 3),
    ("2001:db8::1", 1),
    ("bad\r\naddress", 1),
    ("192.0.2.2", 1),
    ("192.0.2.1", 0),
    None,
)


def check(clients: Clients, data: bytes) -> None:
    """Fail unless every request of the script is answered as it must be."""
    script = Script(data)
    with Exchange(clients, _LIMITS, **_OPTIONS[script.number() % len(_OPTIONS)]) as exchange:
        run = _Run(exchange, script)
        for _ in range(_MOST_REQUESTS):
            if not script:
                break
            run.step()


class _Run:
    def __init__(self, exchange: Exchange, script: Script) -> None:
        self._exchange = exchange
        self._script = script
        self._sent: list[bytes] = []

    def step(self) -> None:
        steps: tuple[Callable[[], None], ...] = (
            self._begin,
            self._go_on,
            self._replay,
            self._begin_without_token,
            self._begin_in_second_leg,
            self._made_up_token,
            self._made_up_header,
            self._wait,
        )
        steps[self._script.number() % len(steps)]()

    def _begin(self) -> None:
        self._send(self._edit(self._wrap(self._attempt().tokens[0])))

    def _go_on(self) -> None:
        number = self._script.number()
        answered = [attempt for attempt in self._exchange.attempts if attempt.reply is not None]
        token = answered[-1 - number % len(answered)].go_on() if answered else None
        self._send(self._edit(neg_token_resp() if token is None else token))

    def _replay(self) -> None:
        number = self._script.number()
        token = self._sent[-1 - number % len(self._sent)] if self._sent else neg_token_resp()
        self._send(self._edit(self._wrap(token)))

    def _begin_without_token(self) -> None:
        self._send(self._edit(neg_token_init([KRB5])))

    def _begin_in_second_leg(self) -> None:
        self._send(self._edit(neg_token_resp(self._attempt().tokens[0])))

    def _made_up_token(self) -> None:
        self._send(self._script.chunk())

    def _made_up_header(self) -> None:
        self._request(tuple(value.decode("latin-1") for value in self._script.chunk().split(b"\0\0")))

    def _wait(self) -> None:
        self._exchange.clock.now += self._script.number() / 4

    def _attempt(self) -> Attempt:
        number = self._script.number()
        mech = KRB5 if number & 2 else SPNEGO
        flags = (MUTUAL, ONE_WAY, TWO_LEGS, TWO_LEGS)[number >> 2 & 3]
        service = "imap" if number >> 4 & 7 == 7 else "HTTP"
        return self._exchange.attempt(number & 1, service=service, mech=mech, flags=flags)

    def _wrap(self, token: bytes) -> bytes:
        """The same ticket request in another wrapping."""
        kind = self._script.number() % 6
        if not any(attempt.tokens[0] == token for attempt in self._exchange.attempts):
            return token
        inner = token
        if token[0] == 0x60 and unwrap(token)[0] == SPNEGO:
            inner = take_neg_token_init(token)[1] or b""
        bare = inner if inner[0] == 0x6E else unwrap_ap_req(inner)
        init = neg_token_init([KRB5], inner)
        return (token, inner, init, neg_token_init([NTLMSSP, KRB5], inner), bare, wrap_ap_req(bare))[kind]

    def _send(self, token: bytes) -> None:
        if token:
            self._sent.append(token)
        self._request((negotiate(token),))

    def _request(self, authorization: tuple[str, ...]) -> None:
        number = self._script.number()
        peer = _PEERS[number % len(_PEERS)]
        accepted = self._exchange.accepted
        facts: dict[str, Any] = {}
        if number & 0x30 == 0x10:
            facts["exclusive"] = False
        elif number & 0x30 == 0x20:
            facts["fields"] = {"x-forwarded-for": ("192.0.2.1",)}
        earlier = accepted[-1] if accepted and number & 0x40 else None
        outcome = self._exchange.send(authorization, peer, earlier, **facts)
        if isinstance(outcome, Accepted) and number & 0x80:
            # The check of an inner middleware.
            self._exchange.send(authorization, peer, outcome, **facts)

    def _edit(self, token: bytes) -> bytes:
        for _ in range(self._script.number() % 4):
            kind = self._script.number() % 10
            place = self._script.number(2)
            edit = self._edit_bytes if kind < 5 else self._edit_structure
            token = edit(token, kind, place)
        return token

    def _edit_bytes(self, token: bytes, kind: int, place: int) -> bytes:
        place %= len(token) + 1
        before, after = token[:place], token[place:]
        if kind == 0:
            chunk = self._script.chunk()
            return before + chunk + after[len(chunk) :]
        if kind == 1:
            return before + self._script.chunk() + after
        if kind == 2:
            return before + after[self._script.number() :]
        if kind == 3:
            return before + bytes([after[0] ^ 1 << self._script.number() % 8]) + after[1:] if after else before
        return before

    def _edit_structure(self, token: bytes, kind: int, place: int) -> bytes:
        nodes = take_apart(token)
        if not nodes:
            return token
        top = Node(0, children=nodes)
        places = [(node, parent) for node, parent in top.walk() if parent is not None]
        node, parent = places[place % len(places)]
        siblings = parent.children
        position = next(number for number, sibling in enumerate(siblings) if sibling is node)
        if kind == 5:
            node.content, node.children = self._script.chunk(), []
        elif kind == 6:
            del siblings[position]
        elif kind == 7:
            siblings.insert(position, node)
        elif kind == 8:
            node.tag = self._script.number()
        else:
            # Another place's value, as when one ticket is put beside another's authenticator.
            other = self._sent[-1 - self._script.number() % len(self._sent)] if self._sent else token
            others = take_apart(other)
            if others:
                found = [found for found, _ in Node(0, children=others).walk()][1:]
                siblings[position] = found[place % len(found)]
        return b"".join(child.encode() for child in nodes)


def main() -> None:
    """Fuzz, in its own realm."""
    with Realm() as realm, realm.environ():
        clients = Clients(realm, "fuzz")
        fuzz(lambda data: check(clients, data))


if __name__ == "__main__":
    main()
