"""Pure functions on bytes and texts: no gssapi, no thread, no clock, no framework."""
