"""Django in the test's own process, pointed at the test's own database."""

import contextlib
import os

from django.apps import apps
from django.conf import settings

_QUICK = "django.contrib.auth.hashers.MD5PasswordHasher"


@contextlib.contextmanager
def site(dsn):
    """Use this database inside the block; connections are closed at its end, so that it can be dropped."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "service.settings")
    if not apps.ready:
        import django

        django.setup()
    from django.db import connections

    from service.settings import _database

    before, wrapper = dict(connections["default"].settings_dict), connections["default"]
    wrapper.close()
    wrapper.settings_dict.update(_database(dsn))
    hosts, settings.ALLOWED_HOSTS = settings.ALLOWED_HOSTS, ["testserver"]
    # Passwords that take half a second to check are for people.
    hashers, settings.PASSWORD_HASHERS = settings.PASSWORD_HASHERS, [_QUICK]
    try:
        yield
    finally:
        connections.close_all()
        wrapper.settings_dict.update(before)
        settings.ALLOWED_HOSTS, settings.PASSWORD_HASHERS = hosts, hashers
