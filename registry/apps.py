"""How Django knows the registry."""

from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class RegistryConfig(AppConfig):
    name = "registry"
    verbose_name = _("Registry")
    # int32 keys: `Batch.series` and `Events.subject` are int32.
    default_auto_field = "django.db.models.AutoField"
