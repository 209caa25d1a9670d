"""What adapters share: the two bridges, the state of a request, and decorated views."""

# GSSAPI is imported with the first adapter: that takes long, and a loop would wait for it within the first request.
from .._gss import acceptor as acceptor
