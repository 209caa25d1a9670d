"""Which paths can be read in one way only, and which patterns they match."""

from __future__ import annotations

from urllib.parse import unquote

import pytest

from async_kerberos._protocol.paths import PathPattern, plain_path


@pytest.mark.parametrize(
    "raw",
    ["/", "/health", "/health/", "/static/a.js", "/static/..a/b..", "/a:b@c,d=e+f!$&'()*~", "/my%20file", "/caf%C3%A9"],
)
@pytest.mark.parametrize("root", ["", "/app", "/a/b"])
def test_plain(raw: str, root: str) -> None:
    """A path that everybody reads alike is what the client has written, after the part that mounts the application."""
    path = unquote(root + raw)
    assert plain_path(root + raw, path, root) == plain_path((root + raw).encode(), path, root) == raw
    assert plain_path(None, path, root) == unquote(raw)


DOUBTFUL = [
    "//health",
    "/a//b",
    "/a/./b",
    "/a/../b",
    "/a/..",
    "/.",
    "/a/...",
    "/a/.. /b",
    "/ /b",
    "/a;b",
    "/a\\b",
    "/a\tb",
    "/a\x00b",
    "/a\nb",
    "/a\n",
    "/a\x7f",
    "/a\x85b",
    "/a%b",
    "/a%2eb",
    "/a?b",
    "/a#b",
    "a",
    "",
    "*",
    "http://www.example.test/a",
]


@pytest.mark.parametrize("path", DOUBTFUL)
def test_doubtful(path: str) -> None:
    """What some server, proxy, router or file system reads otherwise than others is doubtful, decoded or not."""
    encoded = "".join(f"%{byte:02x}" for byte in path.encode())
    for raw in (path, encoded, encoded.upper(), None):
        assert plain_path(raw, path, "") == ""


@pytest.mark.parametrize(
    "raw",
    [
        "/a%2fb",
        "/a%2Fb",
        "/a%2eb",
        "/a%2E",
        "/a%5cb",
        "/a%3bb",
        "/a%25b",
        "/a%0a",
        "/a%zz",
        "/a%",
        "/a%c0%ae",
        "/a%ff",
        "/café",
        "/cafÃ",
    ],
)
def test_encoded(raw: str) -> None:
    """What is encoded and should not be is doubtful, and so is what cannot be decoded, or is not ASCII."""
    assert plain_path(raw, unquote(raw), "") == ""
    assert plain_path(raw.encode(), unquote(raw), "") == ""


@pytest.mark.parametrize(
    ("raw", "path", "root"),
    [
        ("/health", "/secret", ""),  # something in between has changed what routers look at
        ("/HEALTH", "/health", ""),
        (b"", "/health", ""),  # the server does not tell
        ("/health", "/app/health", "/app"),
        ("/app/health", "/health", "/app"),
        ("/health", "/health", "/app"),
        ("/xxx/health", "/xxx/health", "/app"),
        ("/application", "/application", "/app"),
        ("/app", "/app", "/app"),
        ("/app/health", "/app/health", "/app/"),
        ("/app/health", "/app/health", "app"),
        ("/%61pp/health", "/app/health", "/app"),
        ("/health", "/health", "/"),
    ],
)
def test_root_and_changes(raw: str | bytes, path: str, root: str) -> None:
    """A path that does not begin with its root, or is not the one that routers look at, is doubtful."""
    assert plain_path(raw, path, root) == ""


@pytest.mark.parametrize(
    ("pattern", "matching", "others"),
    [
        ("/", ["/"], ["/a", ""]),
        ("/health", ["/health"], ["/", "/Health", "/health/", "/healthy", "/health/more", "/a/health", ""]),
        ("/health/", ["/health/"], ["/health", "/health/more"]),
        ("/static/*", ["/static/a", "/static/a/b", "/static/*"], ["/static", "/static/", "/staticky", "/STATIC/a", ""]),
        ("/a.b/*", ["/a.b/c"], ["/aXb/c"]),
    ],
)
def test_patterns(pattern: str, matching: list[str], others: list[str]) -> None:
    """A pattern is one path, or all that is below one. Case counts."""
    matches = PathPattern(pattern).matches
    assert [path for path in (*matching, *others) if matches(path)] == matching


@pytest.mark.parametrize(
    "text",
    [
        "",
        "health",
        "*",
        "/*",
        "/a*",
        "/a/*/b",
        "/a/**",
        "//a",
        "/a//b",
        "/a/../b",
        "/./a",
        "/a;b",
        "/a%20b",
        "/a b",
        "/é",
        "/a?b",
        "/a#b",
        "/a\\b",
        "/a\n",
        "/a/\n*",
        "http://x/a",
        "/a//*",
        "/../*",
    ],
)
def test_wrong_patterns(text: str) -> None:
    """What no plain path could match is no pattern, and neither is what all match."""
    with pytest.raises(ValueError, match=r"must be paths such as|is every path"):
        PathPattern(text)
