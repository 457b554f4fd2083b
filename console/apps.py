"""How Django knows the console."""

from __future__ import annotations

from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig


class ConsoleConfig(AppConfig):
    name = "console"
    default_auto_field = "django.db.models.AutoField"
    verbose_name = "Fengsui"


class SiteConfig(AdminConfig):
    """Django's administration, entered by console.admin.Site."""

    default_site = "console.admin.Site"
