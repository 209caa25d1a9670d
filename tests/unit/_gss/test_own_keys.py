"""Which of a keytab's keys are the service's own, and which of them a token asks for."""

from __future__ import annotations

import ctypes
import time
from typing import Any

import pytest

from async_kerberos._gss.keytab import Entry
from async_kerberos._gss.libkrb5 import LibraryError
from async_kerberos._gss.memory_keytab import with_memory_keytab
from async_kerberos._gss.own_keys import OwnKeys

from ...support.tokens import ap_req_for

AES128, AES256 = 17, 18


def entry(principal: str, key: bytes = b"k", version: int = 1, kind: int = AES256) -> Entry:
    name, _, realm = principal.rpartition("@")
    return Entry(tuple(name.split("/")), realm, version, kind, key)


def own(*entries: Entry, spellings: Any = None) -> OwnKeys:
    return OwnKeys(entries, "HTTP", spellings)


def test_which_are_own() -> None:
    """Entries of the service for configured hosts, in whatever case, by realm; each key of a principal once."""
    keys = own(
        entry("host/a.test@R"),
        entry("HTTP/A.Test@R", b"1"),
        entry("HTTP/a.test@R", b"1"),
        entry("HTTP/a.test@R", b"2", 2),
        entry("HTTP/a.test@S", b"3"),
        entry("HTTP/b.test@R"),
        entry("HTTP/a.test/x@R"),
        entry("http/a.test@R"),
        entry("HTTP@R"),
        spellings={"a.test": "a.TEST"},
    )
    found = {name: [(each.version, each.key) for each in its.entries] for name, its in keys.principals.items()}
    assert found == {"HTTP/a.TEST@R": [(1, b"1"), (2, b"2")], "HTTP/a.TEST@S": [(1, b"3")]}


def test_any_host() -> None:
    """Every host of the service, as the keytab spells it first; none that would need escapes, or is empty."""
    odd = [entry(f"HTTP/{name}") for name in ("c\\d@R", "e\nf@R", "@R", "g.test@")]
    keys = own(entry("HTTP/B.test@R"), entry("HTTP/b.test@R", b"2"), *odd)
    assert list(keys.principals) == ["HTTP/B.test@R"]
    assert keys.named("HTTP/b.TEST@R") is keys.principals["HTTP/B.test@R"]
    assert keys.named("HTTP/b.test@S") is None
    assert keys.named("imap/b.test@R") is None


@pytest.mark.parametrize("host", ["a.test", "A.TEST", "n" * 126, "n" * 200])
def test_by_name(host: str) -> None:
    """A token asks for keys by the service's name in it, whatever the case, and by the realm that stands before it."""
    keys = own(entry(f"HTTP/{host.lower()}@R", b"1"), entry(f"HTTP/{host.lower()}@S", b"2"), entry("HTTP/other@R"))
    for realm in ("R", "S"):
        asked = keys.of(ap_req_for("HTTP", host, realm, AES256))
        assert asked is keys.principals[f"HTTP/{host.lower()}@{realm}"]
    # A realm may have been given another name: whose of the keys it is tells the key alone.
    unknown = keys.of(ap_req_for("HTTP", host, "T", AES256))
    assert unknown.principal is None
    assert [each.key for each in unknown.entries] == [b"k", b"2", b"1"]
    one = own(entry(f"HTTP/{host.lower()}@R", b"1"), entry("HTTP/other@S"))
    assert one.of(ap_req_for("HTTP", host, "T", AES256)) is one.principals[f"HTTP/{host.lower()}@R"]


def test_by_type() -> None:
    """For another name it is the keys of the ticket's type: each once, six at most, and the newest first."""
    shared = [entry(f"HTTP/s{number}.test@R", b"shared") for number in range(600)]
    keys = own(*shared, entry("HTTP/x.test@R", b"old", kind=AES128))
    asked = keys.of(ap_req_for("cifs", "a.test", "R", AES256))
    assert (asked.principal, [each.key for each in asked.entries]) == (None, [b"shared"])
    assert keys.of(ap_req_for("cifs", "a.test", "R", AES256)) is asked
    distinct = own(*(entry(f"HTTP/s{number}.test@R", bytes([number])) for number in range(20)))
    assert len(distinct.of(ap_req_for("cifs", "a.test", "R", AES256)).entries) == 6
    versions = [entry(f"HTTP/{name}.test@R", bytes([age]), age) for age in range(1, 10) for name in "ab"]
    newest = own(*versions, entry("HTTP/c.test@R", b"c")).of(ap_req_for("cifs", "a.test", "R", AES256))
    assert [each.key for each in newest.entries] == [b"\x05", b"\x06", b"\x07", b"\x08", b"c", b"\x09"]
    first = next(iter(keys.principals.values()))
    for token in (ap_req_for("cifs", "a.test", "R", 23), b"garbage", b"\x1b\x04HTTP\x1b", b"\x1b\x04HTTP\x1b\x81"):
        assert keys.of(token) is first


@pytest.mark.parametrize("same", ["HTTP/a.test@R", "HTTP/a.test@R{}", "HTTP/a{}.test@R"])
def test_cost(same: str) -> None:
    """Ten times the keys take about ten times as long to sort, whatever they have in common."""

    def seconds(count: int) -> float:
        entries = [entry(same.format(number), number.to_bytes(4, "big"), number) for number in range(count)]
        begun = time.thread_time()
        own(*entries)
        return time.thread_time() - begun

    assert min(seconds(5000) for _ in range(3)) < 40 * min(seconds(500) for _ in range(3))


def test_cost_of_an_unknown_type() -> None:
    """A ticket of a type of which there is no key takes no longer where there are many keys."""
    token = ap_req_for("cifs", "a.test", "R", 23)

    def seconds(keys: OwnKeys) -> float:
        begun = time.thread_time()
        for _ in range(20):
            keys.of(token)
        return time.thread_time() - begun

    few, many = (own(*(entry(f"HTTP/{number}.test@R") for number in range(count))) for count in (2, 10_000))
    assert min(seconds(many) for _ in range(3)) < 5 * min(seconds(few) for _ in range(3))


def test_the_only_one() -> None:
    """Where the service has one principal there is nothing to choose; an exchange goes on with what it began with."""
    keys = own(entry("HTTP/a.test@R"))
    (only,) = keys.principals.values()
    assert keys.of(b"anything") is only
    two = own(entry("HTTP/a.test@R"), entry("HTTP/b.test@R"))
    assert two.of(b"no name", only) is only


def test_credentials_that_are_kept() -> None:
    """However many principals forged tokens name, few have credentials that have to be freed when the file changes."""
    keys = own(*(entry(f"HTTP/h{number}.test@R", b"%d" % number) for number in range(300)))
    for _ in range(2):
        for each in keys.principals.values():
            keys.keep(each, object())
    assert sum(bool(each.idle) for each in keys.principals.values()) == 256
    assert sum(len(each.idle) for each in keys.principals.values()) == 512


def test_key_is_not_shown() -> None:
    """No representation has the key."""
    assert "secret" not in repr(entry("HTTP/a.test@R", b"secret"))


def test_no_classes_are_left() -> None:
    """A key that is added leaves no class behind: to make one takes longer than all the rest."""
    keys = [entry("HTTP/a.test@R", bytes(32), version) for version in range(9)]
    with_memory_keytab(keys, len)
    before = len(ctypes.Structure.__subclasses__())
    with_memory_keytab(keys, len)
    assert len(ctypes.Structure.__subclasses__()) == before


def test_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the library cannot be called, that is said."""
    monkeypatch.setattr("async_kerberos._gss.memory_keytab.loaded_library", lambda: None)
    with pytest.raises(LibraryError, match="cannot be called"):
        with_memory_keytab([entry("HTTP/a.test@R")], len)
