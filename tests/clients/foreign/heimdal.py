"""Heimdal's GSSAPI, loaded beside MIT's, which this process must not have loaded.

Arguments: how it signs in (``spnego``, ``raw``, ``two-legs``), the URL, the file with the body, then requests such as
"GET /hello". With DCE style, an exchange takes two legs, and the second one is the client's.
"""

from __future__ import annotations

import base64
import ctypes
import http.client
import sys
from pathlib import Path
from urllib.parse import urlsplit

# Of RFC 2744, and of Heimdal's gssapi.h for the last one.
COMPLETE, CONTINUE = 0, 1
MUTUAL = 2
DCE_STYLE = 0x1000


class Buffer(ctypes.Structure):
    """A ``gss_buffer_desc``, which is a ``gss_OID_desc`` too but for the type of its length."""

    _fields_ = (("length", ctypes.c_size_t), ("value", ctypes.c_char_p))


class Oid(ctypes.Structure):
    _fields_ = (("length", ctypes.c_uint32), ("elements", ctypes.c_char_p))


class Token(ctypes.Structure):
    _fields_ = (("length", ctypes.c_size_t), ("value", ctypes.c_void_p))


def oid(der: bytes) -> Oid:
    return Oid(len(der), der)


SPNEGO = oid(b"\x2b\x06\x01\x05\x05\x02")
KRB5 = oid(b"\x2a\x86\x48\x86\xf7\x12\x01\x02\x02")
HOSTBASED_SERVICE = oid(b"\x2a\x86\x48\x86\xf7\x12\x01\x02\x01\x04")

KINDS = {"spnego": (SPNEGO, MUTUAL), "raw": (KRB5, MUTUAL), "two-legs": (SPNEGO, MUTUAL | DCE_STYLE)}

gss = ctypes.CDLL("libgssapi.so.3")


class Initiator:
    """One security context, of which no part is freed: the process is about to end."""

    def __init__(self, service: bytes, mechanism: Oid, flags: int) -> None:
        self._context = ctypes.c_void_p()
        self._name = ctypes.c_void_p()
        self._mechanism = mechanism
        self._flags = flags
        self.complete = False
        minor = ctypes.c_uint32()
        text = Buffer(len(service), service)
        major = gss.gss_import_name(
            ctypes.byref(minor), ctypes.byref(text), ctypes.byref(HOSTBASED_SERVICE), ctypes.byref(self._name)
        )
        assert major == COMPLETE, (major, minor)

    def step(self, reply: bytes | None) -> bytes:
        """The next token."""
        minor = ctypes.c_uint32()
        token = Token()
        given = None if reply is None else ctypes.byref(Buffer(len(reply), reply))
        major = gss.gss_init_sec_context(
            ctypes.byref(minor),
            None,
            ctypes.byref(self._context),
            self._name,
            ctypes.byref(self._mechanism),
            ctypes.c_uint32(self._flags),
            ctypes.c_uint32(0),
            None,
            given,
            None,
            ctypes.byref(token),
            None,
            None,
        )
        assert major in (COMPLETE, CONTINUE), (hex(major & 0xFFFFFFFF), minor)
        self.complete = major == COMPLETE
        return ctypes.string_at(token.value, token.length) if token.value else b""


def reply_of(answer: http.client.HTTPResponse) -> bytes:
    return base64.b64decode((answer.getheader("WWW-Authenticate") or "").removeprefix("Negotiate "))


def main() -> None:
    kind, url, file, *requests = sys.argv[1:]
    host, port = urlsplit(url).hostname or "", urlsplit(url).port
    connection = http.client.HTTPConnection(host, port, timeout=30)
    for request in requests:
        method, path = request.split()
        body = Path(file).read_bytes() if method == "POST" else None
        initiator = Initiator(f"HTTP@{host}".encode(), *KINDS[kind])
        token = initiator.step(None)
        status, content, legs = 0, "", 0
        while token:
            legs += 1
            headers = {"Authorization": f"Negotiate {base64.b64encode(token).decode()}"}
            connection.request(method, path, body, headers | ({"Content-Type": "text/plain"} if body else {}))
            answer = connection.getresponse()
            status, content = answer.status, answer.read().decode()
            reply = reply_of(answer)
            token = initiator.step(reply) if reply else b""
        proof = "proved" if initiator.complete and legs == 1 + (kind == "two-legs") else "-"
        print(status, proof, content)


if __name__ == "__main__":
    main()
