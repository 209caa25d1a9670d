"""TLS for real: channel bindings, and what counts as a request over TLS."""
