"""What is renewed in a forked child: as far as this process can show it. (The workers' test forks for real.)"""

import gc
import weakref

from async_kerberos import WorkerLimits
from async_kerberos._threads import fork as fork_module
from async_kerberos._threads.workers import Workers


class Owner:
    renewals = 0

    def renew(self) -> None:
        self.renewals += 1


def test_renewed() -> None:
    """Whatever asked for it is renewed, and is not kept alive for that."""
    owner, gone = Owner(), Owner()
    workers = Workers(WorkerLimits(threads=1))
    pool = getattr(workers, "_pool")  # noqa: B009 - private looks that no type checker minds, here and below
    fork_module.renew_after_fork(owner, Owner.renew)
    fork_module.renew_after_fork(gone, Owner.renew)
    reference = weakref.ref(gone)
    del gone
    gc.collect()
    assert reference() is None
    # What os.register_at_fork calls in the child: workers and stores of this process, forgotten, are made anew.
    getattr(fork_module, "_after_fork")()  # noqa: B009 - a private look
    assert owner.renewals == 1
    assert getattr(workers, "_pool") is not pool  # noqa: B009
