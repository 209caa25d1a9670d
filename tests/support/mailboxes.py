"""What the tests of mailboxes share."""

from __future__ import annotations

import pytest

from async_kerberos._threads.mailbox import Awaited

BACKENDS = pytest.mark.parametrize("backend", ["asyncio", "trio"])


def awaited_by_nobody() -> Awaited:
    awaited = Awaited()
    awaited.waiter = None
    return awaited
