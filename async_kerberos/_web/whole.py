"""A whole application of Flask or Quart behind Kerberos: what stands in front of the framework's dispatch.

Frameworks call hooks in the order of their registration, so no hook of ours could be sure to be the first. In front of
the dispatch, only what has to be known runs before: the session is opened, and the request is matched with the rules.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import CellType, FunctionType
from typing import Any, Literal, cast

from .._checks import elements
from .._decision.guard import Guard
from ..errors import ConfigurationError
from .nearest import Protection

Protect = Literal["all"] | None
"""``"all"``: who asks for anything of the application needs a ticket."""

_WHOLE = "async_kerberos.whole"
# Where the decorators are defined that answer a preflight instead of the view.
_CORS = ("flask_cors.decorator", "quart_cors")


@dataclass(frozen=True)
class Whole:
    """What ``protect="all"`` comes to.

    Attributes:
        exempt: texts of rules, as they were registered, that need no ticket; with ``/*`` at the end, all rules that
            begin with the rest.
        protection: what is demanded of all others.
    """

    exempt: tuple[str, ...]
    protection: Protection

    def exempts(self, rule: Any) -> bool:
        """Whether a rule of Werkzeug's needs no ticket; a request that no rule matches needs one."""
        return rule is not None and bool(self.exempting(rule.rule))

    def exempting(self, text: str) -> str:
        """What exempts a rule with this text; empty if nothing does."""
        for name in self.exempt:
            if text.startswith(name[:-1]) if name.endswith("/*") else text == name:
                return name
        return ""


def whole_of(protect: object, exempt: Sequence[str], adapter: str) -> Whole | None:
    """What the two options of ``init_kerberos`` come to.

    Args:
        protect: the option of this name.
        exempt: the option of this name.
        adapter: the adapter's name in events.

    Raises:
        ConfigurationError: an option is wrong.
    """
    if protect not in (None, "all"):
        raise ConfigurationError("protect", f"must be 'all' or None, not {protect!r}")
    names = elements("exempt", exempt, "rules")
    if names and protect is None:
        raise ConfigurationError("exempt", "has no effect without protect='all'")
    checked: list[str] = []
    for name in names:
        if not isinstance(name, str) or not name.startswith("/") or "*" in name.removesuffix("/*"):
            problem = f"must be rules such as '/health', or '/static/*' for all that begin so, not {name!r}"
            raise ConfigurationError("exempt", problem)
        if name == "/*":
            raise ConfigurationError("exempt", "'/*' is every rule: leave protect='all' out instead")
        checked.append(name)
    return None if protect is None else Whole(tuple(checked), Protection(guard=Guard(whole=True, adapter=adapter)))


def protect_whole(app: Any, whole: Whole | None, fronts: Mapping[str, type[Front]], carrier: Any) -> None:
    """Put a front before each of the methods by which an application dispatches. The last call counts.

    Args:
        app: the application.
        whole: what is demanded; None for nothing.
        fronts: what stands in front, by the method's name.
        carrier: the application's carrier.
    """
    installed = _WHOLE in app.extensions
    if whole is None and not installed:
        return
    app.extensions[_WHOLE] = whole
    if not installed:
        carrier.app = _Foremost(carrier.app, app, fronts)


def protected_whole(app: Any) -> Whole | None:
    """What is demanded of the whole application; None for nothing."""
    whole: Whole | None = app.extensions.get(_WHOLE)
    return whole


class _Foremost:
    """Sees to it, with each request, that nothing has been put before the fronts since."""

    def __init__(self, app: Any, application: Any, fronts: Mapping[str, type[Front]]) -> None:
        self.app = app
        self._application = application
        self._fronts = fronts
        self._check()

    def __call__(self, *args: Any) -> Any:
        self._check()
        return self.app(*args)

    def _check(self) -> None:
        methods = cast("dict[str, Any]", vars(self._application))
        for name, front in self._fronts.items():
            if type(methods.get(name)) is not front:
                setattr(self._application, name, front(self._application, name, methods.get(name)))


class Front(ABC):
    """Takes the place of a method by which an application dispatches, and first asks for a ticket.

    Args:
        app: the application.
        name: the method's.
        inner: what the application had there itself; None for its class's, which is looked up with each request.
    """

    def __init__(self, app: Any, name: str, inner: Callable[..., Any] | None) -> None:
        self._app = app
        self._name = name
        self._inner = inner

    @abstractmethod
    def __call__(self, *context: Any) -> Any:
        """Handle one request, with what the framework gives to the method: nothing, or the request's context."""

    def dispatch(self, context: tuple[Any, ...]) -> Any:
        """Let the framework go on."""
        if self._inner is not None:
            return self._inner(*context)
        kind: Any = cast("type[object]", type(self._app))
        return getattr(kind, self._name)(self._app, *context)


class ViewReachedError(Exception):
    """Instead of a view of the application's, while a preflight is answered."""


def preflight_answer(app: Any, request: Any) -> Callable[[], Any] | None:
    """What answers a preflight without any function of the application's; None if nothing does.

    A preflight brings no ticket (Fetch Standard, section 4.8), and without an answer no request follows. No hook is
    called for it: a hook may answer whatever it likes.

    Returns:
        A function that makes the response, or of Quart a coroutine. It raises ``ViewReachedError`` where a view of the
        application's would have to answer.
    """
    rule, fields = request.url_rule, request.headers
    if request.method != "OPTIONS" or rule is None:
        return None
    if "Origin" not in fields or "Access-Control-Request-Method" not in fields:
        return None
    if getattr(rule, "provide_automatic_options", False):
        answer: Callable[[], Any] = app.make_default_options_response
        return answer
    decorator = _without_view(app.view_functions.get(rule.endpoint))
    return None if decorator is None else lambda: decorator(**request.view_args)


def _without_view(view: Any) -> Callable[..., Any] | None:
    """The function that Flask-CORS, or Quart-CORS, has put in a view's place, less the view; None of any other."""
    # By where its code stands: its name and module are the view's.
    if not isinstance(view, FunctionType) or view.__globals__.get("__name__") not in _CORS or not view.__closure__:
        return None
    inner: Any = getattr(view, "__wrapped__", None)
    cells = tuple(CellType(_refuse) if cell.cell_contents is inner else cell for cell in view.__closure__)
    if cells == view.__closure__:
        return None  # it would be called by another way
    return FunctionType(view.__code__, view.__globals__, view.__name__, view.__defaults__, cells)


def _refuse(*_args: object, **_kwargs: object) -> Any:
    raise ViewReachedError
