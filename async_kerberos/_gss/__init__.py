"""The only room that calls GSSAPI and MIT's library. Everything here blocks, on whatever thread calls it."""
