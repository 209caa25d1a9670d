"""What a completed context has to give beside the principal. Blocks; the option ``details`` says what is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .._protocol.principals import components_of
from ..reasons import Reason
from .diagnosis import of_configuration
from .libkrb5 import BAD_FORMAT, LibraryError, account_of, configuration_files
from .steps import AcquireError

Reader = Callable[[Any, str], object]
"""Reads one field of ``Identity.details``, from the result of ``accept_sec_context`` and the client's principal."""


def local_name(principal: str) -> str | None:
    """The name of a user's account on this host, by the rules ``auth_to_local`` of ``krb5.conf``.

    Args:
        principal: the user's principal, in its text form.

    Returns:
        The name; None if the rules give the user none.

    Raises:
        AcquireError: the library cannot tell.
    """
    components, realm = components_of(principal)
    # The library would cut the name there: of "root\\0x@OTHER" it would make "root". So we do not ask it.
    if any("\0" in part for part in (*components, realm)):
        return None
    try:
        account = account_of(principal)
        return account.decode() if account else None  # a rule may also make an empty name, which nobody has
    except UnicodeDecodeError:
        raise AcquireError(
            Reason.KRB5_CONF, f"{configuration_files()}: auth_to_local makes of {principal} a name that is not UTF-8"
        ) from None
    except LibraryError as error:
        fault = of_configuration()
        if not fault and error.code == BAD_FORMAT:
            fault = f"{configuration_files()}: a rule of auth_to_local, or auth_to_local_names: {error}"
        reason = Reason.KRB5_CONF if fault else Reason.SERVER_FAULT
        raise AcquireError(reason, fault or f"the local name of {principal} cannot be read: {error}") from None


READERS: Mapping[str, Reader] = {"local_name": lambda _, principal: local_name(principal)}
"""The readers that there are, by the name of the field."""
