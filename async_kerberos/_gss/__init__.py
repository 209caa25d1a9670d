"""The only package that calls GSSAPI and MIT's library. Everything here blocks the thread that calls it."""
