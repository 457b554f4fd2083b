"""The routing tree of the configuration: the file that it names, read once at the start."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from alerts.duty import Duty
from alerts.rota_duty import RotaDuty
from alerts.routes_file import read_routes
from alerts.tree import Tree
from core.errors import ConfigError
from registry.catalog import Catalog
from service.config import Config


def duty_of(config: Config) -> Callable[[Catalog], Duty | None]:
    """Return what makes a registry's duty rota; where it has none, everybody is always on duty."""
    work_days = config.rota.days
    return lambda catalog: RotaDuty(catalog, work_days)


def tree_of(config: Config) -> Tree:
    """Return the routing tree; without a file the policy's table.  Raises ConfigError."""
    if not config.alerts.routes:
        return Tree()
    path = Path(config.alerts.routes)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            "[alerts] routes", f"{path} cannot be read ({error})", "Name a file that we may read"
        ) from error
    return read_routes(text, str(path), channels=frozenset(config.channels))
