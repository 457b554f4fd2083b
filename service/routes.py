"""The routing tree of the configuration: the file that it names, read once at the start."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from alerts.duty import Duty
from alerts.routes_file import read_routes
from alerts.tree import Tree
from core.errors import ConfigError
from registry.catalog import Catalog
from service.config import Config


def duty_of(config: Config) -> Callable[[Catalog], Duty | None]:  # noqa: ARG001 - the rota will ask it
    """Return what makes a registry's duty rota; None = everybody is always on duty."""
    return lambda _catalog: None


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
