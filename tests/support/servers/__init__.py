"""Real servers: in this process, on a separate thread, or in a separate process."""

from .asgi import Hypercorn, Uvicorn
from .nginx import Nginx
from .relay import Relay
from .thread import Head, Server, free_port, listening_socket
from .wsgi import Gunicorn, Uwsgi, Werkzeug

__all__ = [
    "Gunicorn",
    "Head",
    "Hypercorn",
    "Nginx",
    "Relay",
    "Server",
    "Uvicorn",
    "Uwsgi",
    "Werkzeug",
    "free_port",
    "listening_socket",
]
