"""Options are checked where they are given; building a ``Kerberos`` does nothing else."""

from __future__ import annotations

import dataclasses
import os
import socket
from pathlib import Path
from typing import Any

import pytest

from async_kerberos import (
    ConfigurationError,
    HalfOpenLimits,
    Identity,
    Kerberos,
    KerberosError,
    KerberosOptions,
    WorkerLimits,
)
from async_kerberos.options import AllOptions


class Asynchronous:
    async def __call__(self, identity: Identity) -> str:
        raise AssertionError


async def asynchronous(identity: Identity) -> str:
    raise AssertionError


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("service", ""),
        ("service", "HTTP/www"),
        ("service", b"HTTP"),
        ("service", "HT\x01TP"),
        ("hostname", "\udc80"),
        ("hostname", "w\xf6rld.example"),
        ("other_challenges", [" "]),
        ("other_challenges", ["Basic x, Negotiate"]),
        ("service", None),
        ("hostname", ""),
        ("hostname", b"www"),
        ("hostname", 7),
        ("hostname", []),
        ("hostname", ["www", ""]),
        ("hostname", ["www", 7]),
        ("hostname", ["www", "*"]),
        ("hostname", "www.example.test@EXAMPLE.TEST"),
        ("hostname", "HTTP/www.example.test"),
        ("hostname", "*.example.test"),
        ("hostname", "www example"),
        ("hostname", "localhost:8000"),
        ("hostname", "http://localhost"),
        ("keytab", ""),
        ("keytab", b"/etc/krb5.keytab"),
        ("keytab", 7),
        ("keytab", "a\0b"),
        ("max_token_size", 0),
        ("max_token_size", True),
        ("max_token_size", "64k"),
        ("failure_status", 400),
        ("failure_status", "403"),
        ("other_challenges", "Basic"),
        ("other_challenges", [b"Basic"]),
        ("other_challenges", [""]),
        ("other_challenges", ["Basic\r\nSet-Cookie: a=b"]),
        ("other_challenges", ["Negotiate"]),
        ("other_challenges", 7),
        ("username", "local"),
        ("username", None),
        ("username", b"name"),
        ("username", asynchronous),
        ("username", Asynchronous()),
        ("username", "local_name"),
        ("details", {}),
        ("details", True),
        ("clock_skew", -1),
        ("clock_skew", "300"),
        ("clock_skew", True),
        ("clock_skew", None),
        ("clock_skew", float("nan")),
        ("clock_skew", float("inf")),
        ("raw_kerberos", "no"),
        ("raw_kerberos", None),
        ("require_tls", 1),
        ("require_tls", "yes"),
        ("trusted_proxies", "10.0.0.7"),
        ("trusted_proxies", ["proxy.example"]),
        ("trusted_proxies", [10]),
        ("trusted_proxies", [b"10.0"]),
        ("trusted_proxies", ["::ffff:10.0.0.7"]),
        ("failure_status", 401.0),
        ("other_challenges", ["=== nonsense"]),
        ("keytab", "FILE:"),
        ("trusted_proxies", ["10.0.0.7/8"]),
        ("trusted_proxies", ["10.0.0.7:80"]),
        ("trusted_proxies", [None]),
        ("trusted_proxies", ["*"]),
        ("trusted_proxies", 7),
        ("cross_site", True),
        ("cross_site", "deny"),
        ("cross_site", None),
        ("trusted_origins", "https://app.example.com"),
        ("trusted_origins", ["app.example.com"]),
        ("trusted_origins", ["https://app.example.com/"]),
        ("trusted_origins", ["https://*.example.com"]),
        ("trusted_origins", ["https://user@app.example.com"]),
        ("trusted_origins", ["https://bücher.example"]),
        ("trusted_origins", ["https://app.example.com:443000"]),
        ("trusted_origins", ["null"]),
        ("trusted_origins", ["*"]),
        ("trusted_origins", [None]),
        ("trusted_origins", 7),
        ("channel_bindings", True),
        ("channel_bindings", "required"),
        ("channel_bindings", "allow"),  # without certificate
        ("channel_bindings", "require"),
        ("certificate", "server.pem"),  # without channel_bindings
        ("half_open", {"total": 1}),
        ("half_open", None),
        ("workers", 2),
    ],
)
def test_wrong_option(option: str, value: object) -> None:
    """An option that is wrong is refused where it is given, by an error that names it and derives from the base."""
    with pytest.raises(ConfigurationError, match=f"^{option}: ") as caught:
        Kerberos(**{option: value})  # type: ignore[arg-type] # that is the point
    assert caught.value.option == option
    assert isinstance(caught.value, (KerberosError, ValueError))


@pytest.mark.parametrize("value", [7, b"server.pem", "", "a\0b"])
def test_wrong_certificate(value: object) -> None:
    """What cannot name a certificate's file is refused."""
    with pytest.raises(ConfigurationError, match=r"^certificate: must be a path"):
        Kerberos(channel_bindings="allow", certificate=value)  # type: ignore[arg-type] # that is the point


def test_right_options() -> None:
    """All options are taken, and can be read again."""
    kerberos = Kerberos(
        service="HTTP",
        hostname=["a.example", "b.example"],
        keytab=Path("some.keytab"),
        max_token_size=1024,
        failure_status=401,
        other_challenges=['Basic realm="intranet"'],
        raw_kerberos=False,
        require_tls=True,
        trusted_proxies=["10.0.0.7", "2001:db8::/32"],
        half_open=HalfOpenLimits(total=1),
        workers=WorkerLimits(threads=1),
    )
    assert kerberos.hostname == ("a.example", "b.example")
    assert kerberos.other_challenges == ('Basic realm="intranet"',)
    assert kerberos.keytab == Path("some.keytab")


def test_defaults() -> None:
    """The defaults are the documented ones."""
    kerberos = Kerberos()
    assert (kerberos.service, kerberos.hostname, kerberos.keytab) == ("HTTP", None, None)
    assert (kerberos.max_token_size, kerberos.failure_status, kerberos.other_challenges) == (65_536, 403, ())
    assert (kerberos.raw_kerberos, kerberos.require_tls, kerberos.trusted_proxies) == (True, False, ())
    assert (kerberos.channel_bindings, kerberos.certificate) == ("off", None)
    assert (kerberos.half_open, kerberos.workers) == (HalfOpenLimits(), WorkerLimits())


def test_a_caller_keeps_no_hold() -> None:
    """A list that the caller changes afterwards changes nothing here."""
    names, challenges, proxies = ["a.example"], ["Basic"], ["10.0.0.7"]
    kerberos = Kerberos(hostname=names, other_challenges=challenges, require_tls=True, trusted_proxies=proxies)
    for mutable in (names, challenges, proxies):
        mutable.clear()
    assert kerberos.hostname == ("a.example",)
    assert kerberos.other_challenges == ("Basic",)
    assert kerberos.trusted_proxies == ("10.0.0.7/32",)


def test_frozen_and_keyword_only() -> None:
    """A ``Kerberos`` is frozen, takes keywords only, and is equal to itself alone."""
    kerberos = Kerberos()
    with pytest.raises(dataclasses.FrozenInstanceError):
        kerberos.service = "host"  # type: ignore[misc]
    with pytest.raises(TypeError):
        Kerberos("HTTP")  # type: ignore[call-arg] # pyright: ignore[reportCallIssue] # that is the point
    assert kerberos != Kerberos()
    assert len({kerberos, Kerberos()}) == 2


def test_building_does_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Building one looks no name up, reads no keytab and writes no environment."""

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("called while building")

    for name in ("gethostname", "getfqdn", "getaddrinfo"):
        monkeypatch.setattr(socket, name, refuse)
    environ = dict(os.environ)
    Kerberos(keytab="/nowhere/at/all.keytab")
    Kerberos()
    assert dict(os.environ) == environ


def test_typed_options_are_complete() -> None:
    """The types for ``**options`` name each option of ``Kerberos``, and nothing else."""
    options = {field.name for field in dataclasses.fields(Kerberos) if field.init}
    assert set(AllOptions.__annotations__) == options
    assert set(KerberosOptions.__annotations__) == options - {"service", "hostname"}


def test_hostnames_of_an_iterator() -> None:
    """Host names may come from what can be read once; the object, its acceptor and its rules have all of them."""
    # Types allow a sequence alone; at run time, what can be gone through once has always been taken.
    kerberos = Kerberos(hostname=iter(["a.example.test", "b.example.test"]))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    assert kerberos.hostname == kerberos.rules.hostname == ("a.example.test", "b.example.test")
    assert Kerberos(hostname=kerberos.hostname).rules is not kerberos.rules
