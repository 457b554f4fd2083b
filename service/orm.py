"""Django under our configuration: settings from the tree, migrations, the first administrator."""

from __future__ import annotations

import importlib.resources
import os
import secrets
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from core.errors import ConfigError
from service.config import Config

ADMIN = "admin"
OURS = ("registry", "storage", "console")


def environment(config: Config) -> Mapping[str, str]:
    """Return the variables through which service/settings.py learns the configuration.

    Raises ConfigError when no database is named.
    """
    if not config.database.dsn:
        raise ConfigError(
            "configuration [database] dsn",
            "is empty, and no `fengsui up` runs here",
            'Write dsn = "host=… dbname=fengsui user=fengsui", or start `fengsui up`',
        )
    return {
        "DJANGO_SETTINGS_MODULE": "service.settings",
        "FENGSUI_DATABASE__DSN": config.database.dsn,
        "FENGSUI_CONSOLE__SECRET_KEY": config.console.secret_key,
        "FENGSUI_CONSOLE__HOSTS": ",".join(_hosts(config)),
        "FENGSUI_ALERTS__SHORT_CLOSE": config.alerts.short_close.en,
        "FENGSUI_CONSOLE__SILENT_AFTER_S": str(config.console.silent_after_s),
        "FENGSUI_CONSOLE__SIGN_IN_ATTEMPTS": str(config.console.sign_in_attempts),
        "FENGSUI_CONSOLE__SIGN_IN_WINDOW_S": str(config.console.sign_in_window_s),
    }


def _hosts(config: Config) -> list[str]:
    """Return the names under which the console may be asked, that of its public address among them."""
    public = urlsplit(config.console.public_url).hostname
    return list(dict.fromkeys([*config.console.hosts, *([public] if public else [])]))


def setup(config: Config) -> None:
    """Make Django usable in this process; call before anything imports models."""
    os.environ.update(environment(config))
    import django

    django.setup()


def migrate() -> None:
    """Bring the database to this version's tables; a database that is there already is left as it is."""
    from django.core.management import call_command

    call_command("migrate", interactive=False, verbosity=0, skip_checks=True)


def make_admin(password_file: Path) -> bool:
    """Make the user `admin`, its new password in `password_file`, unless there is a superuser already."""
    from django.contrib.auth import get_user_model

    users: Any = get_user_model()
    if users.objects.filter(is_superuser=True).exists():
        return False
    password = secrets.token_urlsafe(12)
    write_secret(password_file, password)
    users.objects.create_superuser(username=ADMIN, email="", password=password)
    return True


def write_secret(path: Path, text: str) -> None:
    """Write a file that only we may read, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    fresh.touch(mode=0o600, exist_ok=False)
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(path)


def import_demo_town() -> bool:
    """Import the simulated town into an empty registry; return whether it was empty."""
    import simulators
    from registry.importer.run import import_town
    from registry.models import Enterprise

    if Enterprise.objects.exists():
        return False
    import_town(Path(simulators.__file__).with_name("town.toml"))
    return True


def missing_migrations(applied: Collection[tuple[str, ...]]) -> list[str]:
    """Return the migrations of ours, "app.name", that are not among the applied (app, name)."""
    found = []
    for app in OURS:
        folder = importlib.resources.files(app) / "migrations"
        names = (entry.name for entry in folder.iterdir()) if folder.is_dir() else ()
        found += [
            (app, name.removesuffix(".py")) for name in names if name[:1].isdigit() and name.endswith(".py")
        ]
    return [f"{app}.{name}" for app, name in sorted(found) if (app, name) not in applied]
