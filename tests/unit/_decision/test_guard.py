"""The options of one place: nobody has to sign in, or not for some requests; by both doors, on asyncio and trio."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anyio
import pytest

from async_kerberos import Accepted, AuthRequest, ConfigurationError, Denied, Guard, Identity, Kerberos, Outcome, Reason

from ...support.asking import auth_request, found

KERBEROS = Kerberos(hostname="www.example.test")
FOREIGN = {"origin": ["https://evil.test"]}

Door = Callable[[AuthRequest, Guard], Outcome]


def _on_loop(backend: str) -> Door:
    return lambda request, guard: anyio.run(KERBEROS.authenticate, request, guard, backend=backend)


DOORS = pytest.mark.parametrize(
    "door", [KERBEROS.authenticate_blocking, _on_loop("asyncio"), _on_loop("trio")], ids=["thread", "asyncio", "trio"]
)


def reason(outcome: Outcome) -> Reason | None:
    """Why nobody gets in; None if somebody does."""
    return outcome.reason if isinstance(outcome, Denied) else None


@DOORS
def test_optional(door: Door) -> None:
    """Nobody gets in as nobody, and without anything for the response; a token is looked at as ever."""
    optional = Guard(optional=True)
    for authorization in ((), ("Basic YTpi",), ("",)):
        outcome = door(auth_request(authorization), optional)
        assert outcome == Accepted(None)
        assert isinstance(outcome, Accepted)
        assert (outcome.principal, outcome.username, outcome.authorization, outcome.exempt) == (None, "", (), False)
        assert reason(door(auth_request(authorization), Guard())) is Reason.NO_CREDENTIALS
    assert reason(door(auth_request(("Negotiate YWJj",)), optional)) is Reason.MALFORMED
    assert reason(door(auth_request(("Negotiate YWJj", "Basic YTpi")), optional)) is Reason.MALFORMED_HEADER


@DOORS
def test_optional_and_other_sites(door: Door) -> None:
    """What another site sends without credentials is nobody's; with any, it is refused."""
    for optional in (Guard(optional=True), Guard(optional=True, cross_site="refuse")):
        assert door(auth_request((), fields=FOREIGN, method="POST"), optional) == Accepted(None)
        for authorization in ("Negotiate YWJj", "Basic YTpi"):
            request = auth_request((authorization,), fields=FOREIGN, method="POST")
            assert reason(door(request, optional)) is Reason.CROSS_SITE


def test_optional_keeps_an_earlier_user() -> None:
    """What an earlier check has found holds here as well."""
    earlier = found(Identity("alice@X", "HTTP/www.example.test@X"), (), KERBEROS, ("Negotiate dG9rZW4=",))
    outcome = KERBEROS.authenticate_blocking(auth_request(("Negotiate dG9rZW4=",), None, earlier), Guard(optional=True))
    assert isinstance(outcome, Accepted)
    assert outcome.principal == "alice@X"


@DOORS
def test_exempt_paths(door: Door) -> None:
    """For an exempt path nobody looks at credentials, nor at where the request comes from."""
    exempt = Guard(exempt=["/health", "/static/*"])
    for path in ("/health", "/static/a"):
        for authorization in ((), ("Negotiate YWJj",), ("Negotiate",)):
            request = auth_request(authorization, plain_path=path, path="/x", fields=FOREIGN, method="POST")
            assert door(request, exempt) == Accepted(None, exempt=True)
    for path in ("", "/", "/healthy", "/static/"):
        assert reason(door(auth_request(plain_path=path, path="/health"), exempt)) is Reason.NO_CREDENTIALS


class Falsy:
    """An object that is called, and is false."""

    def __bool__(self) -> bool:
        return False

    async def __call__(self, request: AuthRequest) -> bool:
        return request.plain_path == "/health" and not request.authorization


@DOORS
def test_exempt_function(door: Door) -> None:
    """Only True exempts; False does not, and what is neither, or an error, is answered 500."""
    functions: list[Callable[[AuthRequest], Any]] = [lambda request: request.plain_path == "/health", Falsy()]
    for function in functions:
        guard = Guard(exempt=function)
        assert door(auth_request(("Negotiate YWJj",), plain_path="/health"), guard) == Accepted(None, exempt=True)
        assert reason(door(auth_request(plain_path="/other"), guard)) is Reason.NO_CREDENTIALS

    def fails(_: AuthRequest) -> bool:
        raise LookupError("no such path here")

    odd: list[Callable[[AuthRequest], Any]] = [fails, lambda _: 1, lambda _: "yes", lambda _: None]
    for function in odd:
        assert reason(door(auth_request(plain_path="/health"), Guard(exempt=function))) is Reason.APPLICATION_FAULT


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("optional", "no"),
        ("optional", None),
        ("optional", 1),
        ("whole", "no"),
        ("exempt", "/health"),
        ("exempt", b"/health"),
        ("exempt", None),
        ("exempt", 7),
        ("exempt", ["health"]),
        ("exempt", [b"/health"]),
        ("exempt", ["/*"]),
        ("exempt", ["/health", "/static*"]),
    ],
)
def test_wrong_option(option: str, value: Any) -> None:
    """An option that is wrong is refused where it is given."""
    with pytest.raises(ConfigurationError, match=f"^{option}: "):
        Guard(**{option: value})


def test_a_caller_keeps_no_hold() -> None:
    """A list that the caller changes afterwards changes nothing here; guards are compared by their options."""
    paths = ["/health"]
    guard = Guard(exempt=paths)
    paths.append("/secret")
    assert guard.exempt == ("/health",)
    assert guard == Guard(exempt=["/health"])
    assert hash(guard) == hash(Guard(exempt=["/health"]))
    assert guard != Guard()
