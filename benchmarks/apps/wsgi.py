"""The Flask sites. Each function makes one."""

from __future__ import annotations

from typing import Any

from flask import Flask

from async_kerberos.adapters.flask import init_kerberos, requires_authentication

from . import HELLO, HOSTNAME


def unprotected() -> Flask:
    """Nothing but the greeting."""
    app = Flask(__name__)

    @app.get("/")
    def view() -> str:
        return HELLO

    return app


def decorator() -> Flask:
    """This project's decorator."""
    app = Flask(__name__)
    init_kerberos(app, hostname=HOSTNAME)

    @app.get("/")
    @requires_authentication
    def view(user: str) -> str:
        return HELLO

    return app


def flask_gssapi() -> Flask:
    """Flask-GSSAPI's decorator."""
    from flask_gssapi import GSSAPI

    app = Flask(__name__)
    app.config["GSSAPI_HOSTNAME"] = HOSTNAME
    gssapi: Any = GSSAPI(app)

    def view(username: str) -> str:
        return HELLO

    app.add_url_rule("/", view_func=gssapi.require_auth()(view))
    return app
