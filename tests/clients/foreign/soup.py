"""libsoup 3, by its bindings for the system's Python.

Arguments: the URL, the file with the body, then requests such as "GET /hello".
"""

# pyright: basic, reportMissingImports=false

import sys
from pathlib import Path

import gi

gi.require_version("Soup", "3.0")
from gi.repository import GLib, Soup  # noqa: E402 - its version is chosen first

url, file, *requests = sys.argv[1:]
session = Soup.Session(timeout=30)
session.add_feature_by_type(Soup.AuthNegotiate)
for request in requests:
    method, path = request.split()
    message = Soup.Message.new(method, url + path)
    if method == "POST":
        message.set_request_body_from_bytes("text/plain", GLib.Bytes.new(Path(file).read_bytes()))
    body = session.send_and_read(message, None).get_data()
    print(int(message.get_status()), "-", body.decode())
