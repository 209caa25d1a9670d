"""Whether a client without a ticket is asked for one, by both doors."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Sequence
from typing import Any

import anyio
import pytest

from async_kerberos import AuthRequest, ConfigurationError, Denied, Kerberos, Reason, not_for
from async_kerberos._protocol.forwarded import client_address

from ...support.asking import auth_request

BASIC = 'Basic realm="intranet"'
PROXY = ("10.0.0.7", 4711)

Door = Callable[[Kerberos, AuthRequest], object]


def on_thread(kerberos: Kerberos, request: AuthRequest) -> object:
    """By the blocking door."""
    return kerberos.authenticate_blocking(request)


def on_loop(kerberos: Kerberos, request: AuthRequest) -> object:
    """By that of event loops."""
    return anyio.run(kerberos.authenticate, request)


def on_trio(kerberos: Kerberos, request: AuthRequest) -> object:
    """As that, on trio."""
    return anyio.run(kerberos.authenticate, request, backend="trio")


DOORS = pytest.mark.parametrize("door", [on_thread, on_loop, on_trio])


def ask(door: Door, request: AuthRequest, **options: Any) -> Denied:
    """The answer."""
    outcome = door(Kerberos(hostname="www.example.test", **options), request)
    assert isinstance(outcome, Denied)
    return outcome


def challenges(denied: Denied) -> list[str]:
    """The challenges of an answer."""
    return [value for name, value in denied.headers if name == "WWW-Authenticate"]


async def later(request: AuthRequest) -> bool:
    """Asks for one path alone, and has to be awaited."""
    assert not request.authorization
    return request.path == "/asked"


@DOORS
def test_answers(door: Door) -> None:
    """Whom the function answers False is not asked: 403, or 401 with what else there is, and never Negotiate."""
    asked, not_asked = auth_request(("Basic YTpi",), path="/asked"), auth_request(("Basic YTpi",), path="/")
    for failure_status in (401, 403):
        denied = ask(door, asked, challenge_when=later, failure_status=failure_status)
        assert (denied.status, denied.reason, challenges(denied)) == (401, Reason.NO_CREDENTIALS, ["Negotiate"])
        denied = ask(door, not_asked, challenge_when=later, failure_status=failure_status)
        assert (denied.status, denied.reason, challenges(denied)) == (403, Reason.NOT_ASKED, [])
        denied = ask(door, not_asked, challenge_when=later, failure_status=failure_status, other_challenges=[BASIC])
        assert (denied.status, denied.reason, challenges(denied)) == (401, Reason.NOT_ASKED, [BASIC])


@DOORS
def test_faults(door: Door) -> None:
    """What is neither True nor False, or an error, asks nobody and is answered 500."""

    def fails(_: AuthRequest) -> bool:
        raise LookupError("nobody is known here")

    odd: list[Callable[[AuthRequest], Any]] = [fails, lambda _: None, lambda _: 1, lambda _: "no"]
    for function in odd:
        denied = ask(door, auth_request(), challenge_when=function)
        assert (denied.status, denied.reason, challenges(denied)) == (500, Reason.APPLICATION_FAULT, [])


def test_not_asked_with_a_token() -> None:
    """A client that brings a token by itself is answered as any other."""
    denied = ask(on_thread, auth_request(("Negotiate YWJj",)), challenge_when=later)
    assert denied.reason is Reason.MALFORMED


@pytest.mark.parametrize("value", [True, "iPhone", ["iPhone"], {"user_agents": []}])
def test_no_function(value: object) -> None:
    """The option is a function, or None."""
    with pytest.raises(ConfigurationError, match=r"^challenge_when: must be a function"):
        Kerberos(challenge_when=value)  # type: ignore[arg-type] # that is the point


@pytest.mark.parametrize(
    ("agent", "asked"),
    [
        (("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X)",), False),
        (("kube-probe/1.31",), False),
        (("Mozilla/5.0", "Kube-Probe/1"), False),
        (("Mozilla/5.0 (X11; Linux x86_64)",), True),
        ((), True),
    ],
)
def test_user_agents(agent: Sequence[str], asked: bool) -> None:
    """A client is known by what its User-Agent contains, whatever the case."""
    request = auth_request(fields={"user-agent": agent} if agent else {})
    assert not_for(user_agents=["iphone", "kube-probe/"])(request) is asked


@pytest.mark.parametrize(
    ("peer", "forwarded", "asked"),
    [
        (("192.0.2.7", 1), (), False),
        (("::ffff:192.0.2.7", 1), (), False),
        (("192.0.3.7", 1), (), True),
        (None, (), True),
        # Nobody but a trusted proxy says for whom it asks.
        (("192.0.2.7", 1), ("198.51.100.1",), False),
        (("198.51.100.1", 1), ("192.0.2.7",), True),
        (PROXY, ("192.0.2.7",), False),
        (PROXY, ("192.0.2.7:80",), False),
        (PROXY, ("[2001:db8::1]:80",), False),
        (PROXY, ("2001:db8::1",), False),
        (PROXY, ("198.51.100.1, 192.0.2.7",), False),
        (PROXY, ("198.51.100.1", "192.0.2.7, 10.0.0.8"), False),
        (PROXY, ("192.0.2.7, 198.51.100.1",), True),
        # Not clear: asked.
        (PROXY, (), True),
        (PROXY, ("unknown",), True),
        (PROXY, ("192.0.2.7, unknown",), True),
        (PROXY, ("192.0.2.7, 10.0.0.7",), True),
        (PROXY, ("10.0.0.8",), True),
        (("10.0.0.7", 0), ("192.0.2.7",), True),
        (PROXY, ("192.0.2.7," * 33,), True),
    ],
)
def test_networks(peer: Any, forwarded: Sequence[str], asked: bool) -> None:
    """A client is known by its address: the peer's, or what a trusted proxy says."""
    rule = not_for(networks=["192.0.2.0/24", "2001:db8::/32"])
    request = auth_request((), peer, fields={"x-forwarded-for": forwarded} if forwarded else {})
    denied = ask(on_thread, request, challenge_when=rule, trusted_proxies=["10.0.0.0/29", "10.0.0.8"])
    assert denied.reason is (Reason.NO_CREDENTIALS if asked else Reason.NOT_ASKED)


def test_without_proxies() -> None:
    """Where no proxy is trusted, the peer alone counts; the option stays the object that was given."""
    rule = not_for(networks=["192.0.2.0/24"])
    request = auth_request((), PROXY, fields={"x-forwarded-for": ["192.0.2.7"]})
    assert rule(request)
    assert Kerberos(challenge_when=rule).challenge_when is rule
    assert client_address(PROXY, ["192.0.2.7"], ["192.0.2.7"], [ipaddress.ip_network("10.0.0.7")]) == "192.0.2.7"


def test_repr() -> None:
    """It shows what it was made of."""
    assert repr(not_for(user_agents=["iPhone"])) == "not_for(user_agents=['iPhone'])"
    rule = not_for(user_agents=("kube-probe/",), networks=["10.0.0.7", "2001:DB8::/32"])
    assert repr(rule) == "not_for(user_agents=['kube-probe/'], networks=['10.0.0.7/32', '2001:db8::/32'])"


@pytest.mark.parametrize(
    ("arguments", "option"),
    [
        ({}, "user_agents"),
        ({"user_agents": "iPhone"}, "user_agents"),
        ({"user_agents": [""]}, "user_agents"),
        ({"user_agents": [" "]}, "user_agents"),
        ({"user_agents": [b"iPhone"]}, "user_agents"),
        ({"networks": "10.0.0.7"}, "networks"),
        ({"networks": ["10.0.0.7/8"]}, "networks"),
        ({"networks": ["::ffff:10.0.0.7"]}, "networks"),
        ({"networks": [None]}, "networks"),
    ],
)
def test_wrong_arguments(arguments: dict[str, Any], option: str) -> None:
    """What is wrong is refused when it is given."""
    with pytest.raises(ConfigurationError, match=f"^{option}: "):
        not_for(**arguments)
