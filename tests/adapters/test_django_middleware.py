"""``KerberosRemoteUserMiddleware``: Django's user is whom a middleware around the application has let in."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest

from async_kerberos import AuthRequest
from async_kerberos.adapters import asgi, wsgi
from async_kerberos.testing import Realm, User

from ..support.deployments import closing_all
from ..support.guards import ThreadGuard
from ..support.http import Connection, Response
from ..support.initiator import Initiator, fresh, reply_token
from ..support.servers import Hypercorn, Server, Uvicorn, Werkzeug
from .django_site import ASKING, DJANGOS_OWN, KERBEROS, OF_A_FEW, REMOTE_USERS, SYNC, application
from .support import HOST

NAMES = ["Remote-User", "remote-user", "Remote_User", "REMOTE_USER", "Remote.User", "X-Remote-User", "Http-Remote-User"]
CLAIMS = [(name, "bob") for name in NAMES]

SERVERS: dict[str, Any] = {"uvicorn": Uvicorn, "hypercorn": Hypercorn, "werkzeug": Werkzeug}


class Site:
    """The application as it is: below a middleware where the path begins with ``/in``, and by itself elsewhere."""

    def __init__(self, interface: str, middlewares: list[str], backend: str = REMOTE_USERS, **options: Any) -> None:
        self.app = application(interface, middlewares, backend)
        middleware: Any = asgi.KerberosMiddleware if interface == "asgi" else wsgi.KerberosMiddleware
        self.protected = middleware(self.app, hostname=HOST, **options)

    async def asgi(self, scope: Any, receive: Any, send: Any) -> None:
        inside = scope["path"].startswith("/in")
        scope = {**scope, "path": scope["path"].removeprefix("/in")}
        await (self.protected if inside else self.app)(scope, receive, send)

    def wsgi(self, environ: Any, start_response: Any) -> Any:
        path: str = environ["PATH_INFO"]
        app = self.protected if path.startswith("/in") else self.app
        return app({**environ, "PATH_INFO": path.removeprefix("/in")}, start_response)


def ask(server: Server, path: str, authorization: str | None = None, fields: Any = ()) -> Response:
    with Connection(server.address) as connection:
        return connection.request(path, authorization, fields=list(fields))


@pytest.fixture(
    scope="module",
    params=[
        *[("uvicorn", [KERBEROS]), ("uvicorn", [KERBEROS, SYNC]), ("uvicorn", [SYNC, KERBEROS])],
        *[("hypercorn", [KERBEROS]), ("werkzeug", [KERBEROS])],
    ],
    ids=["uvicorn", "uvicorn-sync-within", "uvicorn-sync-around", "hypercorn", "werkzeug"],
)
def server(request: pytest.FixtureRequest, thread_guard: ThreadGuard) -> Generator[Server, None, None]:
    """A server with the site."""
    name, middlewares = request.param
    interface = "wsgi" if name == "werkzeug" else "asgi"
    with (
        closing_all(),
        SERVERS[name](getattr(Site(interface, middlewares), interface), threads=thread_guard) as running,
    ):
        yield running


@pytest.mark.parametrize("path", ["sync", "async"])
def test_user(server: Server, user: str, path: str) -> None:
    """Django's user is the one who has the ticket, whatever a client's headers say; a stranger gets no further."""
    for claims in ([], CLAIMS, CLAIMS * 2):
        refused = ask(server, f"/in/{path}", None, claims)
        assert (refused.status, refused.challenges) == (401, ["Negotiate"])
        initiator = Initiator()
        response = ask(server, f"/in/{path}", initiator.header, claims)
        assert (response.status, response.text) == (200, user)
        initiator.verify(reply_token(response.challenges))


@pytest.mark.parametrize("path", ["sync", "async"])
def test_nobody(server: Server, user: str, path: str) -> None:
    """Where no middleware stands around it nobody is signed in, by a header least of all; nor by an earlier session."""
    assert ask(server, f"/{path}", None, CLAIMS).text == ""
    session = ask(server, f"/in/{path}", fresh()).values("set-cookie")[0].partition(";")[0]
    assert ask(server, f"/{path}", None, [("Cookie", session), *CLAIMS]).text == ""


@pytest.fixture(scope="module")
def bob(realm: Realm) -> User:
    """Another user with a ticket."""
    return realm.user("bob-of-django")


@pytest.mark.parametrize("path", ["sync", "async"])
def test_somebody_else(server: Server, user: str, bob: User, path: str) -> None:
    """A session of one user's does not make a user of another's ticket, and goes on with one of the same user's."""
    session = ask(server, f"/in/{path}", fresh()).values("set-cookie")[0].partition(";")[0]
    for ticket, expected in ((fresh(ccache=bob.ccache), bob.principal), (fresh(), user)):
        response = ask(server, f"/in/{path}", ticket, [("Cookie", session)])
        assert (response.status, response.text) == (200, expected)


@pytest.mark.parametrize("interface", ["asgi", "wsgi"])
@pytest.mark.parametrize("middlewares", [[ASKING, KERBEROS], [ASKING, KERBEROS, SYNC]], ids=["async", "mixed"])
def test_who_was_asked_for_before(
    user: str, bob: User, interface: str, middlewares: list[str], thread_guard: ThreadGuard
) -> None:
    """Whom a middleware further out has found in a session is not whom the view finds, by either way of asking."""
    with closing_all(), serve(Site(interface, middlewares), interface, thread_guard) as server:
        session = ask(server, "/in/sync", fresh(ccache=bob.ccache)).values("set-cookie")[0].partition(";")[0]
        for path in ("/in/sync", "/in/async"):
            assert ask(server, path, fresh(), [("Cookie", session)]).text == user
        for path in ("/sync", "/async"):
            assert ask(server, path, None, [("Cookie", session)]).text == ""


@pytest.mark.parametrize("interface", ["asgi", "wsgi"])
def test_session_by_password(user: str, realm: Realm, interface: str, thread_guard: ThreadGuard) -> None:
    """A session that was begun by a password does not outlast a ticket of somebody else, whom Django refuses even."""
    dave = realm.user(f"dave-of-{interface}")
    with closing_all(), serve(Site(interface, [KERBEROS], OF_A_FEW), interface, thread_guard) as server:
        session = ask(server, "/by-password").values("set-cookie")[0].partition(";")[0]
        assert ask(server, "/sync", None, [("Cookie", session)]).text == "carol"
        for path in ("/in/sync", "/in/async"):
            assert ask(server, path, fresh(ccache=dave.ccache), [("Cookie", session)]).text == ""


def _is_open(request: AuthRequest) -> bool:
    return request.path in ("/sync", "/async")


@pytest.mark.parametrize("options", [{"exempt": _is_open}, {"optional": True}], ids=["exempt", "optional"])
@pytest.mark.parametrize("interface", ["asgi", "wsgi"])
def test_nobody_has_to_sign_in(user: str, interface: str, options: Any, thread_guard: ThreadGuard) -> None:
    """Without a ticket nobody is signed in there, and the session goes on; one by a password is Django's own matter."""
    site = Site(interface, [KERBEROS], **options)
    with closing_all(), serve(site, interface, thread_guard) as server:
        session = ask(server, "/in/who", fresh()).values("set-cookie")[0].partition(";")[0]
        by_password = ask(server, "/by-password").values("set-cookie")[0].partition(";")[0]
        for path in ("/in/sync", "/in/async"):
            response = ask(server, path, None, [("Cookie", session), *CLAIMS])
            assert (response.status, response.text, response.values("set-cookie")) == (200, "", [])
            assert ask(server, path, None, [("Cookie", by_password)]).text == "carol"
            assert ask(server, path).text == ""
        assert ask(server, "/in/who", fresh(), [("Cookie", session)]).text == f"{user} {user}"


def test_header_is_what_it_says(server: Server, user: str) -> None:
    """The variable of the header, too, names the user or nobody."""
    assert ask(server, "/in/who", fresh(), CLAIMS).text == f"{user} {user}"
    assert ask(server, "/who", None, CLAIMS).text == " None"


def test_djangos_own(user: str, thread_guard: ThreadGuard) -> None:
    """With Django's own middleware in its place a header makes a user of anybody, so the tests above could fail."""
    with closing_all(), Uvicorn(Site("asgi", [DJANGOS_OWN]).asgi, threads=thread_guard) as server:
        assert ask(server, "/who", None, [("Remote-User", "bob")]).text == "bob bob"


def serve(site: Site, interface: str, threads: ThreadGuard) -> Server:
    """A server of the interface with the site."""
    kind: type[Uvicorn | Werkzeug] = Uvicorn if interface == "asgi" else Werkzeug
    return kind(getattr(site, interface), threads=threads)


@pytest.mark.parametrize("interface", ["asgi", "wsgi"])
def test_username(user: str, interface: str, thread_guard: ThreadGuard) -> None:
    """``username`` says what Django calls the user."""
    with closing_all(), serve(Site(interface, [KERBEROS], username="name"), interface, thread_guard) as server:
        assert ask(server, "/in/sync", fresh()).text == "alice"
