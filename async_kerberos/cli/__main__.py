"""``python -m async_kerberos.cli``, for where the command is not on the PATH."""

from . import main

main()
