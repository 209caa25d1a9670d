"""The views of the contract that are the same on Flask and on Quart, but for two helpers of the framework."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import OWN_CHALLENGE, OWN_HEADERS, TeapotError

Action = Callable[[str], Any]


def hello(user: str) -> str:
    return user


def actions(redirect: Callable[[str], object], abort: Callable[[int], object]) -> dict[str, Action]:
    """The views with an answer that needs no framework but for these helpers, by path.

    Args:
        redirect: the framework's ``redirect``.
        abort: the framework's ``abort``.
    """

    def redirected(user: str) -> Any:
        return redirect("/hello")

    def missing(user: str) -> Any:
        abort(404)

    def teapot(user: str) -> Any:
        raise TeapotError

    def both(user: str) -> Any:
        return user, 200, OWN_HEADERS

    def again(user: str) -> Any:
        return "again", 401, {"WWW-Authenticate": OWN_CHALLENGE}

    def raised_again(user: str) -> Any:
        abort(401)

    return {
        "/redirect": redirected,
        "/missing": missing,
        "/teapot": teapot,
        "/both": both,
        "/again": again,
        "/raised-again": raised_again,
    }
