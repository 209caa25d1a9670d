"""An application for browsers, on Quart: a page that knows its user, an upload, and a WebSocket, all behind Kerberos.

    pip install 'async-kerberos[quart]'
    KRB5_KTNAME=/etc/http.keytab KERBEROS_HOSTNAME=www.example.com python examples/browser_app.py
    chromium --auth-server-allowlist=www.example.com --host-resolver-rules='MAP *.example.com 127.0.0.1'

Then visit ``http://www.example.com:8000/`` there. A browser sends tickets to the sites of its allowlist alone. The host
name is the one in the URL: browsers ask the KDC for a ticket for ``HTTP/`` and that name, and the keytab must hold its
key. The example listens on this machine only, so the last option sends the browser there.
"""

import asyncio
import hashlib
import os

from quart import Quart, abort, render_template_string, request, websocket

from async_kerberos.adapters.quart import init_kerberos, requires_authentication

PAGE = """<!doctype html>
<title>Kerberos example</title>
<p>Hello, {{ user }}</p>
<form action="/upload" method="post" enctype="multipart/form-data">
  <input type="file" name="file" required> <button>Upload</button>
</form>
<form id="talk"><input id="text"> <button>Say</button></form>
<pre id="heard"></pre>
<script>
  // The browser signs in to the WebSocket by itself, as it does to the page.
  const socket = new WebSocket(location.origin.replace("http", "ws") + "/echo")
  socket.onmessage = message => heard.append(message.data + "\\n")
  talk.onsubmit = () => { socket.send(text.value); return false }
</script>
"""

app = Quart(__name__)
init_kerberos(app, hostname=os.environ.get("KERBEROS_HOSTNAME", "localhost"))


@app.get("/")
@requires_authentication
async def page(user: str) -> str:
    return await render_template_string(PAGE, user=user)


@app.post("/upload")
@requires_authentication
async def upload(user: str) -> str:
    """A stranger's upload is refused, and nothing of it is kept. The form of another site cannot post here."""
    file = (await request.files).get("file")
    if file is None:
        abort(400)
    content = await asyncio.to_thread(file.read)  # not on the loop: a large upload waits in a file
    digest = hashlib.sha256(content).hexdigest()
    return await render_template_string("{{ user }} sent {{ digest }}", user=user, digest=digest)


@app.websocket("/echo")
@requires_authentication
async def echo(user: str) -> None:
    """The handshake fails without a ticket, so single messages need no check."""
    await websocket.send(f"Hello, {user}")
    while True:
        await websocket.send(await websocket.receive())


if __name__ == "__main__":
    # Quart's development server. In production: hypercorn browser_app:app
    app.run(host="127.0.0.1", port=int(os.environ.get("PORT", "8000")))
