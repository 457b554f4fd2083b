"""A town as a file says it: entries by natural key, each with its line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from core.errors import TownError

# (code,); of a device (gateway, code); of a series (gateway, device, signal).
Key = tuple[str, ...]
# In the order in which rows must come into being; `registry_` + this is the table.
KINDS = ("area", "enterprise", "contact", "gateway", "device", "series")


class LimitRow(NamedTuple):
    """One limit; ordered by (side, level), so two equal lists compare equal."""

    side: str
    level: int
    limit: float
    deadband: float
    on_delay_s: float
    off_delay_s: float


def line_name(limit: LimitRow) -> str:
    """Return the name under which `Entry.lines` has the line of a limit."""
    return f"limit {limit.side} {limit.level}"


@dataclass(slots=True)
class Entry:
    """What the file says of one thing.

    fields   column -> value, only what is said; a reference is the key of the other thing
    line     where it begins; lines: where a column is said
    """

    key: Key
    fields: dict[str, Any]
    line: int
    lines: dict[str, int] = field(default_factory=dict)

    def line_of(self, column: str) -> int:
        """Return the line of a column, or of the entry when it does not say it."""
        return self.lines.get(column, self.line)


@dataclass(slots=True)
class Town:
    """All entries of one file, by kind and key, and what is wrong with them."""

    file: str
    entries: dict[str, dict[Key, Entry]] = field(default_factory=lambda: {kind: {} for kind in KINDS})
    errors: list[TownError] = field(default_factory=list)

    def wrong(self, line: int, problem: str, remedy: str) -> None:
        """Note an error; reading goes on, so that all are told at once."""
        self.errors.append(TownError(f"{self.file}, line {line}", problem, remedy))

    def enterprises(self) -> set[Key]:
        """Return the enterprises that the file names, itself or by a gateway or contact of theirs."""
        named = set(self.entries["enterprise"])
        for kind in ("contact", "gateway"):
            named |= {entry.fields.get("enterprise") or () for entry in self.entries[kind].values()}
        return named - {()}


class TownRejectedError(TownError):
    """A file with errors; nothing of it was imported.  `errors` has them all, in the order of their lines."""

    def __init__(self, file: str, errors: list[TownError]) -> None:
        super().__init__(file, f"{len(errors)} errors", "Correct them; nothing was imported.")
        # A template's error would come once per device.
        self.errors = tuple({str(error): error for error in errors}.values())

    def __str__(self) -> str:
        return "\n".join([*(str(error) for error in self.errors), f"{self.where}: nothing was imported."])


# What the registry holds, in the same words: kind -> key -> column -> value.
Held = Mapping[str, Mapping[Key, Mapping[str, Any]]]
