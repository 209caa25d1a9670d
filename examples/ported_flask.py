"""An intranet of more than 40 routes on Flask, which had Flask-GSSAPI before.

    pip install 'async-kerberos[flask]'
    KRB5_KTNAME=/etc/http.keytab KERBEROS_HOSTNAME=www.example.com python examples/ported_flask.py
    curl --negotiate -u : --resolve www.example.com:8000:127.0.0.1 http://www.example.com:8000/me

Before, each view had its decorator, the same list of users stood in many places, and a view without one was open::

    @app.get("/payroll/salaries")
    @gssapi.require_user("alice@EXAMPLE.COM", "carol@EXAMPLE.COM", username_arg="user")
    def salaries(user): ...

    @app.get("/people/teams")
    @gssapi.require_auth(username_arg="user")
    def teams(user): ...

Now the whole application is protected, but for the rules in ``exempt``; a section says once who may enter it; and views
find the user in ``g``. ``async-kerberos routes`` shows that nothing is open by mistake.

The host name is the one that clients have in their URL, and the keytab must hold its key. Users are of the realm in
``KERBEROS_REALM``, or else of ``EXAMPLE.COM``; others may not enter.
"""

import os
from collections import Counter, defaultdict
from datetime import datetime, timezone
from typing import Any

from flask import Blueprint, Flask, abort, g, redirect, request, session
from flask.typing import ResponseReturnValue
from flask.views import MethodView

from async_kerberos import Access, AuthRequest, Event, Identity
from async_kerberos.adapters.flask import init_kerberos, requires_authentication

REALM = os.environ.get("KERBEROS_REALM", "EXAMPLE.COM")
SECTIONS = {
    "work": ("news", "projects", "documents", "meetings", "rooms", "tasks", "minutes"),
    "people": ("employees", "teams", "holidays", "trips"),
    "payroll": ("salaries", "bonuses", "pensions", "expenses"),
    "admin": ("hosts", "accounts", "printers", "backups"),
}
entries: defaultdict[str, list[dict[str, str]]] = defaultdict(list)
sign_ins: Counter[str] = Counter()


def count(event: Event) -> None:
    """A listener: it is told of each attempt to sign in."""
    sign_ins[event.reason.name if event.reason else event.outcome] += 1


app = Flask(__name__)
app.secret_key = os.urandom(32)  # from your settings, where there are several processes
app.config["SESSION_COOKIE_SAMESITE"] = "Lax"
init_kerberos(
    app,
    hostname=os.environ.get("KERBEROS_HOSTNAME", "localhost"),
    protect="all",
    exempt=["/", "/health", "/static/*"],
    access=Access(realms=[REALM]),
    on_event=count,
)


class Entries(MethodView):
    """All entries of one kind, and a new one."""

    def get(self, kind: str) -> ResponseReturnValue:
        return entries[kind]

    def post(self, kind: str) -> ResponseReturnValue:
        entries[kind].append({"text": request.get_data(as_text=True), "by": g.kerberos_identity.principal})
        return {"number": len(entries[kind])}, 201


def entry(kind: str, number: int) -> dict[str, str]:
    if not 0 < number <= len(entries[kind]):
        abort(404)
    return entries[kind][number - 1]


def section(name: str) -> Blueprint:
    blueprint = Blueprint(name, __name__, url_prefix=f"/{name}")
    for kind in SECTIONS[name]:
        blueprint.add_url_rule(f"/{kind}", view_func=Entries.as_view(kind), defaults={"kind": kind})
        blueprint.add_url_rule(f"/{kind}/<int:number>", f"{kind}-entry", entry, defaults={"kind": kind})
    return blueprint


work, people, payroll, admin = map(section, SECTIONS)


def may_write(user: Identity, request: AuthRequest) -> bool:
    """Everybody reads what is of work; alice alone writes. A function of yours may ask a database, and may be async."""
    return request.method in ("GET", "HEAD") or user.principal == f"alice@{REALM}"


@work.before_request
@requires_authentication(authorize=may_write)
def colleagues(user: str) -> None:
    """Flask calls it before each view of the section, and then the view, since this returns nothing."""


@payroll.before_request
@requires_authentication(principals=[f"alice@{REALM}", f"carol@{REALM}"])
def clerks(user: str) -> None:
    """These alone, in place of ``require_user``; a single view is decorated in the same way."""


@admin.before_request
@requires_authentication(principals=[f"*/admin@{REALM}"])
def administrators(user: str) -> None:
    """Everybody who has a principal for this, such as ``bob/admin``."""


@admin.get("/sign-ins")
def counted() -> ResponseReturnValue:
    return dict(sign_ins)


@app.get("/")
@requires_authentication(optional=True)
def home(user: str | None) -> str:
    """For everybody. Browsers bring no ticket unasked, so ``/sign-in`` asks, and the session remembers."""
    until: datetime | None = session.get("until")
    if until and until > datetime.now(timezone.utc):
        user = user or session["user"]
    return f"Hello, {user}\n" if user else '<a href="/sign-in">Sign in</a>\n'


@app.get("/sign-in")
def sign_in() -> ResponseReturnValue:
    session["user"] = g.kerberos_identity.principal
    session["until"] = g.kerberos_identity.until  # the session ends with the ticket
    return redirect("/")


@app.get("/me")
def me() -> dict[str, Any]:
    identity: Identity = g.kerberos_identity
    return {"principal": identity.principal, "name": identity.name, "until": identity.until}


@app.get("/health")
def health() -> str:
    return "well\n"


@app.errorhandler(401)
def stranger(error: Exception) -> ResponseReturnValue:
    """Only the body counts: the challenge is sent whatever is returned here."""
    return "<h1>Sign in</h1><p>Ask the helpdesk for a ticket.</p>\n"


@app.errorhandler(403)
def denied(error: Exception) -> ResponseReturnValue:
    return "<h1>No entry</h1><p>Ask the owner of this section for access.</p>\n"


for blueprint in (work, people, payroll, admin):
    app.register_blueprint(blueprint)


if __name__ == "__main__":
    app.run(host="127.0.0.1", port=int(os.environ.get("PORT", "8000")))
