"""Sign-ins by the thousand, a third of them hostile."""
