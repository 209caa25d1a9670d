"""The command line: options, exit statuses and error messages."""

from __future__ import annotations

import sys

import click

from .. import __version__
from ..errors import KerberosError
from ._demo import run_demo
from ._routes import show
from ._screen import Screen
from ._server import EXAMPLES, missing_modules
from ._signals import Signalled

_DEFAULT_PORT = 8000


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "-V", "--version", prog_name="async-kerberos")
def cli() -> None:
    """Kerberos sign-in (HTTP Negotiate) for asynchronous Python."""


@cli.command()
@click.argument("framework", type=click.Choice(list(EXAMPLES)), default="starlette")
@click.option(
    "--once", is_flag=True, help="End after the sign-in, with status 0 only if it worked. For scripts and CI."
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    help=(
        "Port of 127.0.0.1 to serve on; 0 takes any free one. "
        f"By default {_DEFAULT_PORT}, and with --once any free one."
    ),
)
def demo(framework: str, once: bool, port: int | None) -> None:
    """Watch a sign-in with a real ticket, in a realm made for it.

    Starts a Kerberos realm on this machine and the example application of FRAMEWORK (by default starlette), signs in,
    and shows every request and answer. Then it prints a curl command to try by hand, and serves until Ctrl-C. Nothing
    outside a temporary folder is touched, and neither a process nor a file stays behind.

    It needs no root, but the programs of MIT Kerberos (on Debian and Ubuntu: apt install krb5-kdc krb5-admin-server
    krb5-user libkrb5-dev).

    Exit status: 0 after a sign-in that worked, 1 after one that did not, 2 for wrong usage, and 128 plus the signal's
    number when a signal ends it; Ctrl-C while it serves is the normal end.
    """
    example = EXAMPLES[framework]
    missing = missing_modules(example)
    if missing:
        raise click.ClickException(
            f"the {example.title} demo needs {' and '.join(missing)}, not installed here: "
            "pip install 'async-kerberos[demo]'"
        )
    if port is None:
        # With --once nobody needs to know the port, and several runs may share a CI machine.
        port = 0 if once else _DEFAULT_PORT
    try:
        run_demo(example, port=port, once=once, screen=Screen())
    except KerberosError as error:
        raise click.ClickException(str(error)) from error
    except Signalled as signalled:
        sys.exit(128 + signalled.number)


@cli.command()
@click.argument("application", metavar="MODULE:APP")
@click.option("--factory", is_flag=True, help="APP is a function that makes the application: call it.")
@click.option(
    "--ask",
    "url",
    metavar="URL",
    help=(
        "Also ask a running copy at this URL for each route without parameters, by GET, without credentials, and say "
        "where what came differs from what was found. Views that are open run then."
    ),
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
def routes(application: str, factory: bool, url: str | None, as_json: bool) -> None:
    """List which routes of an application are open.

    Imports MODULE from the current folder, or from where Python looks, and calls nothing of it: what guards a route is
    known by what the decorators, dependencies and middlewares of async-kerberos have noted when they were made. Of
    Flask, Quart, Starlette and FastAPI, also within each other, and behind middlewares.

    
    protected  who asks needs a ticket
    optional   open to strangers: a guard with optional=True
    exempt     open, since exempt names it
    varies     exempt is a function: who asks needs a ticket, or does not
    open       no guard is found: none was put there, or a decorator stands above the route's
    unknown    it cannot be known: something that is not async-kerberos's stands between the route and the guard, say

    Exit status: 0 if no route is open or unknown and, with --ask, nothing differs; 1 if one is, or something differs,
    or the application cannot be imported or asked; 2 for wrong usage.
    """
    try:
        sound = show.run(application, factory=factory, url=url, as_json=as_json, screen=Screen())
    except KerberosError as error:
        raise click.ClickException(str(error)) from error
    sys.exit(0 if sound else 1)
