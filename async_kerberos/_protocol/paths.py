"""Paths of requests: which of them can be read in one way only.

Servers, proxies, routers and file systems read ``//``, ``/./``, ``/../``, ``%2e``, ``%2f``, ``\\`` and ``;`` each in
their own way. Nothing is normalised here, since a router may not do the same: a path with one of these is doubtful.
"""

from __future__ import annotations

import re
from urllib.parse import unquote

# RFC 3986, section 3.3, without the percent sign and the semicolon.
_PATTERN = re.compile(r"(?:/[A-Za-z0-9\-._~!$&'()+,=:@]*)+")
# A slash or a dot that is encoded: some decode it before they take a path apart, others afterwards.
_ENCODED = re.compile("%2[ef]", re.IGNORECASE)
# What is left of a percent sign was encoded twice, or wrongly. A segment of dots and spaces alone stands for no name.
_DOUBTFUL = re.compile(r"[\x00-\x1f\x7f-\x9f\\;%?#]|//|/[. ]+(?:/|\Z)")


def plain_path(raw: str | bytes | None, path: str, root: str) -> str:
    """The path within the application as the client wrote it, if it can be read in one way only.

    Args:
        raw: the whole path as the client wrote it, encoded; None if the server does not tell.
        path: the same path, decoded: what routers look at, with the part under which the application is mounted.
        root: that part.

    Returns:
        The path after ``root``, not decoded (decoded where ``raw`` is None); empty if it is doubtful.
    """
    if isinstance(raw, bytes):
        raw = raw.decode("latin-1")
    if raw is None:
        raw = path
    # Something in between may have changed the path that routers look at.
    elif path != (_decoded(raw) if "%" in raw else raw) or not raw.isascii():
        return ""
    if not path.startswith("/") or _DOUBTFUL.search(path) or not raw.startswith(f"{root}/"):
        return ""
    return raw[len(root) :]


def _decoded(raw: str) -> str | None:
    try:
        return None if _ENCODED.search(raw) else unquote(raw, errors="strict")
    except UnicodeDecodeError:
        return None


class PathPattern:
    """A path, or all paths below one.

    Args:
        text: such as ``/health``, or ``/static/*``.

    Raises:
        ValueError: the pattern is none, or no path that is not doubtful matches it.
    """

    def __init__(self, text: str) -> None:
        self._subtree = text.endswith("/*")
        path = text[:-1] if self._subtree else text
        if not _PATTERN.fullmatch(path) or _DOUBTFUL.search(path):
            raise ValueError(f"must be paths such as '/health', or '/static/*' for all that is below, not {text!r}")
        if text == "/*":
            raise ValueError("'/*' is every path: then nothing would be guarded")
        self._path = path

    def matches(self, path: str) -> bool:
        """Whether it matches what :func:`plain_path` returns. Case counts.

        ``/static/`` itself is not below ``/static/``: some routers take it for another view's.
        """
        return path == self._path if not self._subtree else path.startswith(self._path) and path != self._path
