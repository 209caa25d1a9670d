"""Backends of the Django site's. (They can be imported once there are settings.)"""

from __future__ import annotations

from django.contrib.auth.backends import RemoteUserBackend


class OfAFew(RemoteUserBackend):
    """Lets no user in whom the site does not know."""

    create_unknown_user = False
