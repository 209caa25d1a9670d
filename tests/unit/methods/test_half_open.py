"""The store of half-open contexts: its bounds in number, for each peer, and in time."""

import threading
import time

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from async_kerberos import ConfigurationError, HalfOpenLimits
from async_kerberos.methods.half_open import HalfOpenStore
from async_kerberos.request import Peer

from ...support.clocked import Clock
from ...support.forks import fork_and_run
from ...support.held import HANG, HeldCall
from ...support.waiting import wait_until


def make_store(total: int = 1024, per_peer: int = 8) -> tuple[HalfOpenStore[str], Clock]:
    clock = Clock()
    return HalfOpenStore[str](HalfOpenLimits(total=total, per_peer=per_peer, seconds=30.0), clock), clock


def take(store: HalfOpenStore[str], peer: Peer) -> str | None:
    half_open = store.take(peer)
    return None if half_open is None else half_open.context


def test_defaults() -> None:
    """The limits are 1,024 in all, 8 for one address, 30 seconds."""
    assert HalfOpenLimits() == HalfOpenLimits(total=1024, per_peer=8, seconds=30.0)


def test_taken_once() -> None:
    """A context is given out to the connection it belongs to, and once."""
    store, _ = make_store()
    store.put(("a", 1), "context")
    assert take(store, ("a", 2)) is None
    assert take(store, ("b", 1)) is None
    assert take(store, ("a", 1)) == "context"
    assert take(store, ("a", 1)) is None
    assert len(store) == 0


def test_replaced() -> None:
    """A second context on a connection replaces the first."""
    store, _ = make_store()
    store.put(("a", 1), "old")
    store.put(("a", 1), "new")
    assert len(store) == 1
    assert take(store, ("a", 1)) == "new"


def test_per_peer() -> None:
    """An address that has its number loses its own oldest context, and nobody else's."""
    store, _ = make_store()
    store.put(("victim", 1), "victim")
    for port in range(1, 10):
        store.put(("flood", port), str(port))
    assert len(store) == 9
    assert take(store, ("flood", 1)) is None
    assert take(store, ("flood", 2)) == "2"
    assert take(store, ("victim", 1)) == "victim"


def test_total() -> None:
    """A full store gives up its oldest context."""
    store, _ = make_store(total=3)
    for number in range(4):
        store.put((f"peer{number}", 1), str(number))
    assert len(store) == 3
    assert take(store, ("peer0", 1)) is None
    assert take(store, ("peer3", 1)) == "3"


def test_expiry() -> None:
    """A context is lost thirty seconds after the exchange began, and gives its place back."""
    store, clock = make_store()
    store.put(("a", 1), "first")
    clock.now += 29.9
    assert take(store, ("a", 1)) == "first"
    store.put(("a", 1), "second")
    clock.now += 30.0
    assert take(store, ("a", 1)) is None
    store.put(("a", 2), "third")
    assert len(store) == 1


def test_deadline_of_the_exchange() -> None:
    """A later leg does not lengthen the exchange's time."""
    store, clock = make_store()
    store.put(("a", 1), "first leg")
    store.put(("b", 1), "other")
    clock.now += 20.0
    half_open = store.take(("a", 1))
    assert half_open is not None
    store.put(("a", 1), "second leg", half_open.deadline)
    clock.now += 9.0
    store.put(("b", 1), "other")  # a longer wait ahead of it in the queue must not hide its expiry
    clock.now += 2.0
    assert take(store, ("a", 1)) is None
    assert take(store, ("b", 1)) == "other"


def test_expiry_in_order() -> None:
    """A second leg keeps its first leg's deadline: it expires on time, though another exchange began in between."""
    store, clock = make_store()
    store.put(("a", 1), "first leg")
    clock.now += 20.0
    store.put(("b", 1), "other")
    half_open = store.take(("a", 1))
    assert half_open is not None
    store.put(("a", 1), "second leg", half_open.deadline)
    clock.now += 10.0
    store.put(("c", 1), "late")
    assert len(store) == 2
    store.clear()


def test_expiry_without_anybody() -> None:
    """What expires is dropped though no client ever comes again, by a thread that ends with it."""
    # A busy machine has a second and more to look for the thread.
    store = HalfOpenStore[str](HalfOpenLimits(seconds=2.0))
    before = set(threading.enumerate())
    store.put(("a", 1), "context", time.monotonic() + 1.5)
    store.put(("b", 1), "context")
    (timer,) = set(threading.enumerate()) - before
    wait_until(lambda: len(store) == 0, "everything has expired")
    timer.join(30)
    assert not timer.is_alive()


def test_clear() -> None:
    """A store that is cleared holds nothing, and no thread; it can be used again."""
    store = HalfOpenStore[str](HalfOpenLimits())
    before = set(threading.enumerate())
    for _ in range(2):
        store.put(("a", 1), "context")
        (timer,) = set(threading.enumerate()) - before
        store.clear()
        assert len(store) == 0
        timer.join(30)
        assert not timer.is_alive()
    assert store.take(("a", 1)) is None
    store.clear()


def test_late_timer() -> None:
    """A timer that comes too late to be cancelled leaves what is not its own."""
    store = HalfOpenStore[str](HalfOpenLimits())
    store.put(("a", 1), "context")
    getattr(store, "_expire")()  # noqa: B009 - on a thread that is not the timer's
    assert len(store) == 1
    store.clear()


def test_no_thread_for_the_timer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system has no thread to give, the next call drops what has expired."""
    store, clock = make_store()

    def no_thread(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", no_thread)
        store.put(("a", 1), "context")
    clock.now += 30.0
    assert take(store, ("b", 1)) is None
    assert len(store) == 0
    store.clear()


def test_fork() -> None:
    """A forked child has none of the parent's contexts, waits for no lock of its threads, and drops what expires."""
    store = HalfOpenStore[str](HalfOpenLimits(seconds=0.05, per_peer=1))
    later = time.monotonic() + 600
    store.put(("a", 1), "the parent's", later)
    lock: threading.Lock = getattr(store, "_lock")  # noqa: B009 - a private look that no type checker minds
    held = HeldCall()

    def hold() -> None:
        with lock:
            held()

    def in_child() -> int:
        if len(store) or store.take(("a", 1)) is not None:
            return 1
        for port in (2, 3):
            store.put(("a", port), "the child's")
        if len(store) > 1:
            return 3
        store.clear()
        store.put(("a", 1), "the child's")
        store.put(("b", 1), "the child's", later)
        if take(store, ("b", 1)) != "the child's":
            return 2
        wait_until(lambda: len(store) == 0, "everything has expired")
        return 0

    holder = threading.Thread(target=hold)
    holder.start()
    try:
        assert held.begun.wait(HANG)
        assert fork_and_run(in_child) == 0
    finally:
        held.release()
        holder.join(HANG)
    assert take(store, ("a", 1)) == "the parent's"
    store.clear()


@pytest.mark.parametrize("option", ["total", "per_peer", "seconds"])
@pytest.mark.parametrize("value", [0, -1, True, "1", None, float("nan"), float("inf"), 1e300])
def test_limits_are_checked(option: str, value: object) -> None:
    """A limit that is no positive number is refused, and the message names it."""
    with pytest.raises(ConfigurationError, match=f"half_open.{option}") as caught:
        HalfOpenLimits(**{option: value})  # type: ignore[arg-type] # that is the point
    assert caught.value.option == f"half_open.{option}"


class StoreMachine(RuleBasedStateMachine):
    """The store against a model that keeps everything and a clock."""

    @initialize()
    def start(self) -> None:
        self.store, self.clock = make_store(total=4, per_peer=2)
        self.model: dict[Peer, tuple[str, float]] = {}
        self.count = 0

    @rule(address=st.sampled_from("abc"), port=st.integers(1, 3))
    def put(self, address: str, port: int) -> None:
        self.count += 1
        self.store.put((address, port), str(self.count))
        self.model[address, port] = (str(self.count), self.clock.now + 30.0)

    @rule(address=st.sampled_from("abc"), port=st.integers(1, 3))
    def take(self, address: str, port: int) -> None:
        found = take(self.store, (address, port))
        context, deadline = self.model.pop((address, port), ("", 0.0))
        assert found is None or (found == context and deadline > self.clock.now)

    @rule(seconds=st.floats(0.0, 40.0))
    def wait(self, seconds: float) -> None:
        self.clock.now += seconds

    @invariant()
    def is_bounded(self) -> None:
        waiting = getattr(self.store, "_waiting")  # noqa: B009 - a private look that no type checker minds
        assert len(waiting) <= 4
        for address in "abc":
            assert sum(peer[0] == address for peer in waiting) <= 2


TestStoreMachine = StoreMachine.TestCase
TestStoreMachine.settings = settings(max_examples=30, stateful_step_count=25, deadline=None)
