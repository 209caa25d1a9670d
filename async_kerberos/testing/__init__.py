"""A throwaway Kerberos realm for tests: users, services, keytabs and ticket caches, with a real MIT KDC.

Needs the extra ``testing`` and the MIT Kerberos programs (on Debian ``krb5-kdc krb5-admin-server krb5-user
libkrb5-dev``).
"""

from ._realm import ConfSection, ConfValue, Realm, RealmError, Service, User

__all__ = ["ConfSection", "ConfValue", "Realm", "RealmError", "Service", "User"]
