"""A cache between clients and the site: nobody gets a page that was made for somebody else."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from async_kerberos.testing import Realm, User

from ..support.debs import unpacked
from ..support.deployments import ALL, Running, on
from ..support.http import Address, Connection
from ..support.initiator import fresh
from ..support.servers import Nginx, Server, Uvicorn

SITES = {"asgi-on-uvicorn-h11", "fastapi-async-on-uvicorn-h11", "flask-sync-on-gunicorn", "wsgi-on-gunicorn"}

# What operators write who do not think of users: whatever comes with 200 is kept, one page for each address.
CACHING = """
location / {{
    proxy_pass http://{site};
    proxy_http_version 1.1;
    proxy_cache cache;
    proxy_cache_key $uri;
    proxy_cache_valid 200 10m;
    add_header X-Cache $upstream_cache_status;
}}
"""


def caching(site: Address) -> str:
    """The directives, for a site."""
    assert not isinstance(site, str)
    host, port = site
    return CACHING.format(site=f"{host}:{port}")


@pytest.fixture(scope="session")
def nginx() -> Path:
    """The program. Installed, it would begin to serve."""
    return unpacked("nginx") / "usr" / "sbin" / "nginx"


@pytest.fixture(scope="session")
def bob(realm: Realm) -> User:
    """Another user with a ticket."""
    return realm.user("bob-of-caches")


@pytest.fixture
def cache(nginx: Path, tmp_path: Path, deployed: Running) -> Generator[Server, None, None]:
    """nginx with a cache in front of the site."""
    with Nginx(nginx, tmp_path, caching(deployed.address)) as server:
        yield server


@on([deployment for deployment in ALL if str(deployment) in SITES])
@pytest.mark.parametrize("path", ["/hello", "/both"])
def test_one_page_for_each_user(deployed: Running, cache: Server, user: str, bob: User, path: str) -> None:
    """Behind a cache each user gets their own page, and a stranger none, also where the view lets caches keep it."""
    with Connection(cache.address) as connection:
        fields = [("X-Variant", "")]
        for _ in range(2):
            response = connection.request(path, fresh(), fields=fields)
            assert (response.status, response.text) == (200, user)
            response = connection.request(path, fresh(ccache=bob.ccache), fields=fields)
            assert (response.status, response.text) == (200, bob.principal)
            assert connection.request(path, fields=fields).status == 401


def test_the_cache_does_keep_pages(nginx: Path, tmp_path: Path) -> None:
    """Of a site without sign-in the same cache hands one page to all: it would, if it was not told otherwise."""

    async def site(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"hi"})

    with (
        Uvicorn(site, lifespan="off") as server,
        Nginx(nginx, tmp_path, caching(server.address)) as cache,
        Connection(cache.address) as connection,
    ):
        answers = [connection.request("/hello").values("x-cache") for _ in range(2)]
    assert answers == [["MISS"], ["HIT"]]
