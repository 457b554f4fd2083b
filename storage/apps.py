"""The Django app of the store: only its migrations; no models, the tables are read and written by SQL."""

from __future__ import annotations

from django.apps import AppConfig


class StorageConfig(AppConfig):
    """Names the app for `migrate`."""

    name = "storage"
    verbose_name = "storage"
