"""FastAPI: the signed-in user as a dependency, which the OpenAPI document shows.

    pip install 'async-kerberos[fastapi]' uvicorn
    KRB5_KTNAME=/etc/http.keytab KERBEROS_HOSTNAME=www.example.com python examples/fastapi_app.py
    curl --negotiate -u : --resolve www.example.com:8000:127.0.0.1 http://www.example.com:8000/

The host name is the one that clients have in their URL: they ask the KDC for a ticket for ``HTTP/`` and that name, and
the keytab must hold its key. The example listens on this machine only, so ``--resolve`` sends curl there. If you have
no realm, ``async-kerberos demo fastapi`` starts a throwaway one.

Administrators are the ``…/admin`` of the realm in ``KERBEROS_REALM``, or else of the default realm in krb5.conf.
"""

import functools
import os
from typing import Annotated

import gssapi
import uvicorn
from fastapi import Depends, FastAPI, HTTPException
from fastapi.responses import PlainTextResponse

from async_kerberos import Identity
from async_kerberos.adapters.fastapi import KerberosIdentity, init_kerberos

app = FastAPI(title="Kerberos example")
init_kerberos(app, hostname=os.environ.get("KERBEROS_HOSTNAME", "localhost"))

# http://localhost:8000/docs shows a lock beside each route that has this dependency.
User = Annotated[Identity, Depends(KerberosIdentity())]


@app.get("/", response_class=PlainTextResponse)
async def hello(user: User) -> str:
    return f"Hello, {user}\n"


@app.get("/public", response_class=PlainTextResponse)
async def public() -> str:
    return "Everybody may read this.\n"


@functools.cache
def administrators_realm() -> str:
    """``KERBEROS_REALM``, or what the Kerberos library adds to a name that has no realm."""
    anybody = gssapi.Name("anybody", gssapi.NameType.kerberos_principal).canonicalize(gssapi.MechType.kerberos)
    return os.environ.get("KERBEROS_REALM") or Identity(str(anybody)).realm


def administrator(user: User) -> Identity:
    """A dependency on another one: the user, if an administrator. The ticket is checked once for both."""
    name, _, instance = user.name.rpartition("/")
    # Compare the realm too: any realm that yours trusts may have a bob/admin. And `\/` is part of a name.
    if user.realm != administrators_realm() or instance != "admin" or not name or name.endswith("\\"):
        raise HTTPException(403, f"{user} is no administrator")
    return user


@app.get("/admin", response_class=PlainTextResponse)
async def admin(user: Annotated[Identity, Depends(administrator)]) -> str:
    return f"Hello, administrator {user}\n"


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(os.environ.get("PORT", "8000")))
