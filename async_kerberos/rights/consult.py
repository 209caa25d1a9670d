"""Questions that the application's own functions answer."""

from __future__ import annotations

from collections.abc import Callable

from .._threads.waits import Waits
from ..reasons import Reason, Refusal


async def answer_of(name: str, function: Callable[..., object], *args: object, waits: Waits, about: str = "") -> bool:
    """Ask a function of the application's, which must answer True or False: other objects may be true by accident.

    Args:
        name: the option that the function is.
        function: the function. What it returns is awaited if it can be.
        args: its arguments.
        waits: how it is waited for.
        about: whom the question is about, for the log.

    Raises:
        Refusal: APPLICATION_FAULT. It raised an error, or answered something else.
    """
    whom = f", for {about}" if about else ""
    try:
        answer = await waits.consult(function, *args)
    except Exception as error:
        raise Refusal(Reason.APPLICATION_FAULT, f"{name}{whom}") from error
    if answer is True or answer is False:
        return answer
    what = f"an object of type {type(answer).__name__}, and neither True nor False"
    raise Refusal(Reason.APPLICATION_FAULT, f"{name} returned {what}{whom}")
