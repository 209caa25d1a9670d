"""The command ``async-kerberos``, run as a user runs it: as a process."""
