"""How anything waits: worker threads, and the way back to event loops. Knows nothing of Kerberos."""
