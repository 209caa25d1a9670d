"""Pure functions of bytes and texts: no gssapi, no thread, no clock, no framework."""
