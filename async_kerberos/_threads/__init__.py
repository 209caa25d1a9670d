"""How to wait: worker threads, and how their results reach event loops. Knows nothing about Kerberos."""
