"""Table: a TOML file that a person wrote, read key by key; what does not fit is a ConfigError."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from core.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Table:
    """A file's content and its name, for complaints."""

    where: str
    body: Mapping[str, Any]

    def refuse(self, key: str, problem: str, remedy: str) -> NoReturn:
        """Raise a ConfigError about a key."""
        raise ConfigError(f"{self.where} {key}", problem, remedy)

    def only(self, node: Mapping[str, Any], *known: str) -> None:
        """Refuse keys that nobody reads: they are spelling mistakes."""
        for key in node:
            if key not in known:
                self.refuse(key, "is no key here", f"Known are {', '.join(known)}")

    def word(self, node: Mapping[str, Any], key: str, default: str = "") -> str:
        """Return a text."""
        return str(self._typed(node, key, default, str, "a text"))

    def flag(self, node: Mapping[str, Any], key: str, *, default: bool = False) -> bool:
        """Return true or false."""
        return bool(self._typed(node, key, default, bool, "true or false"))

    def number(self, node: Mapping[str, Any], key: str, default: float) -> float:
        """Return a number."""
        value = node.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float):
            self.refuse(key, f"found {value!r}, expected a number", "Write it without quotes")
        return float(value)

    def numbers(self, node: Mapping[str, Any], key: str) -> tuple[float, ...]:
        """Return an array of numbers."""
        found = self.items(node, key)
        return tuple(self.number({key: one}, key, 0) for one in found)

    def words(self, node: Mapping[str, Any], key: str, default: tuple[str, ...] = ()) -> tuple[str, ...]:
        """Return one text or an array of them."""
        found = node.get(key, list(default))
        found = [found] if isinstance(found, str) else found
        return tuple(self.word({key: one}, key) for one in self.items({key: found}, key))

    def items(self, node: Mapping[str, Any], key: str) -> list[Any]:
        """Return an array."""
        found = node.get(key, [])
        if not isinstance(found, list):
            self.refuse(key, f"found {found!r}, expected an array", "Write it in brackets")
        return found

    def table(self, node: Mapping[str, Any], key: str) -> Mapping[str, Any]:
        """Return a table."""
        found = node.get(key, {})
        if not isinstance(found, Mapping):
            self.refuse(key, f"found {found!r}, expected a table", f"Write [{key}]")
        return found

    def _typed(self, node: Mapping[str, Any], key: str, default: Any, kind: type, words: str) -> Any:
        value = node.get(key, default)
        if not isinstance(value, kind):
            self.refuse(key, f"found {value!r}, expected {words}", "See docs/wire.md")
        return value


def read_table(path: Path) -> Table:
    """Return a TOML file; raises ConfigError."""
    try:
        return Table(str(path), tomllib.loads(path.read_text(encoding="utf-8-sig")))
    except OSError as error:
        raise ConfigError(
            str(path), f"cannot be read ({error.strerror})", "Name a file that is there"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(
            str(path), f"is no TOML: {error}", "Correct it; docs/wire.md has examples"
        ) from error
