"""Applications with routes of every kind, and what `async-kerberos routes` has to find of them.

``FOUND`` maps path and method (``ws`` for a WebSocket, ``any`` where any is taken) to the state.
"""
