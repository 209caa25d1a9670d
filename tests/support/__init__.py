"""What tests are built from: a GSSAPI initiator, a raw HTTP client, servers, applications and guards."""
