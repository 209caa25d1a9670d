"""The command ``async-kerberos``. It needs the extra ``cli``; its subcommand ``demo`` needs the extra ``demo``."""

import signal
import sys

__all__ = ["main"]


def main() -> None:
    """Run the command with the arguments of this process, and end the process with its status."""
    try:
        # Imported here, so that a missing extra and an early Ctrl-C end without a traceback.
        from ._commands import cli

        cli(prog_name="async-kerberos")
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in ("click", "rich"):
            raise
        sys.exit(f"async-kerberos: the command needs {missing}, which is missing: pip install 'async-kerberos[cli]'")
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
