"""Principals, and patterns of them, in their text form."""

from __future__ import annotations

import pytest

from async_kerberos._protocol.principals import PrincipalPattern, components_of


@pytest.mark.parametrize(
    ("principal", "components", "realm"),
    [
        ("alice@R", ("alice",), "R"),
        ("alice/admin@R", ("alice", "admin"), "R"),
        ("alice", ("alice",), ""),
        (r"a\/b\@c\\@R", (r"a/b@c" + "\\",), "R"),
        (r"a\nb\t\b\0@R", ("a\nb\t\b\0",), "R"),
        ("a@R/S@T", ("a",), "R/S@T"),
        ("/@R", ("", ""), "R"),
        ("a\\", ("a",), ""),
    ],
)
def test_components(principal: str, components: tuple[str, ...], realm: str) -> None:
    """A principal is taken apart where no backslash stands, and its escapes are decoded."""
    assert components_of(principal) == (components, realm)


@pytest.mark.parametrize(
    ("pattern", "principal", "expected"),
    [
        ("alice@R", "alice@R", True),
        ("alice@R", "Alice@R", False),
        ("alice@R", "alice@r", False),
        ("alice@R", "alice/admin@R", False),
        ("alice@R", "alice@R@R", False),
        ("*@R", "alice@R", True),
        ("*@R", "alice/admin@R", False),
        ("*@R", "@R", True),
        ("*@R", "alice@S", False),
        ("*@R", r"alice\@R@S", False),
        ("*/admin@R", "alice/admin@R", True),
        ("*/admin@R", r"alice\/admin@R", False),
        ("*/admin@R", "alice/x/admin@R", False),
        ("*/*@R", "alice/root@R", True),
        ("svc-*@R", "svc-a.b@R", True),
        ("svc-*@R", "svc@R", False),
        ("a.c@R", "abc@R", False),
        (r"\*@R", "*@R", True),
        (r"\*@R", "alice@R", False),
        (r"al\ice@R", "alice@R", True),
        (r"a\/b@R", r"a\/b@R", True),
        (r"a\@b@R\\", r"a\@b@R\\", True),
        (r"a\/b@R", "a/b@R", False),
        ("*@R", r"a\nb@R", True),
        ("alice@R", r"alice\n@R", False),
    ],
)
def test_pattern(pattern: str, principal: str, expected: bool) -> None:
    """An asterisk stands for any characters of one component; all else is itself, and case counts."""
    assert PrincipalPattern(pattern).matches(*components_of(principal)) is expected


@pytest.mark.parametrize("text", ["bob", "*", "bob@", r"bob\@R", ""])
def test_without_realm(text: str) -> None:
    """A pattern names its realm."""
    with pytest.raises(ValueError, match="of which realm"):
        PrincipalPattern(text)


@pytest.mark.parametrize("text", ["a@b@R", "a@R\\", "a@R\\\\\\"])
def test_what_can_match_nothing(text: str) -> None:
    """What is written wrong is refused, since it would match nobody."""
    with pytest.raises(ValueError, match="two unescaped '@', or ends with the backslash"):
        PrincipalPattern(text)


@pytest.mark.parametrize("text", ["bob@*", "*@*.TEST"])
def test_any_realm(text: str) -> None:
    """No pattern is for any realm."""
    with pytest.raises(ValueError, match="asterisk"):
        PrincipalPattern(text)
