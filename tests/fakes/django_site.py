"""Django in the test's own process, pointed at the test's own database."""

import contextlib
import os

from django.apps import apps
from django.conf import settings

_QUICK = "django.contrib.auth.hashers.MD5PasswordHasher"


@contextlib.contextmanager
def site(dsn):
    """Use this database inside the block, in Chinese; nothing that is done in it outlives it.

    Connections are closed at its end, so that the database can be dropped; commands run in the block write our
    configuration into the environment, and pages a language into the thread.
    """
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "service.settings")
    if not apps.ready:
        import django

        django.setup()
    from django.db import connections
    from django.utils import translation

    from service.settings import _database

    before, wrapper = dict(connections["default"].settings_dict), connections["default"]
    wrapper.close()
    wrapper.settings_dict.update(_database(dsn))
    hosts, settings.ALLOWED_HOSTS = settings.ALLOWED_HOSTS, ["testserver"]
    # Passwords that take half a second to check are for people.
    hashers, settings.PASSWORD_HASHERS = settings.PASSWORD_HASHERS, [_QUICK]
    environment = dict(os.environ)
    try:
        with translation.override(settings.LANGUAGE_CODE):
            yield
    finally:
        os.environ.clear()
        os.environ.update(environment)
        connections.close_all()
        wrapper.settings_dict.update(before)
        settings.ALLOWED_HOSTS, settings.PASSWORD_HASHERS = hosts, hashers
