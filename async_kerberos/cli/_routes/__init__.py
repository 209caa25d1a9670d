"""``async-kerberos routes``: which routes of an application are open, by the marks that guards leave."""
