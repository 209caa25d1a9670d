"""Flask: decorators in their places and out of them, classes, hooks, blueprints."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from flask import Blueprint, Flask
from flask.views import MethodView, View

from async_kerberos.adapters.flask import init_kerberos, requires_authentication

from ...support import HOSTNAME

app: Any = Flask(__name__)
init_kerberos(app, hostname=HOSTNAME)


def wrapping(view: Callable[..., Any]) -> Callable[..., Any]:
    """A decorator of the application's that calls the view."""

    @functools.wraps(view)
    def wrapper(**kwargs: object) -> Any:
        return view(**kwargs)

    return wrapper


def plain(**_: object) -> str:
    return "open"


@requires_authentication
def right(user: str, /, **_: object) -> str:
    return user


@requires_authentication(optional=True)
def invited(user: str | None) -> str:
    return user or "open"


@functools.wraps(right)
def trap(**_: object) -> str:
    """It has all attributes of a guarded view, and never calls it."""
    return "open"


def cached(**_: object) -> str:
    """As above, without functools.wraps."""
    return _kept.get("", "open") or str(_behind())


def _make() -> tuple[Callable[..., str], dict[str, str]]:
    kept: dict[str, str] = {}
    view = right

    def closing(**_: object) -> str:
        return kept.get("", "open") or str(view())

    return closing, kept


_behind: Any = right
_kept: dict[str, str] = {}
closing, _ = _make()


class Mixed(MethodView):
    @requires_authentication
    def get(self, user: str) -> str:
        return user

    def post(self) -> str:
        return "open"

    delete = post


class Decorated(MethodView):
    decorators = [requires_authentication]  # noqa: RUF012 - as the framework has it

    def get(self, user: str) -> str:
        return user


class Wrapped(MethodView):
    decorators = [wrapping]  # noqa: RUF012 - as the framework has it

    @requires_authentication
    def get(self, user: str) -> str:
        return user


class Dispatching(MethodView):
    @requires_authentication
    def get(self, user: str) -> str:
        return user

    def dispatch_request(self, **_: Any) -> Any:
        return "open"


class Whole(View):
    @requires_authentication
    def dispatch_request(self, user: str) -> str:
        return user


class Plain(View):
    def dispatch_request(self) -> str:
        return "open"


class CalledView:
    @requires_authentication
    def __call__(self, user: str) -> str:
        return user


class CalledPlain:
    def __call__(self) -> str:
        return "open"


def add(path: str, view: Any, **options: Any) -> None:
    app.add_url_rule(path, path.strip("/"), view, **options)


# What decorates above the route is not what is registered.
above = requires_authentication(app.get("/above")(lambda user="open": user))

add("/right", right)
add("/invited", invited)
add("/forgotten", plain)
add("/with/<int:number>", right)
add("/trap", trap)
add("/wrapped", wrapping(right))
add("/closing", closing)
add("/cached", cached)
add("/partial", functools.partial(right))
add("/own", right, methods=["GET", "OPTIONS", "POST"])
add("/mixed", Mixed.as_view("mixed"))
add("/decorated", Decorated.as_view("decorated"))
add("/wrapped-class", Wrapped.as_view("wrapped-class"))
add("/dispatching", Dispatching.as_view("dispatching"))
add("/whole", Whole.as_view("whole"))
add("/plain", Plain.as_view("plain"))
add("/called", CalledView())
add("/called-plain", CalledPlain())
app.add_url_rule("/never", "never", build_only=True)
app.add_url_rule("/nowhere", "nowhere", redirect_to="/right")

inner, outer, other = (Blueprint(name, __name__) for name in ("inner", "outer", "other"))
outer.before_request(lambda: None)


@outer.before_request
@requires_authentication
def hook(user: str) -> None:
    pass


@other.before_request
@wrapping
@requires_authentication
def wrapped_hook(user: str) -> None:
    pass


for blueprint in (inner, outer, other):
    blueprint.add_url_rule("/view", "view", plain)
outer.register_blueprint(inner, url_prefix="/inner")
app.register_blueprint(outer, url_prefix="/outer")
app.register_blueprint(other, url_prefix="/other")

FOUND = {
    ("/static/<path:filename>", "GET"): "open",
    ("/above", "GET"): "open",
    ("/right", "GET"): "protected",
    ("/invited", "GET"): "optional",
    ("/forgotten", "GET"): "open",
    ("/with/<int:number>", "GET"): "protected",
    ("/trap", "GET"): "unknown",
    ("/wrapped", "GET"): "unknown",
    ("/closing", "GET"): "unknown",
    ("/cached", "GET"): "open",
    ("/partial", "GET"): "protected",
    ("/own", "GET"): "protected",
    ("/own", "OPTIONS"): "protected",
    ("/own", "POST"): "protected",
    ("/mixed", "GET"): "protected",
    ("/mixed", "POST"): "open",
    ("/mixed", "DELETE"): "open",
    ("/decorated", "GET"): "protected",
    ("/wrapped-class", "GET"): "unknown",
    ("/dispatching", "GET"): "unknown",
    ("/whole", "GET"): "protected",
    ("/plain", "GET"): "open",
    ("/called", "GET"): "protected",
    ("/called-plain", "GET"): "open",
    ("/nowhere", "GET"): "open",
    ("/outer/view", "GET"): "protected",
    ("/outer/inner/view", "GET"): "protected",
    ("/other/view", "GET"): "unknown",
}
