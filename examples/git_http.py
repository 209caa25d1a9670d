"""Git over HTTP: clone, fetch and push for everybody with a ticket. Hooks find the user in ``REMOTE_USER``.

    pip install async-kerberos uvicorn
    git init --bare git/a.git
    KRB5_KTNAME=/etc/http.keytab KERBEROS_HOSTNAME=www.example.com GIT_PROJECT_ROOT=git python examples/git_http.py
    git clone -c http.emptyAuth=true -c http.curloptResolve=www.example.com:8000:127.0.0.1 http://www.example.com:8000/a.git

With ``http.emptyAuth``, which the clone keeps, git signs in by the ticket; else it asks for a password. The host name
is the one that clients have in their URL: they ask the KDC for a ticket for ``HTTP/`` and that name, and the keytab
must hold its key. The example listens on this machine only, so ``http.curloptResolve`` sends git there.
"""

import os
import subprocess
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import anyio
import anyio.abc
import uvicorn
from anyio.streams.buffered import BufferedByteReceiveStream

from async_kerberos.adapters.asgi import KerberosMiddleware

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

# Not `git http-backend`, which has this program run by another process: if that is killed, this one stays.
PROGRAM = f"{subprocess.check_output(['git', '--exec-path'], text=True).strip()}/git-http-backend"
MOST_HEADERS = 64 * 1024  # bytes; git's own program writes a few hundred


def environment(scope: Scope) -> dict[str, str]:
    """What CGI (RFC 3875) says of a request by variables. Of the client's header fields, only those that git needs."""
    fields = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    return {
        **os.environ,
        "GIT_HTTP_EXPORT_ALL": "1",
        "GIT_PROJECT_ROOT": os.environ["GIT_PROJECT_ROOT"],
        "GIT_PROTOCOL": fields.get("git-protocol", ""),
        "PATH_INFO": scope["path"],
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "REQUEST_METHOD": scope["method"],
        "CONTENT_TYPE": fields.get("content-type", ""),
        "CONTENT_LENGTH": fields.get("content-length", ""),  # empty for a chunked body: git reads it to its end
        "HTTP_CONTENT_ENCODING": fields.get("content-encoding", ""),
        "REMOTE_ADDR": scope["client"][0] if scope["client"] else "",
        "REMOTE_USER": scope["kerberos"].principal,
    }


async def git(scope: Scope, receive: Receive, send: Send) -> None:
    """Run ``git http-backend`` for one request. Both bodies pass piece by piece, whatever their size."""
    if scope["type"] != "http":  # a WebSocket
        await send({"type": "websocket.close"})
        return
    async with (
        anyio.create_task_group() as group,
        await anyio.open_process([PROGRAM], env=environment(scope), stderr=None) as process,
    ):
        assert process.stdin, "a pipe"
        assert process.stdout, "a pipe"
        group.start_soon(pass_body, receive, process.stdin, group.cancel_scope)
        output = BufferedByteReceiveStream(process.stdout)
        head = await output.receive_until(b"\r\n\r\n", MOST_HEADERS)
        await send({"type": "http.response.start", **parsed(head)})
        async for data in output:
            await send({"type": "http.response.body", "body": data, "more_body": True})
        await send({"type": "http.response.body"})
        group.cancel_scope.cancel()


async def pass_body(receive: Receive, stdin: anyio.abc.ByteSendStream, request: anyio.CancelScope) -> None:
    """Give the request's body to git, and end git if the client goes away."""
    while (message := await receive())["type"] == "http.request":
        try:
            await stdin.send(message.get("body", b""))
        except anyio.BrokenResourceError:
            continue  # git has refused it, and says so; the rest of the body is dropped
        if not message.get("more_body", False):
            await stdin.aclose()
    request.cancel()


def parsed(head: bytes) -> dict[str, Any]:
    """The status and the header fields of an answer, from what a CGI program writes before the body."""
    status = 200
    headers: list[tuple[bytes, bytes]] = []
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"status":
            status = int(value.split()[0])
        else:
            headers.append((name.lower(), value.strip()))
    return {"status": status, "headers": headers}


app = KerberosMiddleware(git, hostname=os.environ.get("KERBEROS_HOSTNAME", "localhost"))


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(os.environ.get("PORT", "8000")), lifespan="off")
