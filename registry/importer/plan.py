"""What an import would do: the difference between a file and the registry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from registry import signals
from registry.importer.town import KINDS, Held, Key, Town

# Kinds with `active` that --retire-missing may switch off.
RETIRABLE = ("contact", "gateway", "device", "series")

Rows = dict[Key, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Plan:
    """kind -> key -> columns: of a new thing all that are known, of a changed one those that change."""

    new: Mapping[str, Rows] = field(default_factory=lambda: {kind: {} for kind in KINDS})
    changed: Mapping[str, Rows] = field(default_factory=lambda: {kind: {} for kind in KINDS})
    retired: Mapping[str, list[Key]] = field(default_factory=lambda: {kind: [] for kind in KINDS})
    unchanged: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))

    def __bool__(self) -> bool:
        """Is there anything to do?"""
        return any(any(part.values()) for part in (self.new, self.changed, self.retired))


def plan(town: Town, held: Held, *, retire_missing: bool = False) -> Plan:
    """Return what makes the registry say what the file says; the file has passed `check`."""
    todo = Plan()
    for kind in KINDS:
        for key, entry in town.entries[kind].items():
            fields = dict(entry.fields)
            if retire_missing and kind in RETIRABLE:
                fields.setdefault("active", True)
            old = held[kind].get(key)
            if old is None:
                todo.new[kind][key] = _with_catalogue(key, fields) if kind == "series" else fields
                continue
            differing = {column: value for column, value in fields.items() if old[column] != value}
            if differing:
                todo.changed[kind][key] = differing
            else:
                todo.unchanged[kind] += 1
    if retire_missing:
        _retire(todo, town, held)
    return todo


def _with_catalogue(key: Key, fields: dict[str, Any]) -> dict[str, Any]:
    """Return the columns of a new series, words, unit and period filled from the catalogue."""
    known = signals.find(key[-1])
    if known is None:
        return fields
    return {
        "name_zh": known.zh,
        "name_en": known.en,
        "unit": known.unit,
        "period_s": known.period_s,
        **fields,
    }


def _retire(todo: Plan, town: Town, held: Held) -> None:
    """Note what is active, belongs to an enterprise of the file, and is not in the file."""
    named = town.enterprises()
    gateways = {key for key, row in held["gateway"].items() if row["enterprise"] in named}
    for kind in RETIRABLE:
        for key, row in held[kind].items():
            owned = row["enterprise"] in named if kind == "contact" else key[:1] in gateways
            if owned and row["active"] and key not in town.entries[kind]:
                todo.retired[kind].append(key)
